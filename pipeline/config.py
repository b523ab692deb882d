"""All settings of a run: one TOML a deployment, in the order of the flow, read into frozen dataclasses.

The settings of a part stand with that part, as a dataclass with its defaults and what happens when a number goes up;
this file puts them together and reads them. An unknown key is an error that names the file, the key and the nearest
known one. A task may bring a preset, a TOML that lies beneath the user's (`presets/`). `docs/configuration.md` lists
every key.
"""

from __future__ import annotations

import os
import re
import tomllib
import types
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from pipeline.batching import BatchSettings
from pipeline.brands.settings import BrandsSettings
from pipeline.errors import ConfigError
from pipeline.overload import OverloadSettings
from pipeline.prefetch import PrefetchSettings
from pipeline.receivers import KafkaSettings, MqttSettings, WebhookSettings, shown
from pipeline.road.announce import AnnouncerSettings
from pipeline.road.limit import LimitSettings
from pipeline.road.task import RoadSettings
from pipeline.tracker import TrackerSettings
from streams.live import BACKENDS, TRANSPORTS
from streams.live_source import LiveSettings
from streams.urls import redact, stream_names

_PRESETS = Path(__file__).with_name("presets")
_SECRET = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """One source.

    url: a path of a video, a folder or glob of images, `camera:0`, a live stream, `sample:road?seed=1`
    name: folder and label of the stream; without it, it is made from the url
    decoder_threads: of a video file; 0 is one a core. Goes up: heavy files decode faster, but the damaged parts of one
        give other pictures from run to run, and so may their events
    backend: of a live stream: `auto`, `pyav` or `gstreamer`
    transport: of RTSP: `tcp`, or `udp`, which loses pieces rather than time
    allow_private: what the server of a live stream leads to (segments, redirects) may be on the private network
    ca_file: PEM of who vouches for the server of an encrypted stream, or its own certificate; without it the system's
    tls_verify: off, any certificate is believed: whoever sits on the way can show other pictures and read the password
    isolate: a live stream is decoded in a process of its own; without it, as `live.isolate` says
    """

    url: str
    name: str | None = None
    decoder_threads: int = 1
    backend: str = "auto"
    transport: str = "tcp"
    allow_private: bool = False
    ca_file: str | None = None
    tls_verify: bool = True
    isolate: bool | None = None

    def __post_init__(self) -> None:
        if self.name is not None and not re.fullmatch(r"\w[\w.-]*", self.name):
            raise ValueError(f"name must be letters, digits, '_', '-' and '.', got {self.name!r}")
        if self.decoder_threads < 0:
            raise ValueError(f"decoder_threads must be 0 or more, got {self.decoder_threads}")
        for key, known in (("backend", BACKENDS), ("transport", TRANSPORTS)):
            if getattr(self, key) not in known:
                raise ValueError(f"{key} must be one of {', '.join(known)}, got {getattr(self, key)!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSettings:
    """What is looked for, and by what.

    models: folder of weights; without it the shipped ones
    device: auto, cpu, cuda or torch; precision: auto, f32 or bf16
    longest_side: pixels to which a picture's longer side is brought for the scan. Goes up: smaller signs are found,
        slower by the square
    scan_seconds: so long after a scan the stream is scanned again, to the nearest frame; known signs are looked at in
        every frame. 0 scans them all. Goes up: faster, and signs are found later
    still_scan_seconds: up to so long after a scan where the picture stands still; no more than scan_seconds: as if it
        moved. Goes up: faster; what comes into a small part of such a picture is found later
    anew_seconds: so long after everything that a scan proposes was looked at, everything is again; until then what is
        tracked is followed, or where nothing has changed taken to be what it was, and what was nothing and looks the
        same is passed over. 0: with every scan. Goes up: faster, and what is taken for something else, or for nothing,
        stays so for longer
    threshold: score from which a detection counts, 0 to 1; without it the shipped one. Goes up: fewer false ones
    """

    task: str = "signs"
    models: str | None = None
    device: str = "auto"
    precision: str = "auto"
    longest_side: int = 960
    scan_seconds: float = 0.125
    still_scan_seconds: float = 0.0
    anew_seconds: float = 0.0
    threshold: float | None = None

    def __post_init__(self) -> None:
        for name in ("scan_seconds", "still_scan_seconds", "anew_seconds"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.longest_side < 64:
            raise ValueError(f"longest_side must be 64 or more, got {self.longest_side}")
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise ValueError(f"threshold must be more than 0 and at most 1, got {self.threshold}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSettings:
    """What is written, and where.

    folder: events.jsonl and the rest go there; with several streams, to a folder for each in it
    sinks: of events, detections, video, speech, ledger
    """

    folder: str = "out"
    sinks: tuple[str, ...] = ("events",)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """Where Prometheus may fetch the metrics.

    port: without it, nowhere
    address: of the interface; the default lets only this machine in
    """

    port: int | None = None
    address: str = "127.0.0.1"

    def __post_init__(self) -> None:
        if self.port is not None and not 0 <= self.port <= 65535:
            raise ValueError(f"port must be between 0 and 65535, got {self.port}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that a run needs to know; each field is a section of the TOML file, `stream` one that may repeat."""

    stream: tuple[StreamSettings, ...] = ()
    live: LiveSettings = field(default_factory=LiveSettings)
    prefetch: PrefetchSettings = field(default_factory=PrefetchSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)
    overload: OverloadSettings = field(default_factory=OverloadSettings)
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    road: RoadSettings = field(default_factory=RoadSettings)
    announcer: AnnouncerSettings = field(default_factory=AnnouncerSettings)
    limit: LimitSettings = field(default_factory=LimitSettings)
    brands: BrandsSettings = field(default_factory=BrandsSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    webhook: WebhookSettings = field(default_factory=WebhookSettings)
    mqtt: MqttSettings = field(default_factory=MqttSettings)
    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)

    def __post_init__(self) -> None:
        names = self.stream_names
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"stream: two streams are called {name!r}; give them different names")

    @property
    def stream_names(self) -> list[str]:
        """One name a stream: the given one, else what its url makes."""
        made = iter(stream_names(stream.url for stream in self.stream if stream.name is None))
        return [stream.name or next(made) for stream in self.stream]

    @property
    def folders(self) -> dict[str, Path]:
        """Where the files of each stream go, by its name: the output folder, or, of several streams, one in it."""
        folder, names = Path(self.output.folder), self.stream_names
        return {name: folder / name if len(names) > 1 else folder for name in names}

    def shown(self) -> dict[str, Any]:
        """Return the settings without secrets, for a run's record."""
        table = asdict(self)
        for stream in table["stream"]:
            stream["url"] = redact(stream["url"])
        for name in ("webhook", "mqtt", "kafka"):
            table[name] = shown(getattr(self, name))
        return table


def read_config(path: Path | None, *, task: str | None = None) -> Config:
    """Read a TOML file over the preset of its task; ConfigError names the file and the key.

    path: None for the preset alone
    task: goes before the one that the file names
    """
    table = {} if path is None else _toml(path)
    named = table.get("detector", {})
    task = task or (named.get("task") if isinstance(named, dict) else None)
    preset = _PRESETS / f"{task}.toml"
    if isinstance(task, str) and task.isidentifier() and preset.is_file():
        table = _over(_toml(preset), table)
    config = _read(Config, table, "" if path is None else f"{path}: ", "")
    assert isinstance(config, Config)
    return config


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: {reason}") from error


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with another laid over it, key by key."""
    both = {
        key: _over(below[key], value) if isinstance(below.get(key), dict) and isinstance(value, dict) else value
        for key, value in above.items()
    }
    return {**below, **both}


def _read(kind: type, table: Mapping[str, Any], where: str, section: str) -> Any:
    """Make a settings dataclass of a table; `where` and `section` lead the message of an error."""
    hints = get_type_hints(kind)
    known = [f.name for f in fields(kind)]
    for key in table:
        if key not in known:
            nearest = get_close_matches(key, known, n=1)
            hint = f"did you mean {section}{nearest[0]}?" if nearest else f"known are {', '.join(known)}"
            raise ConfigError(f"{where}{section}{key}: unknown key; {hint}")
    for f in fields(kind):
        if (f.metadata.get("is_secret") or f.name == "url") and not isinstance(table.get(f.name, ""), str):
            raise ConfigError(f"{where}{section}{f.name}: must be a string")  # what it is instead may be secret
    values = {key: _value(hints[key], value, where, f"{section}{key}") for key, value in table.items()}
    missing = [name for name in known if name not in values and name == "url" and kind is StreamSettings]
    if missing:
        raise ConfigError(f"{where}{section}{missing[0]}: is missing")
    try:
        return kind(**values)
    except ValueError as error:
        raise ConfigError(f"{where}{section}{error}") from error


def _value(hint: Any, value: Any, where: str, key: str) -> Any:
    """Check a value against a type and return it as that type; strings get their secrets."""
    if is_dataclass(hint) and isinstance(hint, type):
        return _read(hint, _checked(value, dict, "a table", where, key), where, f"{key}.")
    if get_origin(hint) is tuple:
        item = get_args(hint)[0]
        rows = _checked(value, list, "a list", where, key)
        return tuple(_value(item, row, where, f"{key}[{number}]") for number, row in enumerate(rows))
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (choice for choice in get_args(hint) if choice is not types.NoneType)
    if hint is float and type(value) is int:
        return float(value)
    if hint is str:
        return _with_secrets(_checked(value, str, "a string", where, key), where, key)
    names = {int: "a whole number", float: "a number", bool: "true or false"}
    return _checked(value, hint, names[hint], where, key)


def _checked(value: Any, kind: type, name: str, where: str, key: str) -> Any:
    if type(value) is not kind:
        raise ConfigError(f"{where}{key}: must be {name}, got {value!r}")
    return value


def _with_secrets(text: str, where: str, key: str) -> str:
    def secret(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ConfigError(f"{where}{key}: the environment variable {match[1]} is not set")
        return os.environ[match[1]]

    return _SECRET.sub(secret, text)
