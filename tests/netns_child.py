"""What runs in a network namespace of a test: `serve HOST PORT` a camera, or `watch URL` it and print what comes.

A line a gap, and one for the first frame after it: `time.monotonic()`, the same in all processes, and what it was. It
ends where a gap is not in the event log and the metrics too.
"""

from __future__ import annotations

import sys
import threading
import time

from streams.frame import Frame
from streams.live_source import LiveSource
from streams.source import open_source
from tests.feeds import Pages, mjpeg_page
from tests.watching import QUICK, Watched


def main(words: list[str]) -> None:
    if words[0] == "serve":
        with Pages(int(words[2]), words[1]) as pages:
            pages.pages["/cam"] = mjpeg_page(threading.Event())
            print("ready", flush=True)
            threading.Event().wait()
    source = open_source(words[1], name="cam", live=QUICK)
    assert isinstance(source, LiveSource)
    watch, number, is_new = Watched(source), 0, True
    while True:
        if number == len(watch.items):
            time.sleep(0.01)
            continue
        at, item = watch.items[number]
        number += 1
        if isinstance(item, Frame):
            if is_new:
                print(at, "frame", 0, flush=True)
            is_new = False
        else:
            assert watch.told_of(item)["reason"] == item.reason
            assert watch.value("wayside_stream_gaps_total", reason=item.reason) >= 1
            print(at, item.reason if item.end_seconds is None else "again", item.attempts, flush=True)
            is_new = True


if __name__ == "__main__":
    main(sys.argv[1:])
