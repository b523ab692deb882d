"""What waits keeps its order and its bound, is on the disk when that is said, and goes out under one id once."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import SinkError
from pipeline.sinks.spool import DeadLetters, Message, Spool

ROOT = Path(__file__).parents[1]


def message(number: int, *, size: int = 10) -> Message:
    return Message(f"id-{number}", "limit", bytes([number % 256]) * size)


def opened(
    folder: Path, *, receiver: str = "here", limit_bytes: int = 1000, is_dropping: bool = False, remember: int = 1000
) -> Spool:
    return Spool(
        folder / "spool" / "webhook.sqlite",
        receiver=receiver,
        limit_bytes=limit_bytes,
        is_dropping=is_dropping,
        remember=remember,
    )


def numbers(spool: Spool) -> list[int]:
    return [int(waiting.id.removeprefix("id-")) for waiting in spool.first(1000)]


def test_first_in_first_out(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for number in (3, 1, 2):
        assert spool.put(message(number))
    assert spool.first(2) == [message(3), message(1)], "whole, and in the order in which they came"
    assert spool.first(2) == [message(3), message(1)], "looking takes nothing away"
    spool.delivered([message(3)])
    assert (numbers(spool), spool.count, spool.nbytes) == ([1, 2], 2, 20)
    spool.close()


def test_it_is_there_again(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for number in range(3):
        spool.put(message(number))
    spool.delivered([message(0)])
    spool.close()
    spool = opened(tmp_path)
    assert (numbers(spool), spool.count, spool.nbytes) == ([1, 2], 2, 20)
    spool.put(message(7))
    assert numbers(spool) == [1, 2, 7], "what is new comes after what waited"
    spool.close()


def test_no_id_twice(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    assert spool.put(message(1))
    assert not spool.put(message(1)), "it waits already"
    spool.delivered([message(1)])
    assert not spool.put(message(1)), "it was delivered"
    spool.close()
    spool = opened(tmp_path)
    assert not spool.put(message(1)), "also before a restart"
    spool.close()
    spool = opened(tmp_path, receiver="there")
    assert spool.put(message(1)), "to another receiver it was not"
    spool.discard(message(1))
    assert spool.put(message(1)), "nor what was put aside"
    spool.close()


def test_full_and_nothing_may_be_lost(tmp_path: Path) -> None:
    spool = opened(tmp_path, limit_bytes=100)
    for number in range(10):
        spool.put(message(number))
    with pytest.raises(SinkError, match=r"webhook\.sqlite: the spool is full: 10 events"):
        spool.put(message(10))
    assert numbers(spool) == list(range(10))
    spool.delivered([message(0)])
    assert spool.put(message(10)), "there is room again"
    spool.close()


def test_full_and_the_oldest_make_room(tmp_path: Path) -> None:
    spool = opened(tmp_path, limit_bytes=100, is_dropping=True)
    for number in range(10):
        spool.put(message(number))
    spool.put(message(10, size=25))
    assert (numbers(spool), spool.dropped, spool.nbytes) == ([*range(3, 11)], 3, 95)
    spool.delivered([message(0)])
    assert (spool.count, spool.nbytes) == (8, 95), "one that arrived, though it was dropped on its way, counts once"
    assert not spool.put(message(0)), "and is known to have arrived"
    spool.close()


def test_what_was_delivered_is_remembered_up_to_a_bound(tmp_path: Path) -> None:
    spool = opened(tmp_path, remember=3)
    for number in range(5):
        spool.put(message(number))
        spool.delivered([message(number)])
    assert [spool.put(message(number)) for number in range(5)] == [True, True, False, False, False]
    spool.close()


def test_one_run_at_a_time(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    with pytest.raises(SinkError, match=r"webhook\.sqlite: the spool cannot be used: another run uses it"):
        opened(tmp_path)
    spool.close()
    opened(tmp_path).close()


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "webhook.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(SinkError, match=r"webhook\.sqlite: the spool cannot be used: file is not a database"):
        opened(tmp_path)


def test_a_full_disk_loses_nothing_that_was_taken(tmp_path: Path) -> None:
    """The limit on the size of files takes the place of the disk's end."""
    code = """
import resource, signal, sys
from pathlib import Path
from pipeline.errors import SinkError
from tests.test_spool import message, opened
spool = opened(Path(sys.argv[1]), limit_bytes=10**9)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
for number in range(1000):
    try:
        spool.put(message(number, size=2000))
    except SinkError as error:
        print(number, spool.count, error, flush=True)
        break
"""
    run = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False)
    taken, count, error = run.stdout.split(maxsplit=2)
    assert 10 < int(taken) < 1000
    assert taken == count, "the one that failed is not counted"
    assert "webhook.sqlite: the spool cannot be used: " in error
    spool = opened(tmp_path, limit_bytes=10**9)
    assert numbers(spool) == list(range(int(taken)))
    spool.close()


def test_what_was_taken_survives_kill_9(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from tests.test_spool import message, opened
spool = opened(Path(sys.argv[1]), limit_bytes=10**9)
for number in range(int(sys.argv[2]), 10**6):
    spool.put(message(number))
    print(number, flush=True)
    if number % 3 == 0:
        spool.delivered([message(number)])
        print(-number, flush=True)
"""
    start, delivered = 1, set[int]()
    for seconds in (0.05, 0.11, 0.2):
        run = subprocess.Popen(
            [sys.executable, "-c", code, tmp_path, str(start)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert run.stdout is not None
        said = [int(run.stdout.readline())]  # so that it has begun
        with pytest.raises(subprocess.TimeoutExpired):
            run.wait(seconds)
        run.send_signal(signal.SIGKILL)
        said += [int(line) for line in run.stdout.read().splitlines() if line.strip("-")]
        run.stdout.close()
        run.wait()
        delivered |= {-number for number in said if number < 0}
        last = max(said)
        spool = opened(tmp_path, limit_bytes=10**9)
        waiting = numbers(spool) if spool.count < 1000 else [int(m.id[3:]) for m in spool.first(10**6)]
        assert waiting == sorted(waiting), "in order"
        lost = set(range(1, last + 1)) - set(waiting) - delivered
        assert lost <= {number for number in (last, last - 1) if number % 3 == 0}, "but for one whose word was cut off"
        assert not set(waiting) & delivered
        delivered |= lost
        assert spool.count == len(waiting)
        spool.close()
        start = max([last, *waiting]) + 1


def test_dead_letters(tmp_path: Path) -> None:
    path = tmp_path / "webhook.dead.jsonl"
    letter = Message("id-1", "limit", '{"value": "ä"}'.encode())
    dead = DeadLetters(path, limit_bytes=120, is_dropping=False)
    assert dead.write(letter, "answers 400")
    row = {"id": "id-1", "reason": "answers 400", "event": {"value": "ä"}}
    assert [json.loads(line) for line in path.read_text("utf-8").splitlines()] == [row]
    with pytest.raises(SinkError, match=r"dead\.jsonl: is full: .*answers 400"):
        dead.write(letter, "answers 400")
    assert not DeadLetters(path, limit_bytes=120, is_dropping=True).write(letter, "answers 400")
    assert path.stat().st_size <= 120
