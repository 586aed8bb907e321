# SPDX-License-Identifier: GPL-3.0-or-later
"""The averaged weights of a run, as the package folder that the engine loads; and its checkpoint in a size that travels."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from selfrect.training import small
from selfrect.training.recipe import read_recipe

WEIGHTS = Path("unet") / "diffusion_pytorch_model.safetensors"
STATE = "state.safetensors"


def export_run(run: Path, package: Path | None, recipe: Path | None = None, carry: Path | None = None, pieces: float = 0.0) -> list[Path]:
    """The files that were asked for, cut into pieces of so many MB unless 0. run: a run's folder.

    recipe: its package's descriptions are written, too. carry: where the small checkpoint goes.
    """
    written = []
    if package:
        if recipe:
            describe(recipe, package)
        written.append(export_checkpoint(run / STATE, package))
    if carry:
        written.append(small.shrink(run / STATE, carry))
    return [piece for file in written for piece in (small.split(file, pieces) if pieces else [file])]


def describe(recipe_path: Path, package: Path) -> None:
    """All of the package but the weights."""
    from selfrect.training.network import build_network, write_descriptions

    recipe = read_recipe(recipe_path)
    write_descriptions(build_network(recipe.channels, recipe.layers, recipe.heads), package, recipe.version, recipe.used_until)


def export_weights(weights: dict[str, torch.Tensor], folder: Path) -> Path:
    """Write weights as float16 safetensors into a package folder; a reader sees the old file or the new one."""
    path = folder / WEIGHTS
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".part{os.getpid()}")
    halves = {name: weight.detach().to("cpu", torch.float16).contiguous() for name, weight in weights.items()}
    save_file(halves, partial, metadata={"format": "pt"})
    partial.chmod(0o644)  # safetensors keeps its files to their owner
    os.replace(partial, path)
    return path


def export_checkpoint(checkpoint: Path, folder: Path) -> Path:
    """The same, from a checkpoint on disk, whether or not its run goes on."""
    with safe_open(checkpoint, framework="pt") as state:
        names = [name for name in list(state.keys()) if name.startswith("ema.")]
        averaged = {name.removeprefix("ema."): state.get_tensor(name) for name in names}
    return export_weights(averaged, folder)
