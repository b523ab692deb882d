"""Settings from a file: all of them, none that is unknown, and errors that say where."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from pipeline.config import Config, MetricsSettings, OutputSettings, StreamSettings, read_config
from pipeline.errors import ConfigError

EXAMPLE = Path(__file__).parents[1] / "deploy" / "wayside.example.toml"


def read(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "wayside.toml"
    path.write_text(text, encoding="utf-8")
    return read_config(path)


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Config()


def test_every_section(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        [[stream]]
        url = "drive.mp4"
        [[stream]]
        url = "camera:0"
        name = "front"
        [prefetch]
        budget_megabytes = 100
        [batch]
        size = 4
        [detector]
        threshold = 0.8
        [tracker]
        gap_seconds = 2
        [road]
        lang = "da"
        [announcer]
        lead_seconds = 3.5
        [limit]
        expires_after_seconds = 60
        [output]
        sinks = ["events", "video"]
        [metrics]
        port = 9090
        """,
    )
    assert config.stream == (StreamSettings(url="drive.mp4"), StreamSettings(url="camera:0", name="front"))
    assert config.prefetch.budget_megabytes == 100.0
    assert isinstance(config.prefetch.budget_megabytes, float), "a whole number will do for a number"
    assert (config.batch.size, config.detector.threshold, config.tracker.gap_seconds) == (4, 0.8, 2.0)
    assert (config.road.lang, config.announcer.lead_seconds, config.limit.expires_after_seconds) == ("da", 3.5, 60.0)
    assert config.output.sinks == ("events", "video")
    assert config.metrics == MetricsSettings(port=9090, address="127.0.0.1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[trackr]\n", "wayside.toml: trackr: unknown key; did you mean tracker?"),
        (
            "[tracker]\ngap_second = 1\n",
            "wayside.toml: tracker.gap_second: unknown key; did you mean tracker.gap_seconds?",
        ),
        ("[limit]\nxyz = 1\n", "wayside.toml: limit.xyz: unknown key; known are expires_after_seconds"),
        (
            "[[stream]]\nurl = 'a'\nurll = 'b'\n",
            "wayside.toml: stream[0].urll: unknown key; did you mean stream[0].url?",
        ),
        ("[[stream]]\nname = 'a'\n", "wayside.toml: stream[0].url: is missing"),
        (
            "[[stream]]\nurl='rtsp://a'\nbackend='vlc'\n",
            "wayside.toml: stream[0].backend must be one of auto, pyav, gstreamer, got 'vlc'",
        ),
        (
            "[[stream]]\nurl='rtsp://a'\ntransport='smoke'\n",
            "wayside.toml: stream[0].transport must be one of tcp, udp, got 'smoke'",
        ),
        ("[live]\nstall_seconds = 0\n", "wayside.toml: live.stall_seconds must be more than 0, got 0.0"),
        ("[live]\nbackoff_seconds = -1\n", "wayside.toml: live.backoff_seconds must be more than 0, got -1.0"),
        ("[live]\nfrozen_seconds = -1\n", "wayside.toml: live.frozen_seconds must not be negative, got -1.0"),
        ("[live]\nlongest_side = 8\n", "wayside.toml: live.longest_side must be between 16 and 16384, got 8"),
        ("[[stream]]\nurl='a.mp4'\nname='a/b'\n", "wayside.toml: stream[0].name must be letters"),
        ("[[stream]]\nurl='a.mp4'\n[[stream]]\nurl='b.mp4'\nname='a'\n", "two streams are called 'a'"),
        ("[batch]\nsize = 'many'\n", "wayside.toml: batch.size: must be a whole number, got 'many'"),
        ("[batch]\nsize = true\n", "wayside.toml: batch.size: must be a whole number, got True"),
        ("[batch]\nsize = 0\n", "wayside.toml: batch.size must be 1 or more, got 0"),
        ("[tracker]\ngap_seconds = 'x'\n", "wayside.toml: tracker.gap_seconds: must be a number, got 'x'"),
        ("[output]\nsinks = 'events'\n", "wayside.toml: output.sinks: must be a list, got 'events'"),
        ("[output]\nsinks = [1]\n", r"wayside.toml: output.sinks[0]: must be a string, got 1"),
        ("tracker = 5\n", "wayside.toml: tracker: must be a table, got 5"),
        ("[metrics]\nport = 70000\n", "wayside.toml: metrics.port must be between 0 and 65535, got 70000"),
        ("[detector]\nthreshold = 2.0\n", "wayside.toml: detector.threshold must be"),
        ("[road\n", "wayside.toml: Expected ']'"),
        ("[road]\nlang = '${NO_SUCH_VARIABLE}'\n", "road.lang: the environment variable NO_SUCH_VARIABLE is not set"),
    ],
)
def test_errors_name_the_file_and_the_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        read_config(tmp_path / "none.toml")


def test_secrets_come_from_the_environment_and_do_not_go_into_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMERA_PASSWORD", "s3cret")
    config = read(tmp_path, '[[stream]]\nurl = "rtsp://me:${CAMERA_PASSWORD}@10.0.0.5/live"\n')
    assert config.stream[0].url == "rtsp://me:s3cret@10.0.0.5/live"
    assert "s3cret" not in str(config.shown())


@pytest.mark.parametrize(
    ("streams", "folders", "remark"),
    [
        (["drives/monday.mp4"], ["out"], "one stream has the folder to itself"),
        (["a/x.mp4", "b/x.mp4", "c.mp4"], ["out/x", "out/x-2", "out/c"], "several have one each"),
    ],
)
def test_folders(streams: list[str], folders: list[str], remark: str) -> None:
    config = Config(stream=tuple(StreamSettings(url=url) for url in streams), output=OutputSettings(folder="out"))
    assert [folder.as_posix() for folder in config.folders.values()] == folders, remark


def test_the_example_is_complete_and_shows_the_defaults() -> None:
    """Every key stands in it with its default; those that have none stand there with a # before them."""
    text = EXAMPLE.read_text(encoding="utf-8")
    config = read_config(EXAMPLE)
    assert Config(stream=config.stream) == config
    told = {
        section: {match[1] for match in re.finditer(r"^#?(\w+) = ", body, re.MULTILINE)}
        for section, body in re.findall(r"^\[+(\w+)\]+$(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
    }
    sections = {field.name: getattr(config, field.name) for field in fields(config)}
    assert told == {
        name: {field.name for field in fields(part[0] if isinstance(part, tuple) else part)}
        for name, part in sections.items()
    }
