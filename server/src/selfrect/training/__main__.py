# SPDX-License-Identifier: GPL-3.0-or-later
"""`selfrect train RECIPE`, and what goes before and after: `selfrect train pack RECIPE`, `selfrect train export RUN`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from selfrect.training import pack, textures
from selfrect.training.recipe import Recipe, read_recipe

MODELS = Path(__file__).parents[1] / "models"
OUT = Path("out/training")


def main(arguments: Sequence[str] | None = None, program: str = "python -m selfrect.training") -> None:
    """The first word says what is wanted: pack, export, or a recipe to train."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    verb = {"pack": pack_textures, "export": export_run}.get(arguments[0] if arguments else "")
    (verb or train_recipe)(arguments[1:] if verb else arguments, f"{program} {arguments[0]}" if verb else program)


def train_recipe(arguments: Sequence[str], program: str) -> None:
    """Pack what is missing, then train; run again to continue. Before it: `pack`; after it: `export`."""
    parser = argparse.ArgumentParser(prog=program, description=train_recipe.__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, help="the packed textures (default: out/training/NAME.zip)")
    parser.add_argument("--output", type=Path, help="checkpoint, log, sheets (default: out/training/NAME-VERSION)")
    parser.add_argument("--package", type=Path, help="where the weights go (default: the engine's models/NAME)")
    parser.add_argument("--no-package", action="store_true", help="leave the engine's weights as they are; `export` brings them there")
    parser.add_argument("--carried", type=Path, help="a small checkpoint, or its pieces, to go on from where there is no whole one")
    parser.add_argument("--until", metavar="HH:MM", help="end by the clock, instead of the recipe's max_hours")
    parser.add_argument("--minutes", type=float, default=0.0, help="stop this start after so long; the next one goes on")
    parser.add_argument("--device", help="cpu or cuda (default: what there is)")
    given = parser.parse_args(arguments)
    recipe = read_recipe(given.recipe)
    data = given.data or OUT / f"{recipe.name}.zip"
    if not data.exists():
        pack_textures([str(given.recipe), "--output", str(data)], f"{program} pack")
    from selfrect.training.loop import train  # here: it imports the network's library, which packing has no use for

    output = given.output or OUT / f"{recipe.name}-{recipe.version}"
    package = None if given.no_package else given.package or MODELS / recipe.name
    print(train(given.recipe, output, data, package, given.until, given.device, given.minutes, given.carried))


def pack_textures(arguments: Sequence[str], program: str) -> None:
    """Fetch the textures of a recipe's table, and put them into one file with those that were rendered."""
    parser = argparse.ArgumentParser(prog=program, description=pack_textures.__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--textures", type=Path, default=Path("out/textures"), help="where fetched ones are kept")
    parser.add_argument("--drawn", type=Path, default=Path("out/drawn"), help="what recipes/procedural/render.py rendered, if it did")
    parser.add_argument("--no-fetch", action="store_true", help="take what is there")
    parser.add_argument("--megabytes", type=float, default=45.0, help="at most so large")
    parser.add_argument("--output", type=Path, help="(default: out/training/NAME.zip)")
    given = parser.parse_args(arguments)
    recipe = read_recipe(given.recipe)
    table = given.recipe.parent / recipe.textures
    if not given.no_fetch:
        print(f"{len(textures.fetch(table, given.textures))} textures could not be had")
    pictures = found(recipe, table, given.textures, given.drawn)
    pack.make(pictures, given.output or OUT / f"{recipe.name}.zip", recipe.side, given.megabytes, recipe.held_out)


def found(recipe: Recipe, table: Path, folder: Path, drawn: Path) -> dict[str, Path]:
    """All picture files that are there, by name."""
    rows = {row["file"]: textures.stored_path(folder, row) for row in textures.read_table(table)}
    rendered = {path.name: path for path in sorted(drawn.glob("drawn_[0-9]*[0-9].png"))}
    return {name: path for name, path in (rows | rendered).items() if path.exists()}


def export_run(arguments: Sequence[str], program: str) -> None:
    """The averaged weights of a run, whether or not it goes on, as the package folder that the engine loads."""
    parser = argparse.ArgumentParser(prog=program, description=export_run.__doc__)
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("package", type=Path, nargs="?", help="where the weights go, e.g. server/src/selfrect/models/mini")
    parser.add_argument("--recipe", type=Path, help="write the package's descriptions, too, as this recipe says")
    parser.add_argument("--carry", type=Path, metavar="FILE", help="write a checkpoint that travels, 3 bytes a weight; --carried reads it")
    parser.add_argument("--pieces", type=float, default=0.0, metavar="MB", help="in files of at most so many MB; `cat FILE.??` joins them")
    from selfrect.training import export

    for file in export.export_run(**vars(parser.parse_args(arguments))):
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
