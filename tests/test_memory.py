"""What is free is given back, now and then."""

import ctypes
import sys
from pathlib import Path

import pytest

from pipeline.memory import Tidy


def resident_mb() -> float:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) / 1000


@pytest.mark.skipif(sys.platform != "linux", reason="what memory is given back is told by Linux and glibc")
def test_what_is_free_is_given_back_when_it_is_time() -> None:
    now = 0.0
    tidy = Tidy(seconds=30.0, clock=lambda: now)
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = (
        ctypes.c_void_p,
        [ctypes.c_size_t],
        [ctypes.c_void_p],
    )
    blocks = [libc.malloc(60_000) for _ in range(2000)]
    for block in blocks:
        ctypes.memset(block, 1, 60_000)
    for block in blocks[:-1]:  # one that stays at the end keeps all before it
        libc.free(block)
    kept = resident_mb()
    assert not tidy.tick(), "not yet"
    now = 31.0
    assert tidy.tick()
    assert resident_mb() < kept - 80
    assert not tidy.tick(), "and not again at once"
    libc.free(blocks[-1])
