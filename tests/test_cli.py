"""The command line as a person meets it: real processes, one clear line for what cannot be, exit codes."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.__main__ import COMMANDS, ONE_THREAD, _parser, main
from tests.worlds import Sign, write_world


def wayside(*args: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline", *map(str, args)]
    root = Path(__file__).parents[1]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", cwd=cwd or root, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("cli") / "drive.mkv", [Sign(2)], 0.4)


def test_help_is_quick_and_names_every_command() -> None:
    start = time.perf_counter()
    done = wayside("--help")
    seconds = time.perf_counter() - start
    assert done.returncode == 0
    for name in COMMANDS:
        assert re.search(rf"^    {name} +\w", done.stdout, re.MULTILINE), name
    assert seconds < 3, "without numpy and torch it takes a tenth of a second"


def test_version() -> None:
    assert re.fullmatch(r"wayside \d+\.\d+\.\d+\n", wayside("--version").stdout)


@pytest.mark.parametrize(
    ("words", "want"),
    [
        (["enrol", "Acme", "--gallery", "g", "a.svg", "-q", "b.svg"], ("Acme", ["a.svg", "b.svg"])),
        (["enrol", "--gallery", "g", "--", "-Acme", "a.svg"], ("-Acme", ["a.svg"])),
        (["ledger", "recount", "--profile", "raw", "out"], ("recount", Path("out"))),
        (["watch", "a.mp4", "--task", "logos", "b.mp4"], (["a.mp4", "b.mp4"],)),
    ],
)
def test_flags_may_stand_anywhere(words: list[str], want: tuple[object, ...]) -> None:
    told = vars(_parser(words).parse_args(words))
    assert tuple(told[name] for name in ("brand", "files", "action", "folder", "sources") if name in told) == want


@pytest.mark.parametrize(
    ("args", "code", "line"),
    [
        (["watch", "none.mp4"], 1, r"none\.mp4: no such file or folder"),
        (["watch", "notes.mp4"], 1, r"notes\.mp4: .+"),
        (["watch", "drive.mkv", "--lang", "xx-nonsense"], 2, r".*xx-nonsense.*"),
        (["watch", "drive.mkv", "--lang", "eu"], 2, r".*'eu'.*nearest.*"),
        (["watch", "drive.mkv", "--country", "XX"], 2, r".*'XX'.*"),
        (["watch", "drive.mkv", "--task", "sings"], 2, r"unknown task 'sings'.*signs.*"),
        (["watch", "drive.mkv", "--gallery", "brands.gallery"], 2, r"--gallery is for --task logos, not for signs"),
        (["watch", "drive.mkv", "--profile", "raw"], 2, r"--profile is for --task logos, not for signs"),
        (["watch", "drive.mkv", "--batch", "0"], 2, r"batch\.size must be 1 or more, got 0"),
        (
            ["watch", "drive.mkv", "--config", "typo.toml"],
            2,
            r"typo\.toml: tracker\.gap_second: .*tracker\.gap_seconds\?",
        ),
        (["watch", "drive.mkv", "--config", "none.toml"], 2, r"none\.toml: No such file or directory"),
        (["watch", "drive.mkv", "--models", "damaged"], 1, r"damaged/signs-.+\.safetensors: .+"),
        (["watch", "drive.mkv", "--models", "missing"], 1, r"missing/signs-.+: no such file.*wayside train.*"),
        (["watch"], 2, r"no source is given.*"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    tmp_path: Path,
    video: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    args: list[str],
    code: int,
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("drive.mkv").write_bytes(video.read_bytes())
    Path("notes.mp4").write_text("Dear diary, " * 100)
    Path("typo.toml").write_text("[tracker]\ngap_second = 1\n")
    Path("damaged").mkdir()
    for name in ("scanner", "verifier"):
        Path("damaged", f"signs-{name}.safetensors").write_bytes(b"\0" * 64)
        Path("damaged", f"signs-{name}.json").write_text('{"sha256": "0"}')
    assert main([*args]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert re.fullmatch(f"wayside: {line}\n", told.err), told.err
    assert not Path("out").exists(), "nothing was begun"


def test_the_same_in_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("Dear diary")
    done = wayside("watch", tmp_path / "notes.mp4", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith(f"wayside: {tmp_path / 'notes.mp4'}: ")
    assert done.stderr.count("\n") == 1, "a line, not a traceback, and no words of a library"


def test_the_traceback_is_shown_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "none.mp4", "-v"]) == 1
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert told.splitlines()[-1] == "wayside: none.mp4: no such file or folder"


@pytest.mark.parametrize("hangs", [True, False])
def test_no_library_is_taken_down_below_a_thread_that_hangs(hangs: bool) -> None:
    """Such as a decoder's: what is to be done at exit is done, and the exit code is the command's."""
    script = f"""
import atexit, sys, threading
import pipeline.__main__ as wayside

class Library:
    def __del__(self): print("taken down", flush=True)

def command(words=None):
    atexit.register(print, "at exit")
    if {hangs}:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    print("done")
    return 3

library, wayside.main = Library(), command
wayside.program()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.split("\n") == ["done", "at exit", *([] if hangs else ["taken down"]), ""]


@pytest.mark.parametrize(("told", "threads"), [({}, "1 1"), ({"OPENBLAS_NUM_THREADS": "2"}, "2 1")])
def test_libraries_have_one_thread_unless_told_otherwise(told: dict[str, str], threads: str) -> None:
    script = """
import os
import pipeline.__main__ as wayside

def command(words=None):
    import cv2
    print(os.environ["OPENBLAS_NUM_THREADS"], cv2.getNumThreads())
    return 0

wayside.main = command
wayside.program()
"""
    plain = {key: value for key, value in os.environ.items() if key not in ONE_THREAD}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False, env=plain | told
    )
    assert (done.returncode, done.stdout.strip()) == (0, threads), done.stderr


@pytest.mark.parametrize("args", [["wtach"], ["watch", "--no-such-flag"], [], ["watch", "a.mp4", "--batch", "many"]])
def test_usage(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(args)
    assert ended.value.code == 2
    assert "usage: wayside" in capsys.readouterr().err
