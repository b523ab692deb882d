"""`wayside doctor`: what works on this machine, and for what does not, the command that would change it.

Every part is tried rather than looked for where that takes no more than a moment: a picture is encoded and decoded, the
shipped networks run. It imports nothing at its top, so that it can tell what cannot be imported.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

_TROUBLE = (ImportError, OSError, RuntimeError, ValueError, AttributeError, SyntaxError)
"""What a part that is damaged or half installed may raise when it is tried."""

_FILES = 1024
"""Open files that sixteen streams with their sinks are sure to get along with."""

_DECODERS = ("h264", "hevc", "av1", "vp9", "mpeg2video", "mjpeg")

_GST_ELEMENTS = {
    "rtspsrc": "good",
    "v4l2src": "good",
    "souphttpsrc": "good",
    "deinterlace": "good",
    "srtsrc": "bad",
    "rtmp2src": "bad",
    "tsdemux": "bad",
    "h264parse": "bad",
    "videoconvert": "base",
}
"""Elements that the backend uses, with the set of plugins that has them."""

_EXTRAS = {
    "gstreamer": ("gi", "live streams by GStreamer: SRT, hardware decoders, pipelines of your own"),
    "icons": ("simple_icons_pack", "brands enrolled by the name of an icon"),
    "kafka": ("confluent_kafka", "the sink kafka"),
    "mqtt": ("paho.mqtt", "the sink mqtt"),
    "report": ("matplotlib", "wayside report"),
    "tables": ("pyarrow", "wayside ledger export as Parquet"),
    "text": ("rapidocr", "brands recognised by the words on them"),
    "train": ("torchvision", "wayside train"),
}
"""Of pyproject.toml: what shows that it is installed, and what it is for."""

_PROGRAMS = {
    "espeak-ng": (("espeak-ng",), "apt-get install espeak-ng", "watch --speak"),
    "promtool": (("promtool",), "apt-get install prometheus", "checking alerts, in the tests"),
    "chromium": (("chromium", "chromium-headless-shell"), "apt-get install chromium", "pages, in the tests"),
    "ffmpeg": (("ffmpeg",), "apt-get install ffmpeg", "servers of streams, in the tests; watching needs none"),
}
"""Names that a program may have, how to get it, and what it is for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of the program, or of what it may use.

    is_working: it works; is_needed: a plain `watch` does not without it
    detail: what there is, or what is wrong
    fix: the command that would change it, "" where nothing would or need be
    """

    group: str
    name: str
    is_working: bool
    detail: str
    fix: str = ""
    is_needed: bool = False


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one line of JSON in place of the table")


def run(args: argparse.Namespace) -> int:
    """Return 1 where something is broken that a plain `watch` needs."""
    found = list(examine())
    broken = [finding for finding in found if finding.is_needed and not finding.is_working]
    if args.json:
        about = {"wayside": _version("wayside"), "python": platform.python_version(), "system": _system()}
        print(json.dumps({**about, "is_well": not broken, "findings": [asdict(finding) for finding in found]}))
        return int(bool(broken))
    print(f"wayside {_version('wayside')}, Python {platform.python_version()}, {_system()}")
    group = ""
    for finding in found:
        if finding.group != group:
            group = finding.group
            print(f"\n{group}")
        mark = "ok" if finding.is_working else "!!" if finding.is_needed else "--"
        print(f"  {mark} {finding.name:<16} {finding.detail}")
        if finding.fix:
            print(f"     {'':<16} > {finding.fix}")
    names = ", ".join(finding.name for finding in broken)
    print(f"\nBroken, and needed to watch: {names}." if broken else "\nAll that watching needs works.")
    return int(bool(broken))


def examine() -> Iterator[Finding]:
    """Yield what was found, group by group."""
    for check in (_decoding, _detectors, _lettering, _files):
        yield _tried("watching", check)
    for check in (_pyav, _gstreamer, _isolation):
        yield _tried("backends", check)
    yield from _missing_elements()
    for check in (_hardware_decoders, _cameras, _openvino, _cuda):
        yield _tried("devices", check)
    for extra, (module, purpose) in _EXTRAS.items():
        is_there = _is_importable(module)
        yield Finding("extras", extra, is_there, purpose, "" if is_there else _install(extra))
    where = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    for name, (names, fix, purpose) in _PROGRAMS.items():
        is_there = any(shutil.which(each, path=where) for each in names)
        yield Finding("programs", name, is_there, purpose, "" if is_there else fix)


def _tried(group: str, check: Callable[[], Finding]) -> Finding:
    """Return what a check finds; of one that fails, why."""
    try:
        return check()
    except _TROUBLE as error:
        name, fix, is_needed = _IF_BROKEN[check]
        what = " ".join(str(error).split()) or type(error).__name__
        return Finding(group, name, False, what[:200], fix, is_needed)


def _decoding() -> Finding:
    """Encode a picture and decode it again."""
    import io

    import av
    import numpy as np

    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 200, np.uint8), format="rgb24")))
        out.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as container:
        value = float(next(container.decode(video=0)).to_ndarray(format="rgb24").mean())
    if abs(value - 200) > 4:
        raise RuntimeError(f"a grey of 200 is decoded as {value:.0f}")
    lacking = [name for name in _DECODERS if name not in av.codecs_available]
    detail = f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}: H.264 written and read"
    detail += f"; no {', '.join(lacking)}" if lacking else ""
    return Finding("watching", "video", True, detail, is_needed=True)


def _detectors() -> Finding:
    """Let the shipped networks for signs look at a picture."""
    import numpy as np

    from detectors.detector import open_detector
    from detectors.errors import ModelError

    try:
        detector = open_detector("signs", device="cpu")
    except ModelError as error:
        return Finding("watching", "detectors", False, str(error), _REINSTALL, is_needed=True)
    detector([np.full((96, 160, 3), 128, np.uint8)])
    detail = f"signs, by OpenVINO {_version('openvino')} on the CPU"
    return Finding("watching", "detectors", True, detail, is_needed=True)


def _lettering() -> Finding:
    """Look for what draws texts into videos."""
    from PIL import features

    lacking = [name for name in ("manimgx_fonts", "manimgx_fonts_cjk") if find_spec(name) is None]
    if lacking:
        fix = "pip install manimgx-fonts manimgx-fonts-cjk"
        return Finding("watching", "texts in videos", False, f"no fonts: {', '.join(lacking)}", fix)
    if not features.check("raqm"):
        fix = "apt-get install libfribidi0"
        return Finding("watching", "texts in videos", False, "letters cannot be shaped without FriBiDi", fix)
    return Finding("watching", "texts in videos", True, "Noto fonts, shaped by raqm")


def _files() -> Finding:
    """Ask how many files may be open at once."""
    try:
        import resource
    except ImportError:
        return Finding("watching", "open files", True, "no limit of this kind here")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_enough = soft == resource.RLIM_INFINITY or soft >= _FILES
    detail = "no limit" if soft == resource.RLIM_INFINITY else f"{soft} at once"
    may_raise = hard == resource.RLIM_INFINITY or hard >= _FILES
    fix = f"ulimit -n {_FILES}" if may_raise else f"sudo prlimit --pid $$ --nofile={_FILES}"
    enough = "" if is_enough else f", and {_FILES} are wanted for sixteen streams"
    return Finding("watching", "open files", is_enough, detail + enough, "" if is_enough else fix)


def _pyav() -> Finding:
    import av

    names = ("libavcodec", "libavformat")
    libraries = ", ".join(f"{name} {'.'.join(map(str, av.library_versions[name]))}" for name in names)
    return Finding("backends", "pyav", True, f"FFmpeg {av.ffmpeg_version_info} ({libraries})", is_needed=True)


def _gstreamer() -> Finding:
    from streams.gst_library import HOW_TO_INSTALL, library, why_not

    lacks = why_not()
    if lacks is not None:
        return Finding("backends", "gstreamer", False, lacks.removesuffix(f": {HOW_TO_INSTALL}"), HOW_TO_INSTALL)
    return Finding(
        "backends", "gstreamer", True, f"{library().gst.version_string()}, PyGObject {_version('PyGObject')}"
    )


def _isolation() -> Finding:
    """Say what a stream with `isolate` is shut off from here."""
    if sys.platform != "linux":
        return Finding("backends", "isolate", False, "decoders in processes of their own need Linux")
    from streams import confinement

    found = confinement.version()
    what = f"with no files (Landlock {found})" if found else "but with all files: this kernel has no Landlock"
    return Finding("backends", "isolate", True, f"decoders in processes of their own, {what}")


def _missing_elements() -> Iterator[Finding]:
    """Yield the elements that an installed GStreamer lacks, and what that costs."""
    from streams.gst_library import library, why_not

    if why_not() is not None:
        return
    factory = library().gst.ElementFactory
    for name, plugins in _GST_ELEMENTS.items():
        if factory.find(name) is None:
            fix = f"apt-get install gstreamer1.0-plugins-{plugins}"
            yield Finding("backends", name, False, "GStreamer lacks it", fix)
    if factory.find("avdec_h264") is None and factory.find("openh264dec") is None:
        yield Finding("backends", "avdec_h264", False, "no H.264 in software", "apt-get install gstreamer1.0-libav")


def _hardware_decoders() -> Finding:
    """List the decoders of GStreamer that run on a chip of their own; PyAV is not asked to use any."""
    from streams.gst_library import decoders, why_not

    if why_not() is not None:
        return Finding("devices", "video decoders", False, "by GStreamer alone, which is not installed")
    names = [decoder.name for decoder in decoders() if decoder.is_hardware]
    nodes = sorted(str(path) for path in Path("/dev/dri").glob("renderD*"))
    if names:
        return Finding("devices", "video decoders", True, ", ".join(names))
    if nodes:
        fix = "apt-get install gstreamer1.0-plugins-bad va-driver-all"
        return Finding("devices", "video decoders", False, f"none in use, but there is {nodes[0]}", fix)
    return Finding("devices", "video decoders", False, "no hardware for it; software decodes")


def _cameras() -> Finding:
    """List what Video4Linux has."""
    found, locked = [], []
    for path in sorted(Path("/dev").glob("video*")):
        name = Path("/sys/class/video4linux", path.name, "name")
        found.append(f"{path} ({name.read_text().strip()})" if name.exists() else str(path))
        if not os.access(path, os.R_OK | os.W_OK):
            locked.append(path)
    if locked:
        fix = "sudo usermod -aG video $USER   # and log in again"
        return Finding("devices", "cameras", False, f"{', '.join(found)}: not for this user", fix)
    return Finding("devices", "cameras", bool(found), ", ".join(found) or "none of Video4Linux")


def _openvino() -> Finding:
    import openvino

    core = openvino.Core()
    names = [f"{device} ({core.get_property(device, 'FULL_DEVICE_NAME')})" for device in core.available_devices]
    return Finding("devices", "openvino", bool(names), ", ".join(names) or "no device", is_needed=True)


def _cuda() -> Finding:
    has_driver = Path("/proc/driver/nvidia/version").exists()
    torch_version = _version("torch") if find_spec("torch") is not None else None
    if not has_driver:
        return Finding("devices", "cuda", False, "no NVIDIA GPU, or no driver for one")
    if torch_version is None:
        return Finding("devices", "cuda", False, "an NVIDIA GPU, but no torch", _install("train"))
    import torch  # which takes seconds, so it is not asked in vain

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return Finding("devices", "cuda", True, f"{', '.join(names)}, by torch {torch_version}")
    fix = "pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu130"
    return Finding("devices", "cuda", False, f"there is a GPU that torch {torch_version} does not use", fix)


_REINSTALL = "pip install --force-reinstall wayside"

_IF_BROKEN: dict[Callable[[], Finding], tuple[str, str, bool]] = {
    _decoding: ("video", "pip install --force-reinstall av numpy", True),
    _detectors: ("detectors", _REINSTALL, True),
    _lettering: ("texts in videos", "pip install --force-reinstall pillow", False),
    _files: ("open files", "", False),
    _pyav: ("pyav", "pip install --force-reinstall av", True),
    _gstreamer: ("gstreamer", _REINSTALL, False),
    _hardware_decoders: ("video decoders", "", False),
    _cameras: ("cameras", "", False),
    _openvino: ("openvino", "pip install --force-reinstall openvino", True),
    _cuda: ("cuda", "pip install --force-reinstall torch", False),
}
"""Name, command and whether watching needs it, of what fails when it is tried."""


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = platform.system()
    return f"{name} on {platform.machine()}, {os.cpu_count()} cores"


def _install(extra: str) -> str:
    return f"pip install 'wayside[{extra}]'"


def _version(package: str) -> str:
    try:
        return version(package).partition("-")[0]
    except PackageNotFoundError:
        return "?"


def _is_importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False
