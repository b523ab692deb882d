"""`wayside probe SOURCE`: what a stream really is, measured over some seconds, in one table."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import asdict

from pipeline.errors import ConfigError
from streams.live import BACKENDS, TRANSPORTS
from streams.probe import Probe, probe
from streams.trust import Trust


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="a file, or the URL of a live stream, as for watch")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="how long to measure (default: 5)")
    parser.add_argument("--backend", choices=BACKENDS, default="auto", help="what reads a live stream (default: auto)")
    parser.add_argument("--transport", choices=TRANSPORTS, default="tcp", help="of RTSP (default: tcp)")
    parser.add_argument(
        "--allow-private", action="store_true", help="let what a server leads to be on the private network"
    )
    parser.add_argument("--ca-file", metavar="PEM", help="who vouches for an encrypted stream (default: the system's)")
    parser.add_argument("--no-tls-verify", action="store_true", help="believe any certificate")
    parser.add_argument("--json", action="store_true", help="one line of JSON in place of the table")


def run(args: argparse.Namespace) -> int:
    if not (math.isfinite(args.seconds) and args.seconds > 0):
        raise ConfigError(f"--seconds must be more than 0, got {args.seconds:g}")
    found = probe(
        args.source,
        seconds=args.seconds,
        backend=args.backend,
        transport=args.transport,
        allow_private=args.allow_private,
        trust=Trust(args.ca_file, not args.no_tls_verify),
    )
    if args.json:
        print(json.dumps({key: _rounded(value) for key, value in asdict(found).items()}))
        return 0
    print(found.url)
    rows = [(name, value) for name, value in _rows(found) if value]
    for name, value in rows:
        print(f"  {name:<15} {value}")
    for remark in _remarks(found):
        print(f"  ! {remark}")
    return 0


def _rows(found: Probe) -> Iterator[tuple[str, str]]:
    """Yield the lines of the table; an empty value is nothing to be told."""
    kind = "live" if found.is_live else "a file" if found.backend == "pyav" else "pictures"
    why = f": {found.backend_reason}" if found.backend_reason else ""
    yield "read by", f"{found.backend} ({kind}){why}"
    if found.opened_seconds is not None and found.first_picture_seconds is not None:
        yield "opened", f"in {found.opened_seconds:.2f} s, first picture after {found.first_picture_seconds:.2f} s"
    yield "container", found.container or ""
    if found.codec:
        profile = f", profile {found.profile}" if found.profile else ""
        by = f", decoded by {found.decoder}" if found.decoder and found.decoder != found.codec else ""
        yield "codec", f"{found.codec}{profile}{by}{' (hardware)' if found.is_hardware else ''}"
    if found.size_wh is not None:
        width, height = found.size_wh
        yield "picture", f"{width}x{height}" + (f", {found.pixel_format}" if found.pixel_format else "")
        if found.is_interlaced:
            yield "", "interlaced: it is deinterlaced, one picture a frame"
    if found.matrix is not None:
        matrix = found.matrix if found.is_matrix_told else f"{found.matrix} (taken, not told)"
        spread = f"{found.range} range" + ("" if found.is_range_told else " (taken, not told)")
        yield "colours", f"{matrix}, {spread}"
    yield "declared rate", "none" if found.declared_fps is None else f"{found.declared_fps:.5g} frames/s"
    if found.measured_fps is not None:
        kind = {True: "variable", False: "constant", None: "too few frames to say whether constant"}[found.is_variable]
        came = "" if found.arrival_fps is None else f", {found.arrival_fps:.5g} arrived"
        yield "measured rate", f"{found.measured_fps:.5g} frames/s, {kind}{came}"
    yield "measured over", f"{found.frames} frames, {found.seconds:.1f} s"
    if found.key_frame_frames is not None and found.key_frame_seconds is not None:
        yield "key frames", f"every {found.key_frame_frames} frames, {found.key_frame_seconds:.2f} s at the most"
    elif found.key_frames is not None:
        yield "key frames", f"{found.key_frames} in {found.seconds:.1f} s"
    if found.has_b_frames is not None:
        yield "B-frames", "yes" if found.has_b_frames else "none"
    clock = {"rtcp": "the sender's reports (RTCP)", "program_date": "the playlist's program date"}
    clock |= {"arrival": "none of its own: the time of arrival", "container": "the file's creation time"}
    error = "" if found.clock_error_seconds is None else f", to {found.clock_error_seconds:g} s"
    yield "clock", clock[found.clock] + error if found.clock else "none"
    order = {None: "", 0: "in order, "}.get(found.disordered, f"{found.disordered} packets out of order, ")
    longest = "" if found.longest_step_seconds is None else f", longest step {found.longest_step_seconds:.3f} s"
    yield "times", f"{order}{_count(found.jumps, 'jump')}{longest}"
    yield "damage", f"{_count(found.corrupt_packets, 'packet')}, {_count(found.corrupt_frames, 'frame')}"
    if found.bits_per_second is not None:
        yield "video bitrate", f"{found.bits_per_second / 1e6:.3g} Mbit/s"
    yield "sound", "not asked for" if found.sound is None and found.is_live else found.sound or "none"
    if found.duration_seconds is not None:
        yield "length", f"{found.duration_seconds:.1f} s"


def _remarks(found: Probe) -> Iterator[str]:
    """Yield what a person should know before watching it."""
    if found.is_live and found.ended:
        yield f"it ended while it was measured: {found.ended}"
    declared, measured = found.declared_fps, found.measured_fps
    if declared and measured and abs(measured - declared) > 0.05 * declared:
        yield f"it declares {declared:.5g} frames a second and gives {measured:.5g}"
    if found.is_live and found.key_frame_frames is None and found.key_frames is not None and found.seconds > 2:
        yield f"no two key frames within {found.seconds:.1f} s: after a cut the picture is that late"
    elif found.is_live and (found.key_frame_seconds or 0) > 4:
        yield f"a key frame every {found.key_frame_seconds:.1f} s: after a cut the picture is up to that late"
    if found.size_changes:
        yield f"its size changed {found.size_changes} times"
    if found.jumps:
        yield "its times jump: what is tracked across a jump is ended"
    if found.corrupt_packets or found.corrupt_frames:
        yield "it is damaged: the decoder makes up what is missing"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _rounded(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value
