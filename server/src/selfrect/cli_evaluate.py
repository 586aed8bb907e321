# SPDX-License-Identifier: GPL-3.0-or-later
"""`selfrect evaluate`: the measures of one result as JSON, and a sheet to look at."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from .problems import Problem

if TYPE_CHECKING:
    import numpy as np

    from .interrupt import Interrupt


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument("reference", help="the texture that the result should look like")
    parser.add_argument("target", help="the rough edit; transparent is background")
    parser.add_argument("result", help="what was made of it")
    parser.add_argument(
        "--maps",
        nargs="*",
        metavar="NAME=REFERENCE,RESULT",
        help="measure the other maps, too: those named, or, without names, all that stand beside both pictures "
        "(rock_normal.png beside rock.png)",
    )
    parser.add_argument("--sheet", metavar="PICTURE", help="write reference, target, result and its 3 × 3 repeat side by side")
    parser.add_argument("--side", type=int, default=512, metavar="PIXELS", help="height of the pictures in the sheet (default 512)")


def run(given: argparse.Namespace, interrupt: Interrupt) -> None:
    """Measure, draw, print. Raises Problem."""
    from .evaluation.measures import evaluate
    from .image import check_output, read_data, read_image, write_image

    if given.sheet:
        check_output(given.sheet)
    pairs = {} if given.maps is None else _pairs(given.maps) if given.maps else _beside(Path(given.reference), Path(given.result))
    # light above white is measured as white, as it is seen
    reference, target, result = (read_image(path).clip(0, 1) for path in (given.reference, given.target, given.result))
    measured = evaluate(reference, target, result)
    interrupt.check()
    of_reference, of_result = ({name: read_data(pair[k]) for name, pair in pairs.items()} for k in (0, 1))
    if pairs:
        from .evaluation.maps import map_consistency

        measured |= map_consistency(reference, result, of_reference, of_result)
        interrupt.check()
    if given.sheet:
        from .evaluation.sheet import repeated, sheet

        columns = [("reference", reference), ("target", target), ("result", result), ("result, 3 x 3", repeated(result))]
        write_image(given.sheet, sheet(columns + _shown(of_reference, of_result), given.side))
    print(json.dumps(measured, indent=2))


def _pairs(entries: list[str]) -> dict[str, tuple[Path, Path]]:
    """NAME=REFERENCE,RESULT each."""
    pairs = {}
    for entry in entries:
        name, _, files = entry.partition("=")
        of_reference, _, of_result = files.partition(",")
        if not (name and of_reference and of_result):
            raise Problem("bad_input", f"--maps does not understand “{entry}”.", "Write NAME=REFERENCE,RESULT, such as normal=a.png,b.png.")
        pairs[name] = Path(of_reference), Path(of_result)
    return pairs


def _beside(reference: Path, result: Path) -> dict[str, tuple[Path, Path]]:
    """Maps that stand beside both pictures: their names with the same suffix."""
    theirs, ours = ({p.stem[len(one.stem) + 1 :]: p for p in _starting(one)} for one in (reference, result))
    if not set(theirs) & set(ours):
        sentence = f"There are no maps beside both {reference.name} and {result.name}."
        names = " and ".join(f"{one.stem}_normal.png" for one in (reference, result))
        raise Problem("bad_input", sentence, f"Name them {names}, or give NAME=REFERENCE,RESULT.")
    return {name: (theirs[name], ours[name]) for name in sorted(theirs) if name in ours}


def _starting(picture: Path) -> list[Path]:
    suffixes = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".exr", ".webp", ".tga", ".bmp", ".hdr"}
    found = sorted(picture.parent.iterdir()) if picture.parent.is_dir() else []
    return [p for p in found if p.stem.startswith(f"{picture.stem}_") and p.suffix.lower() in suffixes]


def _shown(of_reference: dict[str, np.ndarray], of_result: dict[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """The maps as pictures, in the reference's range."""
    import numpy as np

    columns = []
    for name, one in of_reference.items():
        low, high = float(one.min()), float(one.max())
        for title, picture in ((f"{name}, reference", one), (f"{name}, result", of_result[name])):
            shown = (picture[..., :3] - low) / max(high - low, 1e-6) if not name.startswith("normal") else picture[..., :3]
            columns.append((title, np.repeat(shown[..., :1], 3, 2) if shown.shape[2] < 3 else shown))
    return columns
