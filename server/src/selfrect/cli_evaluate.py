# SPDX-License-Identifier: GPL-3.0-or-later
"""`selfrect evaluate`: the measures of one result as JSON, and a sheet to look at."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .interrupt import Interrupt


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument("reference", help="the texture that the result should look like")
    parser.add_argument("target", help="the rough edit; transparent is background")
    parser.add_argument("result", help="what was made of it")
    parser.add_argument("--sheet", metavar="PICTURE", help="write reference, target, result and its 3 × 3 repeat side by side")
    parser.add_argument("--side", type=int, default=512, metavar="PIXELS", help="height of the pictures in the sheet (default 512)")


def run(given: argparse.Namespace, interrupt: Interrupt) -> None:
    """Measure, draw, print. Raises Problem."""
    from .evaluation.measures import evaluate
    from .image import check_output, read_image, write_image

    if given.sheet:
        check_output(given.sheet)
    reference, target, result = (read_image(path) for path in (given.reference, given.target, given.result))
    measured = evaluate(reference, target, result)
    interrupt.check()
    if given.sheet:
        from .evaluation.sheet import repeated, sheet

        columns = [("reference", reference), ("target", target), ("result", result), ("result, 3 x 3", repeated(result))]
        write_image(given.sheet, sheet(columns, given.side))
    print(json.dumps(measured, indent=2))
