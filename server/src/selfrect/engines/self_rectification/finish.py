# SPDX-License-Identifier: GPL-3.0-or-later
"""Patches of the reference (`selfrect.patches`) as a last step after the network, or in its place.

Not in the paper. A small network softens what it passes; patches are the reference's own pixels, and know nothing of what a place means.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ... import __version__, expected
from ...device import choose_device, peak_memory, reset_peak_memory
from ...engine import Report, Request, Result
from ...memory import is_out_of_memory
from ...models.facts import Facts
from ...patches.correspondence import Correspondence
from ...patches.synthesis import Options, synthesize
from ...progress import Progress
from .inputs import check
from .settings import Settings

STAGE = "patches"
_SHARE = 0.1  # of a run, where they come after the network
_USUAL = 0.4  # P/T and S/T of the published settings
_EVERY, _LONGEST = 1.0, 512  # seconds between previews; px
_ALIVE = 0.2  # seconds between reports
_STEPS = 64  # that the work is told in


@dataclass(frozen=True)
class Drawn:
    """image (H, W, 3) float32 in [0, 1]; correspondence: for maps that follow; note: for the record."""

    image: np.ndarray
    correspondence: Correspondence
    note: dict[str, Any]


def mode(settings: Settings, family: str) -> str:
    """ "off", "finish" or "instead", for a model of this family. The embedded one is weaker than patches alone (MODEL_CARD.md).

    Whether the picture is to tile changes nothing: the network goes around the edges as patches do, so that a run with tiling shows
    what the same run without it shows.
    """
    if settings.patches != "auto":
        return settings.patches
    return "instead" if family == "mini" else "off"


def without_network(family: str, request: Request) -> bool:
    """Whether nothing of the model but its name is needed."""
    return mode(check(request), family) == "instead"


def synthesize_without(facts: Facts, model: dict[str, str], request: Request, report: Report) -> Result:
    """By patches alone. facts, model {name, family, hash}: of the model that was asked for, which need not be loaded."""
    settings, progress = check(request), Progress(report)
    device = torch.device(choose_device(facts.device))
    reset_peak_memory(device)
    progress.plan(_STEPS)
    with progress.stage(STAGE, _STEPS):
        drawn = draw(request, settings, device, progress, float(_STEPS))
    made = _record(drawn, model, settings, request, device, progress)
    return Result(drawn.image, made, [drawn.image], correspondence=drawn.correspondence)


def share(calls: int) -> int:
    """What the last step counts for, in network calls, after so many of them."""
    return max(1, round(calls * _SHARE))


def finish(picture: np.ndarray, request: Request, settings: Settings, device: torch.device, progress: Progress) -> Drawn:
    """picture (H, W, 3): what the network made. Its layout stays, its patches become the reference's."""
    with progress.stage(STAGE, _STEPS):
        return draw(request, settings, device, progress, float(share(progress.calls)), picture)


def draw(
    request: Request, settings: Settings, device: torch.device, progress: Progress, work: float, start: np.ndarray | None = None
) -> Drawn:
    """work: what all of it counts for in the progress, in network calls. start: a picture to begin with."""
    device = device if device.type == "cuda" else torch.device("cpu")  # double precision is needed, which others lack
    began = time.monotonic()
    try:
        drawn = _draw(request, settings, device, progress, work, start)
        formula = foreseen(settings, request.target.shape[:2], [reference.shape[:2] for reference in request.references])
        expected.note(expected.PATCHES, device.type, formula, time.monotonic() - began)
        return drawn
    except RuntimeError as error:
        if device.type == "cpu" or not is_out_of_memory(error):
            raise
    torch.cuda.empty_cache()
    return _draw(request, settings, torch.device("cpu"), progress, work, start)


def foreseen(settings: Settings, target: tuple[int, int], references: list[tuple[int, int]]) -> float:
    """Seconds by the formula, see `expected`. Sizes (height, width)."""
    return expected.patches(target, references, min(settings.steps / 50, 4.0), settings.turns == "auto")


def _draw(request, settings: Settings, device, progress: Progress, work: float, start) -> Drawn:
    pictures, opaque = zip(*(_tensors(image, device) for image in request.references), strict=True)
    target, placed = _tensors(request.target, device)
    placed = placed if request.target.shape[2] == 4 else torch.ones_like(placed)
    made = synthesize(
        target, placed, list(pictures), options(settings), wrap=(settings.tile_x, settings.tile_y),
        start=None if start is None else _tensors(start, device)[0],
        told=_Teller(progress, work, request.preview),
        opaque=[alpha > 0.5 for alpha in opaque],
        fixed=None if request.mask is None else _plane(request.mask, device) < 0.5,
        weights=request.weights,
        regions=request.regions and [None if region is None else _plane(region, device) for region in request.regions],
    )  # fmt: skip
    note = {
        "mode": "instead" if start is None else "finish",
        "turns": [round(float(np.degrees(angle))) for angle in made.turns],
        "mirrored": any(pose.mirrored for pose in made.poses),
        "scales": sorted({pose.scale for pose in made.poses}),
        "unlike": round(made.unlike, 4),
    }
    return Drawn(np.ascontiguousarray(made.picture.permute(1, 2, 0).cpu().numpy()), made.correspondence, note)


def options(settings: Settings) -> Options:
    """P/T, the hold on the layout, becomes guidance; S/T, for how long the reference's detail waits, how evenly its places are used."""
    hold, wait = (min(part / settings.steps, 1.0) / _USUAL for part in (settings.p1, settings.s1))  # 1: as published
    plain = Options()
    coarse, fine = plain.guidance
    effort = min(settings.steps / 50, 4.0)
    return Options(
        guidance=(coarse * (0.3 + 0.7 * hold), fine * hold**2),
        border=plain.border * 2 ** (1 - hold),
        evenness=plain.evenness * max(2 - wait, 0.0),
        exact=hold >= 0.5,
        rounds=(max(2, round(plain.rounds[0] * effort)), max(1, round(plain.rounds[1] * effort))),
        angles=tuple(math.radians(angle) for angle in settings.angles),
        flips=settings.flips or settings.augment > 3,
        scales=settings.scales,
        wary=settings.turns == "auto",
        seed=settings.seed,
    )


class _Teller:
    """Steps of the synthesis → the engine's progress: several times a second, with a picture about each second."""

    def __init__(self, progress: Progress, work: float, wanted: bool):
        self.progress, self.work, self.wanted = progress, work, wanted
        self._heard = self._shown = time.monotonic() - _EVERY

    def __call__(self, step: int, steps: int, picture: torch.Tensor | None) -> None:
        now = time.monotonic()
        if self.wanted and picture is not None and now - self._shown >= _EVERY:
            self._shown = now
            self.progress.preview(lambda: _small(picture))
        if picture is not None or now - self._heard >= _ALIVE:
            self._heard = now
            self.progress.beside(step / steps, self.work)


def _small(picture: torch.Tensor) -> np.ndarray:
    height, width = picture.shape[1:]
    scale = min(1.0, _LONGEST / max(height, width))
    if scale < 1:
        picture = F.interpolate(picture[None], (max(1, round(height * scale)), max(1, round(width * scale))), mode="area")[0]
    return np.ascontiguousarray(picture.clamp(0, 1).permute(1, 2, 0).cpu().numpy())


def _tensors(image: np.ndarray, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """(H, W, 3|4) → colours (3, H, W) and alpha (H, W)."""
    alpha = image[..., 3] if image.shape[2] == 4 else np.ones(image.shape[:2], np.float32)
    colours = np.ascontiguousarray(image[..., :3].transpose(2, 0, 1))
    return torch.from_numpy(colours).to(device), _plane(alpha, device)


def _plane(values: np.ndarray, device: torch.device) -> torch.Tensor:
    """(H, W)"""
    return torch.from_numpy(np.ascontiguousarray(values)).to(device)


def _record(drawn: Drawn, model: dict[str, str], settings: Settings, request: Request, device, progress: Progress) -> dict[str, Any]:
    """As `record.record`, with what has no meaning without a network left empty."""
    height, width = request.target.shape[:2]
    return {
        "engine": "self-rectification",
        "version": __version__,
        "model": model,
        "settings": settings.as_dict(),
        "seed": settings.seed,
        "device": str(device),
        "dtype": "float32",
        "size": [width, height],
        "references": len(request.references),
        "windows": {"count": 1, "size": [width, height]},
        "network_calls": 0,
        "seconds": {k: round(v, 3) for k, v in progress.seconds.items()} | {"total": round(progress.total_seconds(), 3)},
        "seconds_per_call": None,
        "peak_memory": peak_memory(device),
        "memory_rung": None,
        "notes": ["Made of the reference's patches, without the network."],
        "patches": drawn.note,
    }
