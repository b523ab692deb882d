"""`wayside train`: trains the networks of a task from a folder of data."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from detectors.training.data import Photo


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", choices=["signs", "logos"], help="what to train")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the data (see README)")
    parser.add_argument("--out", type=Path, default=Path("models"), metavar="DIR", help="folder for the weights")
    parser.add_argument("--scale", type=float, default=1.0, help="length of the training (default: 1)")
    parser.add_argument(
        "--start", type=Path, metavar="DIR", help="go on from these weights: keep the scanner, refine the other network"
    )
    parser.add_argument(
        "--icons",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="logos: more icons to draw, in Iconify's JSON form; may be given more than once",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of everything that is drawn at random (default: 1)")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="where to train (default: cpu)")


def run(args: argparse.Namespace) -> int:
    if not args.data.is_dir():
        raise ConfigError(f"--data {args.data}: no such folder")
    if not 0 < args.scale <= 100:
        raise ConfigError(f"--scale must be above 0 and at most 100, got {args.scale}")
    if args.icons and args.task != "logos":
        raise ConfigError("--icons are for logos: wayside train logos --icons FILE")
    command = f"wayside train {args.task} --data DATA --scale {args.scale:g} --seed {args.seed} --device {args.device}"
    command += "".join(f" --icons {path.parent.name}/{path.name}" for path in args.icons)
    if args.start is not None:
        command += " --start MODELS"
    quiet = args.quiet or not sys.stderr.isatty()
    settings = {"scale": args.scale, "seed": args.seed, "device": args.device, "command": command, "start": args.start}
    try:
        if args.task == "logos":
            from detectors.training.logos import train_logos

            train_logos(args.data, args.out, **settings, icon_sets=args.icons, places=empty_drives(), quiet=quiet)
        else:
            from detectors.training.signs import train_signs

            places = [] if args.start is None else empty_drives()
            train_signs(args.data, args.out, **settings, places=places, quiet=quiet)
    except ImportError as error:
        raise ConfigError(
            f"training needs {error.name}: `make setup` installs it, or pip install '.[train]'"
        ) from error
    print(f"weights and cards: {args.out}")
    return 0


def empty_drives() -> list[Photo]:
    """Frames of generated drives without signs: streets full of windows, adverts and lamps that are none."""
    from detectors.training.data import Photo
    from pipeline.samples.road import RoadSample

    frames = []
    for seed in range(1000, 1024):
        drive = RoadSample(seed, seconds=40, with_signs=False)
        frames += [Photo(f"drive-{seed}-{k}", drive.frame(k)[0]) for k in range(30, len(drive), 240)]
    return frames
