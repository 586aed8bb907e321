# SPDX-License-Identifier: GPL-3.0-or-later
"""What one training run is. A recipe file says only what differs from the defaults here, and why."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib


@dataclass(frozen=True)
class Phase:
    """A stretch of the run, up to `until`, a part (0…1) of its steps or of its time."""

    until: float = 1.0
    crop: int = 128  # px
    batch: int = 16  # crops; in pairs: half of them references, half targets
    pairs: bool = False
    shared_attention: float = 0.0  # part of the batches in which targets look at their references
    group: int = 1  # so many pairs in a row are of one texture, and its targets look at all of its references
    rough: float = 0.0  # part of the other such batches in which targets are rough and the clean ones are asked for (see `rough`)
    stray: float = 0.0  # part of those batches in which the references are at another noise level than the network is told


@dataclass(frozen=True)
class Recipe:
    """A run, as read from its file; lengths in steps unless said otherwise."""

    name: str
    version: str = "0.1"
    textures: str = "textures.csv"  # beside the recipe
    held_out: float = 0.03  # part of the textures kept for validation and sample sheets
    seed: int = 0
    start_from: str = ""  # weights (.safetensors, path from the recipe) to begin with instead of chance
    side: int = 256  # px, of the pictures that crops are cut from
    turned: float = 0.0  # part of the crops that are turned by any angle, not by right angles alone

    channels: tuple[int, ...] = (64, 128, 192)
    layers: int = 2
    heads: int = 4
    used_until: float = 0.1  # cumulative alpha of the last level that users meet (see `network.scheduler_config`)

    steps: int = 0  # 0: as many as `max_hours` allows
    max_hours: float = 0.0  # of training, all starts together; 0: no limit
    phases: tuple[Phase, ...] = field(default=(Phase(),))

    learning_rate: float = 4e-4
    warmup: int = 100
    decay: float = 0.25  # part of the run, at its end, over which the learning rate falls to nearly nothing
    weight_decay: float = 0.01
    clip: float = 1.0  # norm of the gradient
    ema: float = 0.9995
    min_snr_gamma: float = 5.0
    least_weight: float = 0.0  # no noise level counts less than this
    end_emphasis: float = 0.0  # part of the timesteps drawn from the lowest and the highest fifth

    precision: str = "bfloat16"  # or float32
    compile: bool = False
    compile_mode: str = "default"  # or reduce-overhead, max-autotune: of torch.compile, worth it on a GPU
    checkpoint_minutes: float = 5.0
    sample_minutes: float = 15.0
    sheet_crop: int = 128  # px
    sheet_steps: int = 40
    export_minutes: float = 20.0

    def phase_at(self, progress: float) -> Phase:
        """The phase at `progress` in [0, 1)."""
        return next((phase for phase in self.phases if progress < phase.until), self.phases[-1])


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file; a key nobody knows is an error, not a silent nothing."""
    with open(path, "rb") as file:
        content = tomllib.load(file)
    known = {entry.name for entry in fields(Recipe)}
    if unknown := set(content) - known:
        raise ValueError(f"{path}: unknown settings {sorted(unknown)}; known: {sorted(known)}")
    if "phases" in content:
        content["phases"] = tuple(Phase(**phase) for phase in content["phases"])
    if "channels" in content:
        content["channels"] = tuple(content["channels"])
    return Recipe(**content)
