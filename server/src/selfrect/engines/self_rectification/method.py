# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of one run: rough target + reference(s) → coherent texture (arXiv 2401.02847, section 3)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch

from ... import __version__
from ...device import peak_memory, reset_peak_memory
from ...engine import Report, Request, Result, silent
from ...models.model import Model
from ...problems import from_exception
from ...progress import Progress
from .background import Growth
from .description import DESCRIPTION
from .inputs import alpha_map, check, prepare_references, prepare_target, to_image
from .inversion import Injected, Inversion, invert
from .network import Network
from .plan import Plan
from .sampling import fine_sampling
from .settings import Settings
from .structure import structure_preserving_inversion


def rectify(
    model: Model,
    reference: np.ndarray | list[np.ndarray],
    target: np.ndarray,
    settings: Settings | dict[str, Any] | None = None,
    report: Report | None = None,
) -> Result:
    """Rectify a rough target by one or more references.

    reference, target: (H, W, 3|4) float32 in [0, 1], display-referred sRGB, top row first; alpha 0 in the target is
    background. settings: `Settings`, a dict by name, or None for the published defaults.
    Returns a Result whose image is (H, W, 3) of the target's size. Raises Problem: bad_input, out_of_memory, cancelled.
    """
    settings = Settings.of(settings)
    references = list(reference) if isinstance(reference, (list, tuple)) else [reference]
    options = dataclasses.asdict(settings)
    seed = options.pop("seed")
    return synthesize(model, Request(references, target, seed, options), report or silent)


def synthesize(model: Model, request: Request, report: Report) -> Result:
    """The same by the small interface of all engines."""
    settings = check(request)
    try:
        return _synthesize(model, request, settings, report)
    except (MemoryError, RuntimeError) as error:  # PyTorch says most of what can go wrong with RuntimeError
        problem = from_exception(error)
        if problem.code != "out_of_memory":
            raise
        raise problem from error


@torch.inference_mode()
def _synthesize(model: Model, request: Request, settings: Settings, report: Report) -> Result:
    plan = Plan(settings, len(request.references) * (settings.augment + 1))
    progress = Progress(report, plan.calls)
    network = Network(model, settings.steps, settings.last_up_levels, progress)
    reset_peak_memory(model.device)

    references, target = _encode(model, request, settings, progress)
    with progress.stage("invert reference", plan.reference_calls * len(references)):
        inverted = [invert(network, z, plan.reference_calls, plan.reference_record) for z in references]
    with progress.stage("invert target", plan.target_calls):
        inverted_target = invert(network, target, plan.target_calls, plan.target_record)

    rounds = _rounds(network, request, settings, target, inverted, inverted_target, plan)
    return Result(rounds[-1], _record(model, request, settings, progress, len(references)), rounds)


def _encode(
    model: Model, request: Request, settings: Settings, progress: Progress
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Latents (1, C, h, w) of each reference and of the target."""
    factor = model.codec.factor
    with progress.stage("encode", 1):
        references = prepare_references(request.references, settings.augment, factor, settings.seed)
        target = prepare_target(request.target, request.references, factor, settings.seed)
        return [model.codec.encode(x) for x in references], model.codec.encode(target)


def _rounds(
    network: Network,
    request: Request,
    settings: Settings,
    target: torch.Tensor,
    references: list[Inversion],
    inverted_target: Inversion,
    plan: Plan,
) -> list[np.ndarray]:
    """The picture after each round. Between rounds it stays in floating point and is not clamped."""
    model, progress = network.model, network.progress
    height, width = request.target.shape[:2]
    structure = Injected(network, [inverted_target], settings.injection)
    detail = Injected(network, references, settings.injection)
    growth = _growth(model, request, settings, target)
    pictures, z = [], target
    for number, (p, s) in enumerate(settings.round_parameters(), start=1):
        with progress.stage(f"round {number} inversion", plan.inversion_calls(p)):
            z = structure_preserving_inversion(network, z, structure, p)
        with progress.stage(f"round {number} sampling", plan.sampling_calls(s)):
            z = fine_sampling(network, z, detail, s, growth)
        with progress.stage("decode", 1):
            x = model.codec.decode(z)
            pictures.append(to_image(x, height, width))
            progress.preview(lambda: pictures[-1])
            z = model.codec.encode(x) if number < settings.rounds else z
    return pictures


def _growth(model: Model, request: Request, settings: Settings, target: torch.Tensor) -> Growth | None:
    if settings.background_eta == 0 or request.target.shape[2] == 3:
        return None
    alpha = alpha_map(request.target, model.codec.factor).to(target.device)
    return Growth(alpha, tuple(target.shape[2:]), settings.background_eta, settings.seed)


def _record(model: Model, request: Request, settings: Settings, progress: Progress, references: int) -> dict[str, Any]:
    height, width = request.target.shape[:2]
    return {
        "engine": DESCRIPTION.name,
        "version": __version__,
        "model": {"name": model.name, "family": model.family, "hash": model.hash},
        "settings": settings.as_dict(),
        "seed": settings.seed,
        "device": str(model.device),
        "dtype": str(model.dtype).removeprefix("torch."),
        "size": [width, height],
        "references": references,
        "network_calls": progress.calls,
        "seconds": {k: round(v, 3) for k, v in progress.seconds.items()} | {"total": round(progress.total_seconds(), 3)},
        "peak_memory": peak_memory(model.device),
    }
