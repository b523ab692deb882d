"""The detectors by task: pictures in, Detections out. To add one, write a class and one line in `DETECTORS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detectors import weights
from detectors.detections import Detections
from detectors.engines import open_engine
from detectors.errors import ModelError
from detectors.gallery import Gallery
from detectors.labels import SIGN_LABELS
from detectors.logos import LogoDetector
from detectors.picture import Image, Picture, as_picture
from detectors.scanner import Scanner
from detectors.verifier import Verifier


class Detector(Protocol):
    """Finds things in pictures.

    labels: names by class_id; threshold: the shipped score from which a detection counts; hashes: SHA-256 of each
    weight file by its name
    """

    @property
    def labels(self) -> Sequence[str]: ...

    @property
    def threshold(self) -> float: ...

    @property
    def hashes(self) -> Mapping[str, str]: ...

    def scan(self, pictures: Sequence[Picture], *, shrink: float = 1.0) -> list[NDArray[np.float32]]:
        """Where something might be: proposals float32 (N, 4) a picture, in its pixels, the likeliest first.

        shrink: how wide the picture is that is looked at, of what it would be. Goes down: faster by the square, and
        small things are not found
        """
        ...

    def verify(
        self,
        pictures: Sequence[Picture],
        proposals: Sequence[NDArray[np.float32]],
        expected: Sequence[Detections] | None = None,
    ) -> list[Detections]:
        """What is there: proposals, from a scan or from elsewhere, named and with refined boxes.

        expected: a picture, what was found before, each box where it should be by now; a detector may take its name for
        granted where it still looks the same
        """
        ...

    def __call__(self, images: Sequence[Image | Picture]) -> list[Detections]:
        """Scan and verify."""
        ...


class SignDetector:
    """Traffic signs: the 43 classes of GTSRB and "other sign". Scanner and verifier come from one folder."""

    labels = SIGN_LABELS

    def __init__(
        self,
        folder: Path,
        *,
        device: str = "auto",
        precision: str = "auto",
        longest_side: int = 960,
        proposals: int = 16,
    ) -> None:
        scanner, verifier = (weights.load(folder / f"signs-{part}.safetensors") for part in ("scanner", "verifier"))
        try:
            self.threshold = verifier.settings["threshold"]
            self._scan = Scanner(
                open_engine(scanner.architecture, scanner.weights, device=device, precision=precision),
                scanner.architecture,
                threshold=scanner.settings["threshold"],
                longest_side=longest_side,
                most=proposals,
            )
            self._verify = Verifier(
                open_engine(verifier.architecture, verifier.weights, device=device, precision=precision),
                window=verifier.architecture.window,
                temperature=verifier.settings["temperature"],
            )
        except KeyError as error:
            raise ModelError(f"{folder}: a network lacks its setting {error}") from error
        self.hashes = {model.name: model.sha256 for model in (scanner, verifier)}

    def scan(self, pictures: Sequence[Picture], *, shrink: float = 1.0) -> list[NDArray[np.float32]]:
        return [boxes for boxes, _ in self._scan(pictures, shrink)]

    def verify(
        self,
        pictures: Sequence[Picture],
        proposals: Sequence[NDArray[np.float32]],
        expected: Sequence[Detections] | None = None,
    ) -> list[Detections]:
        return self._verify(pictures, with_expected(proposals, expected))

    def __call__(self, images: Sequence[Image | Picture]) -> list[Detections]:
        pictures = [as_picture(image) for image in images]
        return self.verify(pictures, self.scan(pictures))


def with_expected(
    proposals: Sequence[NDArray[np.float32]], expected: Sequence[Detections] | None
) -> Sequence[NDArray[np.float32]]:
    """Proposals with the boxes of what is expected before them, for a detector that looks at all of them alike."""
    if expected is None:
        return proposals
    return [np.concatenate([known.xyxy, boxes]) for known, boxes in zip(expected, proposals, strict=True)]


DETECTORS: dict[str, Callable[..., Detector]] = {"signs": SignDetector, "logos": LogoDetector}


def open_detector(
    task: str,
    *,
    folder: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    longest_side: int = 960,
    proposals: int = 16,
    gallery: Gallery | None = None,
) -> Detector:
    """Return the detector of a task.

    folder: where its weights lie (None: the shipped ones)
    device: auto, cpu, cuda or torch; precision: auto, f32 or bf16 (see `engines.open_engine`)
    longest_side: pixels to which a picture's longer side is brought for the scan, at the most; larger finds smaller
    signs and takes longer
    proposals: places a picture that the scan hands on, at the most (for logos three times as many); more of them find
    more and cost the verifier's time
    gallery: the brands to find, which logos need

    Raises ModelError for an unknown task, logos without a gallery, or weights that cannot be used.
    """
    if task not in DETECTORS:
        raise ModelError(f"unknown task {task!r}: one of {', '.join(sorted(DETECTORS))}")
    make = DETECTORS[task]
    more = {"gallery": gallery} if task == "logos" else {}
    return make(
        folder or weights.SHIPPED,
        device=device,
        precision=precision,
        longest_side=longest_side,
        proposals=proposals,
        **more,
    )
