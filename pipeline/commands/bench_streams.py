"""Many streams in one process, timed: how many live ones can be had in time, and what one process for all of them gains
over a process for each.

Live: one process sends a prepared drive over UDP on loopback, once a stream, at the pace of the world. Whatever the
sending costs is on the same cores. Files: the same drive, as fast as it goes; the networks are loaded before the clock
starts, in all processes.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

from pipeline.config import Config, OutputSettings, StreamSettings
from pipeline.metrics import Metrics
from pipeline.samples.road import RoadSample
from streams.transport import PACKET, Endless, encoded

SIZE_WH, FPS = (640, 360), 15
_DATAGRAM = 7 * PACKET
_SAMPLE_SECONDS = 0.25

_spawn = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Live:
    """What came of a time with live streams. latency_seconds: by share of the frames; level: the highest there was."""

    streams: int
    seconds: float
    frames: int
    expected: int
    dropped: int
    sampled_out: int
    corrupt: int
    gaps: int
    within_1_s: float
    level: int
    cpu_cores: float
    sender_cores: float
    pss_mb: float

    @property
    def is_fine(self) -> bool:
        """Nothing dropped, nothing left out, and in time."""
        lost = self.dropped + self.sampled_out + self.corrupt + self.gaps
        return not lost and not self.level and self.within_1_s == 1.0 and self.frames >= 0.98 * self.expected


@dataclass(frozen=True, slots=True)
class Files:
    """What came of files, in so many processes. pss_mb: memory with what is shared counted once."""

    processes: int
    streams: int
    frames: int
    frames_per_second: float
    cpu_seconds: float
    pss_mb: float


def live(streams: int, seconds: float, scratch: Path, pieces: Sequence[bytes]) -> Live:
    """Watch so many live streams for so long, after a time to settle."""
    ports = _free_ports(streams)
    parent, child = _spawn.Pipe()
    folder = scratch / f"live-{streams}"
    watcher = _spawn.Process(target=_watch_live, args=(ports, str(folder), seconds, child))
    watcher.start()
    with _ended(watcher):
        parent.recv()  # loaded, and listening
        told, sends = _spawn.Pipe()
        sender = _spawn.Process(target=_send, args=(ports, list(pieces), sends), daemon=True)
        sender.start()
        with _ended(sender):
            told.recv()
            most = _peak_pss([watcher], parent)
            row = parent.recv()
            sender.terminate()
            sender_cores = told.recv() if told.poll(5) else 0.0
    return Live(streams=streams, seconds=seconds, sender_cores=round(sender_cores, 3), pss_mb=round(most, 1), **row)


def files(video: Path, *, streams: int, processes: int, scratch: Path) -> Files:
    """Watch a video so many times as fast as it goes, the streams divided over the processes."""
    each = streams // processes
    barrier = _spawn.Barrier(processes + 1)
    pipes = [_spawn.Pipe() for _ in range(processes)]
    children = [
        _spawn.Process(
            target=_watch_files,
            args=(str(video), each, str(scratch / f"files-{processes}-{number}"), barrier, pipes[number][1]),
        )
        for number in range(processes)
    ]
    for process in children:
        process.start()
    barrier.wait(600)
    began = time.monotonic()
    most = 0.0
    while not all(parent.poll() for parent, _ in pipes):
        most = max(most, sum(_pss_mb(process.pid) for process in children if process.pid is not None))
        time.sleep(_SAMPLE_SECONDS)
    rows = [parent.recv() for parent, _ in pipes]
    seconds = max(ended for _, _, ended in rows) - began
    for process in children:
        process.join()
    frames = sum(frames for frames, _, _ in rows)
    cpu = sum(cpu for _, cpu, _ in rows)
    return Files(processes, streams, frames, round(frames / seconds, 1), round(cpu, 2), round(most, 1))


def compared(video: Path, *, streams: int, scratch: Path) -> dict[str, object]:
    """Time one process with all streams and a process for each, in turn."""
    one = files(video, streams=streams, processes=1, scratch=scratch)
    many = files(video, streams=streams, processes=streams, scratch=scratch)
    return {
        "one": asdict(one),
        "many": asdict(many),
        "speed_ratio": round(one.frames_per_second / many.frames_per_second, 2),
        "cpu_ratio": round(many.cpu_seconds / one.cpu_seconds, 2),
        "memory_ratio": round(many.pss_mb / one.pss_mb, 1),
    }


def drive(path: Path, seconds: float) -> tuple[Path, list[bytes]]:
    """Write a generated drive of `SIZE_WH` as a transport stream; return it, and its bytes frame by frame."""
    pictures = (rgb for rgb, _ in RoadSample(3, seconds=seconds, size_wh=SIZE_WH, fps=FPS))
    pieces = encoded(pictures, size_wh=SIZE_WH, fps=FPS)
    path.write_bytes(b"".join(pieces))
    return path, pieces


def _watch_live(ports: Sequence[int], folder: str, seconds: float, pipe: Connection) -> None:
    """Watch UDP streams until the time is over, and tell what came: the body of a process."""
    from pipeline.run import watch

    settings = tuple(
        StreamSettings(url=f"udp://127.0.0.1:{port}", name=f"s{number}") for number, port in enumerate(ports)
    )
    config = Config(stream=settings, output=OutputSettings(folder=folder))
    metrics = Metrics()
    rows: dict[str, float] = {}

    def measure() -> None:
        """Wait until all are there and have settled; then look twice."""
        while len(metrics.streams.snapshot()) < len(ports):
            time.sleep(0.05)
        pipe.send("listening")
        until = time.monotonic() + 60
        while time.monotonic() < until and not all(c.processed > FPS for c in metrics.frames.snapshot().values()):
            time.sleep(0.1)
        time.sleep(4.0)
        before, cpu, began = _totals(metrics), time.process_time(), time.monotonic()
        time.sleep(seconds)
        after, passed = _totals(metrics), time.monotonic() - began
        rows.update({name: after[name] - before[name] for name in after})
        rows["cpu"] = (time.process_time() - cpu) / passed
        rows["expected"] = round(len(ports) * FPS * passed)
        rows["level"] = metrics.registry.get_sample_value("wayside_overload_level") or 0.0
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=measure, daemon=True).start()
    watch(config, quiet=True, metrics=metrics)
    names = ("frames", "dropped", "sampled_out", "corrupt", "gaps", "expected")
    told: dict[str, float] = {name: int(rows[name]) for name in names}
    told["within_1_s"] = round(rows["in_time"] / max(1.0, rows["dealt_with"]), 5)
    told["level"] = max(int(rows["level"]), 0)
    told["cpu_cores"] = round(rows["cpu"], 3)
    pipe.send(told)


def _totals(metrics: Metrics) -> Mapping[str, float]:
    counts = metrics.frames.snapshot().values()
    name, get = "wayside_end_to_end_latency_seconds", metrics.registry.get_sample_value
    return {
        "frames": sum(c.decoded for c in counts),
        "dropped": sum(c.dropped_total for c in counts),
        "sampled_out": sum(c.sampled_out for c in counts),
        "corrupt": sum(c.corrupt for c in counts),
        "gaps": sum(sum(c.gaps.values()) for c in metrics.streams.snapshot().values()),
        "in_time": get(f"{name}_bucket", {"le": "1.0"}) or 0.0,
        "dealt_with": get(f"{name}_count") or 0.0,
    }


def _watch_files(video: str, streams: int, folder: str, barrier: object, pipe: Connection) -> None:
    """Watch a file so many times, when all processes are ready: the body of a process."""
    from detectors.detector import open_detector
    from pipeline.run import watch

    config = Config(
        stream=tuple(StreamSettings(url=video, name=f"s{number}") for number in range(streams)),
        output=OutputSettings(folder=folder),
    )
    detector = open_detector("signs")
    barrier.wait(600)  # type: ignore[attr-defined]
    cpu = time.process_time()
    record = watch(config, quiet=True, detector=detector)
    frames = sum(counts.decoded for counts in record.frames.values())
    pipe.send((frames, time.process_time() - cpu, time.monotonic()))


def _send(ports: Sequence[int], pieces: Sequence[bytes], pipe: Connection) -> None:
    """Send the drive to each port at the pace of the world, the streams' frames evenly over time, until terminated."""
    is_over: list[bool] = []
    signal.signal(signal.SIGTERM, lambda number, frame: is_over.append(True))
    pipe.send("ready")
    endless = Endless(pieces, fps=FPS)
    began = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        number = 0
        while not is_over:
            turn, stream = divmod(number, len(ports))
            # Each stream is somewhere else in the drive, so that key frames do not come together.
            data = endless[turn + stream * 7]
            time.sleep(max(0.0, began + number / (len(ports) * FPS) - time.monotonic()))
            for at in range(0, len(data), _DATAGRAM):
                sender.sendto(data[at : at + _DATAGRAM], ("127.0.0.1", ports[stream]))
            number += 1
    with suppress(BrokenPipeError):  # who asked may have gone
        pipe.send(time.process_time() / (time.monotonic() - began))


def _free_ports(count: int) -> list[int]:
    with_ports = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    try:
        for probe in with_ports:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in with_ports]
    finally:
        for probe in with_ports:
            probe.close()


def _peak_pss(processes: Sequence[SpawnProcess], pipe: Connection) -> float:
    """Return the most memory that they held together until something came through the pipe, MB."""
    most = 0.0
    while not pipe.poll(_SAMPLE_SECONDS) and all(process.is_alive() for process in processes):
        most = max(most, sum(_pss_mb(process.pid) for process in processes if process.pid is not None))
    return most


def _pss_mb(pid: int) -> float:
    """Return the memory of a process, what it shares with others divided among them; 0 where it has gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    found = re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1000 if found else 0.0


@contextmanager
def _ended(process: SpawnProcess) -> Iterator[None]:
    try:
        yield
    finally:
        process.join(20)
        if process.is_alive():
            process.kill()
            process.join()
