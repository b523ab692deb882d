#!/usr/bin/env bash
# Makes .venv, the Python environment of this checkout; does nothing where it is up to date.
#
#   deploy/setup.sh [EXTRAS]    extras of pyproject.toml, with commas between; all of them unless told.
#                               "" is enough to watch video: a gigabyte rather than seven, as torch stays out.
#
# Debian packages are installed where this runs as root or may use sudo; where not, it says which to install.
# PYTHON=... chooses the interpreter. Which build of torch it gets is for pip's own configuration to say.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

everything=train,dev
extras=${1-$everything}

# The stamp says what .venv was made from, $PWD too, as scripts in .venv hold its path; then the extras in it, one a line.
stamp=.venv/setup-stamp
inputs="$(cat pyproject.toml deploy/setup.sh | sha256sum | cut -d' ' -f1) $PWD"

# has EXTRAS: say whether .venv is up to date and holds these. Who has everything has each of them.
has() {
    local extra
    [[ -f $stamp && $(head -n1 "$stamp") == "$inputs" ]] || return
    for extra in ${1//,/ }; do
        grep -qxF -e "$extra" "$stamp" || { [[ $1 != "$everything" ]] && has "$everything"; } || return
    done
}

if has "$extras"; then
    exit 0
fi

say() { echo "setup: $*" >&2; }

# debian WHAT_FOR PACKAGE...: install Debian packages, or say that a person must and return 1.
debian() {
    local what_for=$1 sudo=()
    shift
    if [[ $EUID != 0 ]]; then
        sudo=(sudo) # which may ask for a password only where somebody can type one
        if ! sudo -n true 2>/dev/null && ! { [[ -t 0 ]] && command -v sudo >/dev/null; }; then
            say "$what_for wants $*, and this is neither root nor allowed sudo: apt-get install $*"
            return 1
        fi
    fi
    if ! command -v apt-get >/dev/null; then
        say "$what_for wants what Debian calls $*: please install it"
        return 1
    fi
    say "installing $* ($what_for)"
    "${sudo[@]}" apt-get update -qq || true # a foreign repository that does not answer is no reason to give up
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" >/dev/null </dev/null
}

find_python() {
    local python candidates=${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}
    for python in $candidates; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
    say "no Python of 3.11 or newer among $candidates. Debian 12 and Ubuntu 24.04 have it as python3," \
        "Ubuntu 22.04 as python3.11 (with python3.11-venv); another is taken with PYTHON=/path/to/python."
    return 1
}

# promtool checks metrics and alerts in the tests, and a Prometheus is asked every query of the dashboards. They are taken
# out of their packages: to install the server's would start one. Since Debian 13 promtool has a package of its own.
fetch_prometheus() {
    local folder package program
    command -v promtool >/dev/null && command -v prometheus >/dev/null && return
    [[ -x .venv/bin/promtool && -x .venv/bin/prometheus ]] && return
    folder=$(mktemp -d)
    for package in prometheus promtool; do
        (cd "$folder" && apt-get download -qq $package && dpkg-deb -x $package*.deb .) &>/dev/null || true
    done
    for program in prometheus promtool; do
        if [[ -x $folder/usr/bin/$program ]]; then
            cp "$folder/usr/bin/$program" .venv/bin/
        elif ! command -v $program >/dev/null; then
            say "$program is not to be had here (Debian package prometheus): its tests are skipped"
        fi
    done
    rm -rf "$folder"
}

# unpack NAME PROGRAM WHAT_FOR PACKAGE...: take a server out of its packages into .venv/NAME, with the libraries that are
# missing here, and make .venv/bin/NAME start PROGRAM of it. To install the packages would start the server.
unpack() {
    local name=$1 program=$2 what_for=$3 folder package libraries
    shift 3
    folder=$(mktemp -d)
    apt-get install -qq -y --no-install-recommends --download-only -o Debug::NoLocking=1 \
        -o Dir::Cache::archives="$folder" "$@" &>/dev/null || true
    for package in "$folder"/*.deb; do
        dpkg-deb -x "$package" ".venv/$name" 2>/dev/null || true
    done
    rm -rf "$folder"
    if [[ -x .venv/$name$program ]]; then
        libraries=$(find "$PWD/.venv/$name" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
        printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' \
            "$libraries" "$PWD/.venv/$name$program" >".venv/bin/$name"
        chmod +x ".venv/bin/$name"
    else
        say "$name is not to be had here (Debian packages: $*): the tests of $what_for are skipped"
    fi
}

fetch_mosquitto() {
    command -v mosquitto >/dev/null || [[ -x /usr/sbin/mosquitto || -x .venv/bin/mosquitto ]] && return
    unpack mosquitto /usr/sbin/mosquitto MQTT mosquitto
}

# Where nginx is installed and lacks RTMP, its module is of no use without its own nginx: both are taken then.
fetch_nginx() {
    [[ -x /usr/sbin/nginx && -f /usr/lib/nginx/modules/ngx_rtmp_module.so || -x .venv/bin/nginx ]] && return
    unpack nginx /usr/sbin/nginx "RTMP and HLS" nginx-light libnginx-mod-rtmp
}

# GStreamer comes from Debian, and PyGObject, which has no wheels, is built with Debian's headers; both must be there
# before pip installs the extra `gstreamer`.
gstreamer_can_be_built() {
    local need=()
    gst-inspect-1.0 --exists avdec_h264 2>/dev/null && gst-inspect-1.0 --exists srtsrc 2>/dev/null &&
        [[ -n $(find /usr/lib -name 'GstApp-1.0.typelib' -print -quit) ]] ||
        need+=(gstreamer1.0-tools gstreamer1.0-plugins-{base,good,bad} gstreamer1.0-libav gir1.2-gst-plugins-base-1.0)
    pkg-config --exists gobject-introspection-1.0 cairo 2>/dev/null && command -v gcc >/dev/null ||
        need+=(libgirepository1.0-dev libcairo2-dev pkg-config gcc)
    .venv/bin/python -c 'import sys, sysconfig, pathlib
sys.exit(not (pathlib.Path(sysconfig.get_paths()["include"]) / "Python.h").exists())' || need+=(python3-dev)
    ((${#need[@]} == 0)) || debian "GStreamer" "${need[@]}"
}

# Servers of the tests of live streams that start nothing by themselves: RTSP by Debian's own Python, SRT and UDP by
# FFmpeg's tool.
install_stream_servers() {
    local need=()
    /usr/bin/python3 tests/rtsp_child.py --check &>/dev/null || need+=(python3-gi gir1.2-gst-rtsp-server-1.0)
    command -v ffmpeg >/dev/null || need+=(ffmpeg)
    ((${#need[@]} == 0)) || debian "the tests of live streams" "${need[@]}"
}

if ! .venv/bin/python -m pip --version &>/dev/null; then
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null || debian "a Python environment" "$(basename "$python")-venv"
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi

wanted=$extras
if [[ ,$extras, == *,dev,* || ,$extras, == *,gstreamer,* ]]; then
    wanted=$(tr , '\n' <<<"$extras" | grep -vx gstreamer | paste -sd,) || true
    if gstreamer_can_be_built; then
        wanted+=${wanted:+,}gstreamer
    else
        say "GStreamer is left out: its tests are skipped, and SRT cannot be read"
    fi
fi

size=
[[ ,$extras, == *,train,* ]] && size=" (gigabytes: some minutes)"
say "installing Python packages into .venv${extras:+, with those for $extras}$size"
quiet=--quiet
[[ -t 1 ]] && quiet=
.venv/bin/python -m pip install $quiet --disable-pip-version-check --editable ".${wanted:+[$wanted]}"

if ! .venv/bin/python -c 'import sys; from PIL import features; sys.exit(not features.check("raqm"))'; then
    debian "writing into videos" libfribidi0 || true # which Pillow loads when it shapes letters; logs need none
fi
if [[ ,$extras, == *,dev,* ]]; then
    command -v espeak-ng >/dev/null || debian "the tests of speech" espeak-ng || true
    command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null ||
        debian "the tests of the report" chromium-headless-shell || true
    install_stream_servers || true
    fetch_prometheus
    fetch_mosquitto
    fetch_nginx
fi

kept= # extras that it held before, and still does
has "" && kept=$(tail -n+2 "$stamp")
printf '%s\n' "$inputs" $kept ${extras//,/ } >"$stamp"
