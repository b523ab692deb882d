"""Weights on disk: a safetensors file a network, architecture and settings in its header, and a card beside it.

The card (`NAME.json`) tells a person what the file is: data and licences, the command that made it, scores, what it is
bad at, and the file's SHA-256, which is checked at every load.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialise

from detectors.errors import ModelError
from detectors.nets import Architecture, Weights

SHIPPED = Path(__file__).parent / "weights"
"""Folder of the weights that come with Wayside."""
TABLE = "table."
"""What the keys of arrays that are no weights begin with."""


@dataclass(frozen=True, slots=True)
class Model:
    """A network as loaded: layers, folded weights, its settings (thresholds, temperature) and the file's SHA-256.

    tables: arrays that are no weights and are used beside them, by name
    """

    name: str
    architecture: Architecture
    weights: Weights
    settings: dict[str, float]
    sha256: str
    tables: Weights


def save(
    path: Path,
    architecture: Architecture,
    weights: Weights,
    settings: dict[str, float],
    card: dict[str, Any],
    *,
    tables: Weights | None = None,
) -> None:
    """Write `path` (.safetensors) and its card; the card gets the hash and the number of parameters."""
    architecture.check(weights, path.name)
    header = {"architecture": architecture.to_json(), "settings": json.dumps(settings)}
    data = serialise(weights | {TABLE + name: array for name, array in (tables or {}).items()}, header)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    told = {**card, "parameters": architecture.parameters, "sha256": hashlib.sha256(data).hexdigest()}
    path.with_suffix(".json").write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def load(path: Path) -> Model:
    """Read a network. Raises ModelError where the file or its card is missing, changed, damaged or of another kind."""
    card_path = path.with_suffix(".json")
    try:
        data = path.read_bytes()
        card = json.loads(card_path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        task = path.name.partition("-")[0]
        raise ModelError(f"{error.filename}: no such file; `wayside train {task}` makes it") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: its card {card_path.name} cannot be read: {error}") from error
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != card.get("sha256"):
        raise ModelError(f"{path}: the file is not the one that its card {card_path.name} describes (SHA-256 differs)")
    try:
        with safe_open(path, framework="numpy") as tensors:
            header = tensors.metadata() or {}
            arrays = {key: tensors.get_tensor(key) for key in tensors.keys()}  # noqa: SIM118
        architecture = Architecture.from_json(header["architecture"])
        settings = {key: float(value) for key, value in json.loads(header["settings"]).items()}
    except (SafetensorError, KeyError, ValueError) as error:
        raise ModelError(f"{path}: not a network of Wayside: {error}") from error
    weights = {key: array for key, array in arrays.items() if not key.startswith(TABLE)}
    tables = {key.removeprefix(TABLE): array for key, array in arrays.items() if key.startswith(TABLE)}
    architecture.check(weights, path.name)
    return Model(path.name, architecture, weights, settings, sha256, tables)
