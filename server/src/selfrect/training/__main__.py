# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m selfrect.training recipes/mini.toml --until 05:30`"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from selfrect.training import textures
from selfrect.training.loop import train
from selfrect.training.recipe import read_recipe

MODELS = Path(__file__).parents[1] / "models"


def main(arguments: Sequence[str] | None = None, program: str = "python -m selfrect.training") -> None:
    """Fetch what is missing, then train; run again to continue."""
    parser = argparse.ArgumentParser(prog=program, description=main.__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--output", type=Path, help="checkpoints, log, sheets (default: out/training/NAME)")
    parser.add_argument("--textures", type=Path, default=Path("out/textures"))
    parser.add_argument("--package", type=Path, help="where the weights go (default: the engine's models/NAME)")
    parser.add_argument("--until", metavar="HH:MM", help="end by the clock, instead of the recipe's max_hours")
    parser.add_argument("--device", help="cpu or cuda (default: what there is)")
    parser.add_argument("--no-fetch", action="store_true", help="train on the textures that are there")
    given = parser.parse_args(arguments)
    recipe = read_recipe(given.recipe)
    if not given.no_fetch:
        missing = textures.fetch(given.recipe.parent / recipe.textures, given.textures)
        print(f"{len(missing)} textures could not be had")
    output = given.output or Path("out/training") / recipe.name
    train(given.recipe, output, given.textures, given.package or MODELS / recipe.name, given.until, given.device)


if __name__ == "__main__":
    main()
