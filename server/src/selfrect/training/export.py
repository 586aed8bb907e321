# SPDX-License-Identifier: GPL-3.0-or-later
"""The averaged weights of a run, as the package folder that the engine loads.

python -m selfrect.training.export out/training/mini/state.safetensors server/src/selfrect/models/mini
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

WEIGHTS = Path("unet") / "diffusion_pytorch_model.safetensors"


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


if __name__ == "__main__":
    print(export_checkpoint(Path(sys.argv[1]), Path(sys.argv[2])))
