"""What runs in a network namespace of a test: `serve HOST PORT` a camera, or `watch URL` it and print what comes.

A line a gap, and one for the first frame after it: `time.monotonic()`, the same in all processes, and what it was.
"""

from __future__ import annotations

import sys
import threading
import time

from streams.frame import Frame
from streams.live_source import LiveSource
from streams.source import open_source
from tests.feeds import Pages, mjpeg_page
from tests.watching import QUICK


def main(words: list[str]) -> None:
    if words[0] == "serve":
        with Pages(int(words[2]), words[1]) as pages:
            pages.pages["/cam"] = mjpeg_page(threading.Event())
            print("ready", flush=True)
            threading.Event().wait()
    source = open_source(words[1], name="cam", live=QUICK)
    assert isinstance(source, LiveSource)
    is_new = True
    for item in source.items():
        if isinstance(item, Frame):
            if is_new:
                print(time.monotonic(), "frame", 0, flush=True)
            is_new = False
        else:
            what = item.reason if item.end_seconds is None else "again"
            print(time.monotonic(), what, item.attempts, flush=True)
            is_new = True


if __name__ == "__main__":
    main(sys.argv[1:])
