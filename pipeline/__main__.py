"""The command line: `wayside COMMAND ...`. Each command is a module of `pipeline.commands`, imported when it is called.

Exit codes: 0 done; 1 something went wrong; 2 what was asked for cannot be; 128 and more: ended by a signal.
"""

from __future__ import annotations

import argparse
import atexit
import importlib
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Any

COMMANDS = {
    "watch": ("pipeline.commands.watch", "watch videos, images and cameras: signs in the driver's language"),
    "detect": ("pipeline.commands.detect", "find signs or brands in images, folders and zips"),
    "probe": ("pipeline.commands.probe", "say what a stream really is: codec, rates, key frames, clock, damage"),
    "doctor": ("pipeline.commands.doctor", "say what works on this machine, and how to get what does not"),
    "sample": ("pipeline.commands.sample", "make a drive with signs, and the truth about it"),
    "score": ("pipeline.commands.score", "say how well a generated drive was watched"),
    "train": ("pipeline.commands.train", "train the networks"),
    "bench": ("pipeline.commands.bench", "time the pipeline against decoding alone and against a sliced network"),
    "enrol": ("pipeline.commands.enrol", "take up a brand into a gallery, by artwork, photographs or words"),
    "gallery": ("pipeline.commands.gallery", "list a gallery of brands, take some out, say what to expect of it"),
    "ledger": ("pipeline.commands.ledger", "verify and recount the account of brands"),
    "report": ("pipeline.commands.report", "make a page of the account of brands"),
    "evaluate": ("pipeline.commands.evaluate", "measure the networks"),
}
"""Each command's module, which has `configure(parser)` and `run(args) -> exit code`, and its line of help."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; what goes wrong is told in one line."""
    words = list(sys.argv[1:] if argv is None else argv)
    args = _parser(words).parse_args(words)
    level = logging.DEBUG if args.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    command = importlib.import_module(COMMANDS[args.command][0])
    try:
        return int(command.run(args))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Who read our output has gone. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:  # noqa: BLE001  the one place where everything ends up
        return _told(error, args.verbose)


ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
"""Threads of numpy's products and of OpenCV, unless told otherwise: others only wait, spinning, as ours are small."""


def program() -> None:
    """Run a command as a process of its own, and leave with its exit code."""
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")  # before numpy and OpenCV are imported, which read it then
    ended: list[int] = []
    atexit.register(lambda: _leave(*ended))  # before all others, so that it is the last of them
    ended.append(main())
    sys.exit(ended[0])


def _leave(code: int | None = None) -> None:
    """Leave at once where a thread is left, such as one that hangs in a decoder: nothing ends it.

    Libraries that are taken down while it runs in them crash, and what was done well would end with a signal.
    """
    if code is None or not any(thread.daemon for thread in threading.enumerate()):
        return
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # who read it has gone
            stream.flush()
    os._exit(code)


class _CommandParser(argparse.ArgumentParser):
    """Takes flags and other words in any order, as `enrol Acme --gallery brands.gallery acme.svg`."""

    _is_sorting = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse the flags first, then the rest: by itself argparse takes only words that stand together."""
        if self._is_sorting or "--" in (args or ()):  # which the first pass would swallow
            return super().parse_known_args(args, namespace)
        self._is_sorting = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_sorting = False


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser; of the commands only the one that is called tells its flags, the others stay unimported."""
    parser = argparse.ArgumentParser(
        prog="wayside", description="Watches video: traffic signs in the driver's language."
    )
    parser.add_argument("--version", action="version", version=f"wayside {version('wayside')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_CommandParser)
    called = next((word for word in words if not word.startswith("-")), None)
    for name, (module, line) in COMMANDS.items():
        command = commands.add_parser(name, help=line, description=line[0].upper() + line[1:] + ".")
        command.add_argument("-q", "--quiet", action="store_true", help="no progress bar and no summary")
        command.add_argument("-v", "--verbose", action="store_true", help="say more, and show where an error came from")
        if name == called:
            importlib.import_module(module).configure(command)
    return parser


def _told(error: Exception, verbose: bool) -> int:
    """Tell an error to a person in one line, with the traceback where it was asked for; return the exit code."""
    from detectors.errors import ModelError
    from pipeline.errors import ConfigError

    if verbose:
        traceback.print_exception(error)
    line = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, OSError | ModelError | ConfigError):
        line = f"internal error: {type(error).__name__}: {line}" + ("" if verbose else " (-v shows more)")
    print(f"wayside: {line}", file=sys.stderr)
    return 2 if isinstance(error, ConfigError) else 1


if __name__ == "__main__":
    program()
