"""Whole runs over live streams, as processes of their own that are asked and told from outside."""

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.feeds import Ticker, udp_feed
from tests.live_child import Child, value
from tests.ports import free_port


class Feeds:
    """Cameras on loopback by name, each a transport stream over UDP."""

    def __init__(self, stack: ExitStack, *names: str) -> None:
        self.tickers: dict[str, Ticker] = {}
        self.urls: dict[str, str] = {}
        self._stack = stack
        for name in names:
            self.add(name)

    def add(self, name: str, *, is_dead: bool = False) -> str:
        port = free_port(socket.SOCK_DGRAM)
        if not is_dead:
            self.tickers[name] = self._stack.enter_context(udp_feed(port))
        self.urls[name] = f"udp://127.0.0.1:{port}"
        return self.urls[name]


@pytest.fixture
def feeds() -> Iterator[Feeds]:
    with ExitStack() as stack:
        yield Feeds(stack, "a", "b")


def processed(child: Child, stream: str) -> int:
    return int(child.status()["streams"].get(stream, {}).get("frames", {}).get("processed", 0))


def test_a_dead_camera_stalls_nobody_and_sigterm_ends_all(tmp_path: Path, feeds: Feeds) -> None:
    feeds.add("dead", is_dead=True)
    with Child(tmp_path, feeds.urls) as child:
        child.wait(lambda: child.get("/livez")[0] == 200, "alive")
        child.wait(lambda: child.get("/readyz") == (200, "ok\n"), "ready, though a camera is dead")
        child.wait_live("a", "b")
        child.wait(lambda: min(processed(child, "a"), processed(child, "b")) > 30, "frames are dealt with")
        child.wait(lambda: child.status()["streams"]["dead"]["gaps"] == {"timeout": 1}, "the gap is known")

        for _ in range(20):
            samples = child.samples()  # which looks at the sum of frames every time
            time.sleep(0.02)
        assert value(samples, "wayside_stream_up", stream="a") == 1
        assert value(samples, "wayside_stream_up", stream="dead") == 0
        assert value(samples, "wayside_stream_gaps_total", stream="dead", reason="timeout") == 1
        assert value(samples, "wayside_stream_clock_info", stream="a", method="arrival") == 1
        assert value(samples, "wayside_stream_fps", stream="a") == pytest.approx(15, rel=0.4)
        assert value(samples, "wayside_coverage_ratio", stream="dead") == 0
        dead = child.status()["streams"]["dead"]
        assert dead["state"] in ("connecting", "stalled", "waiting")
        assert dead["reason"] in ("timeout", "unreachable")
        assert dead["age_seconds"] is None
        assert child.status()["streams"]["a"]["lag_seconds"] < 5
        assert child.get("/livez")[0] == 200

        code, seconds = child.end()
        assert code == 0, child.log.read_text()
        assert seconds < 10
    gaps = [event for event in child.events("dead") if event["type"] == "gap"]
    assert (gaps[0]["reason"], gaps[0]["end_seconds"], gaps[0]["clock_method"]) == ("timeout", None, "arrival")
    told = json.loads((child.out / "run.json").read_text())
    assert told["interrupted_by"] == "SIGTERM"
    assert told["error"] is None
    assert told["streams"]["dead"]["size_wh"] is None
    assert told["streams"]["a"]["size_wh"] == [160, 120]
    assert told["streams"]["a"]["frames"] == sum(
        told["streams"]["a"][part] for part in ("processed", "dropped", "sampled_out", "corrupt")
    )
    assert "Traceback" not in child.log.read_text()


def test_a_stream_that_falls_silent_is_told_and_comes_back_while_another_goes_on(tmp_path: Path, feeds: Feeds) -> None:
    with Child(tmp_path, feeds.urls) as child:
        child.wait_live("a", "b")
        feeds.tickers["a"].is_paused = True
        told = child.wait(lambda: child.status()["streams"]["a"]["gaps"] == {"stall": 1}, "the stall is known")
        assert told < 5
        before = processed(child, "b")
        child.wait(lambda: processed(child, "b") > before + 15, "the other one goes on")
        began = child.samples()
        feeds.tickers["a"].is_paused = False
        back = child.wait(lambda: child.status()["streams"]["a"]["state"] == "live", "it is back")
        assert back < 10
        child.wait(lambda: len(child.events("a")) == 2, "both ends of the gap are written while it runs")
        assert value(child.samples(), "wayside_stream_gap_seconds_total", stream="a") >= value(
            began, "wayside_stream_gap_seconds_total", stream="a"
        )
        assert child.end()[0] == 0
    begun, over = child.events("a")
    assert (begun["type"], begun["reason"], begun["end_seconds"]) == ("gap", "stall", None)
    assert over["end_seconds"] - over["start_seconds"] == pytest.approx(over["lost_seconds"], abs=0.01)
    assert over["lost_seconds"] >= 3
    assert child.events("b") == []
    assert (over["clock_method"], over["at"]) == ("arrival", begun["at"])


def test_sighup_adds_changes_and_removes_streams(tmp_path: Path, feeds: Feeds) -> None:
    with Child(tmp_path, feeds.urls) as child:
        child.wait_live("a", "b")

        def reload(ok: bool) -> str:
            before = child.status()["reload"]
            child.process.send_signal(signal.SIGHUP)
            child.wait(lambda: child.status()["reload"] != before, "it was read again")
            told = child.status()["reload"]
            assert told["ok"] is ok, told
            time.sleep(1.0)  # its time is told in whole seconds
            return str(told["message"])

        urls = dict(feeds.urls)
        child.write({**urls, "c": feeds.add("c")})
        assert reload(True) == "added: c"
        child.wait_live("c")
        count = processed(child, "a")

        child.file.write_text(child.file.read_text() + "\n[[stream\n")
        assert reload(False).startswith("nothing of the new settings was taken up: ")
        samples = child.samples()
        assert value(samples, "wayside_config_last_reload_ok") == 0
        assert value(samples, "wayside_config_reloads_total", result="failure") == 1
        assert child.status()["streams"].keys() == {"a", "b", "c"}, "a broken file changes nothing"

        child.write({**urls, "c": "ftp://127.0.0.1/film"})
        assert "no source for ftp" in reload(False), "what never can be opened changes nothing either"
        assert child.status()["streams"]["c"]["state"] == "live"

        child.write({"a": urls["a"], "c": feeds.add("d")})
        assert reload(True) == "changed: c; removed: b"
        assert child.status()["streams"].keys() == {"a", "c"}
        child.wait_live("c")
        assert processed(child, "a") > count, "it was never stopped"
        assert child.status()["streams"]["a"]["gaps"] == {}
        samples = child.samples()
        assert value(samples, "wayside_config_last_reload_ok") == 1
        assert not [labels for _, labels in samples if ("stream", "b") in labels], "nothing is shown of it any more"
        gone = json.loads((child.out / "b" / "run.json").read_text())
        assert gone["frames"] == gone["processed"] + gone["dropped"] + gone["corrupt"] + gone["sampled_out"] > 0

        child.write({"a": urls["a"], "c": feeds.urls["d"]})
        child.file.write_text(child.file.read_text() + "\n[live]\nstall_seconds = 2.5\n")
        assert reload(True) == "taken up only by a new start: live (of streams that go on)", "not: nothing has changed"

        child.write({"a": urls["a"]})
        child.file.write_text(child.file.read_text() + "\n[batch]\nsize = 4\n")
        assert reload(True) == "removed: c; taken up only by a new start: live (of streams that go on), batch"
        assert child.end()[0] == 0
    assert json.loads((child.out / "run.json").read_text())["streams"].keys() == {"a", "b", "c"}
    assert "Traceback" not in child.log.read_text()


def test_the_only_stream_can_be_changed(tmp_path: Path, feeds: Feeds) -> None:
    with Child(tmp_path, {"a": feeds.urls["a"]}) as child:
        child.wait_live("a")
        child.write({"a": feeds.urls["b"]})
        child.process.send_signal(signal.SIGHUP)
        child.wait(lambda: bool(child.status()["reload"]), "it was read again")
        assert child.status()["reload"]["message"] == "changed: a"
        child.wait_live("a")
        count = processed(child, "a")
        child.wait(lambda: processed(child, "a") > count, "frames come of the new one")
        child.samples()
        assert child.end()[0] == 0


def test_a_second_run_writes_after_the_first(tmp_path: Path, feeds: Feeds) -> None:
    dead = {"dead": feeds.add("dead", is_dead=True)}
    for count in (1, 2):
        with Child(tmp_path, dead) as child:
            path = child.out / "events.jsonl"
            child.wait(lambda: path.exists() and path.read_text().count('"gap"') == count, "a gap of this run")  # noqa: B023
            assert child.end()[0] == 0


def test_sigterm_again_and_again_loses_nothing(tmp_path: Path, feeds: Feeds) -> None:
    """21: who sends it twice, as supervisors do, still gets the open gap, the account and 0."""
    feeds.add("dead", is_dead=True)
    with Child(tmp_path, feeds.urls) as child:
        child.wait_live("a", "b")
        child.wait(lambda: bool(child.status()["streams"]["dead"]["gaps"]), "the gap is known")
        child.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        while child.process.poll() is None:
            child.process.send_signal(signal.SIGTERM)
            assert time.monotonic() - began < 10
            time.sleep(0.02)
        assert child.process.returncode == 0, child.log.read_text()
    assert [event["reason"] for event in child.events("dead")] == ["timeout"]
    assert json.loads((child.out / "run.json").read_text())["interrupted_by"] == "SIGTERM"
    assert "Traceback" not in child.log.read_text()


def test_a_full_disk_is_told_and_loses_nothing_once_there_is_room(tmp_path: Path, feeds: Feeds) -> None:
    """22: the stream falls silent and comes back while there is no room: its lines wait, none is torn, none is lost."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.strip()}; tests/test_sinks.py has one without")
    try:
        with Child(tmp_path, {"a": feeds.urls["a"]}, out=disk / "out") as child:
            child.wait_live("a")
            child.wait(lambda: child.get("/readyz")[0] == 200, "ready")
            with pytest.raises(OSError, match="No space left"):
                (disk / "filler").write_bytes(bytes(1 << 18))
            feeds.tickers["a"].is_paused = True
            told = child.wait(lambda: child.get("/readyz")[0] == 503, "no longer ready")
            assert told < 6, "with the gap that cannot be written"
            reason = child.get("/readyz")[1]
            assert re.fullmatch(
                r"sink events: .*events.jsonl: cannot be written: No space left on device; its lines wait for room\n",
                reason,
            )
            assert child.get("/livez")[0] == 200
            feeds.tickers["a"].is_paused = False
            child.wait(lambda: child.status()["streams"]["a"]["state"] == "live", "the stream is back")
            began = processed(child, "a")
            child.wait(lambda: processed(child, "a") > began + 5, "it goes on")
            assert value(child.samples(), "wayside_sink_errors_total", sink="events") >= 1
            assert not (disk / "out" / "events.jsonl").read_text(), "nothing, and no half of a line"
            (disk / "filler").unlink()
            back = child.wait(lambda: child.get("/readyz")[0] == 200, "ready again by itself")
            assert back < 3
            lines = (disk / "out" / "events.jsonl").read_text().splitlines()
            assert [json.loads(line)["reason"] for line in lines] == ["stall", "stall"]
            assert child.end()[0] == 0
        assert "what waited for room is written" in child.log.read_text()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_ctrl_c_is_told_by_the_exit_code(tmp_path: Path, feeds: Feeds) -> None:
    with Child(tmp_path, feeds.urls) as child:
        child.wait_live("a")
        assert child.end(signal.SIGINT)[0] == 128 + signal.SIGINT


def test_sigterm_while_networks_load(tmp_path: Path, feeds: Feeds) -> None:
    with Child(tmp_path, feeds.urls) as child:
        child.wait(lambda: child.get("/livez")[0] == 200, "alive")
        code, seconds = child.end()
        assert code == 0, child.log.read_text()
        assert seconds < 10
    assert (child.out / "run.json").is_file()
