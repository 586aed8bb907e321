# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of one run: rough target + reference(s) → coherent texture (arXiv 2401.02847, section 3)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch

from ...delivery import delivered
from ...device import reset_peak_memory
from ...engine import Report, Request, Result, silent
from ...memory import applied, is_out_of_memory
from ...models.facts import facts_of
from ...models.model import Model
from ...models.precision import check as check_numbers
from ...models.precision import with_fallback
from ...problems import from_exception
from ...progress import Progress
from .adaptation import adapted
from .canvas import unfitted
from .finish import finish, mode, synthesize_without
from .inputs import check, to_image
from .inversion import Injected, InvertedImage, invert
from .keeping import Lost
from .plan import detail_item, structure_item
from .preparation import Work, prepare
from .previews import Previews
from .record import record
from .room import Room
from .sampling import fine_sampling
from .settings import Settings
from .structure import structure_preserving_inversion

ALL_ROUNDS = 2048 * 2048  # pixels: of a larger target only the last round's picture is handed out


def rectify(
    model: Model,
    reference: np.ndarray | list[np.ndarray],
    target: np.ndarray,
    settings: Settings | dict[str, Any] | None = None,
    report: Report | None = None,
    **more: Any,
) -> Result:
    """Rectify a rough target by one or more references.

    reference, target: (H, W, 3|4) float32 in [0, 1], display-referred sRGB, top row first; alpha 0 in the target is
    background. settings: `Settings`, a dict by name, or None for the published defaults.
    more: mask, weights, regions, maps, as in `Request`.
    Returns a Result whose image is (H, W, 3) of the target's size. Raises Problem: bad_input, out_of_memory, cancelled.
    """
    settings = Settings.of(settings)
    references = list(reference) if isinstance(reference, (list, tuple)) else [reference]
    options = dataclasses.asdict(settings)
    seed = options.pop("seed")
    request, report = Request(references, target, seed, options, **more), report or silent
    return delivered(request, check(request), report, lambda request: synthesize(model, request, report))


def synthesize(model: Model, request: Request, report: Report) -> Result:
    """The same by the small interface of all engines."""
    settings, progress = check(request), Progress(report)
    if mode(settings, model.family) == "instead":
        named = {"name": model.name, "family": model.family, "hash": model.hash}
        return synthesize_without(facts_of(model), named, request, report)
    model, notes = adapted(model, request, settings, progress)
    return with_fallback(model, lambda model: _within_memory(model, request, settings, progress, notes))


def _within_memory(model: Model, request: Request, settings: Settings, progress: Progress, notes: list[str]) -> Result:
    """Where memory ends, once more in a way that takes less of it; where what waited on disk is gone, once more without."""
    room = Room(model, settings)
    room.notes += notes
    while True:
        try:
            return _synthesize(model, request, settings, progress, room)
        except (MemoryError, RuntimeError) as error:  # PyTorch says most of what can go wrong with RuntimeError
            if not is_out_of_memory(error):
                raise
            problem = from_exception(error)  # the error itself, whose frames hold tensors, is let go
        except Lost:
            room.without_disk()
            continue
        if not room.step_down():
            raise problem


@torch.inference_mode()
def _synthesize(model: Model, request: Request, settings: Settings, progress: Progress, room: Room) -> Result:
    progress.begin()
    reset_peak_memory(model.device)
    with progress.stage("encode", 1):
        work = prepare(model, request, settings, progress, room)
    with applied(model, work.rung_at_work):
        batches = _batches(work.images, work.rung.batch if model.device.type != "cpu" else 1)
        _invert(work, "invert reference", [batch for batch in batches if batch != [work.target]])
        _invert(work, "invert target", [batch for batch in batches if batch == [work.target]])
        rounds = _rounds(work)
    if mode(settings, model.family) != "finish":
        attended = work.attending and work.attending.resolve()
        return Result(rounds[-1], record(work, room.notes), rounds, correspondence=attended)
    drawn = finish(rounds[-1], work.request, settings, model.device, progress)
    return Result(drawn.image, record(work, room.notes, drawn.note), rounds, correspondence=drawn.correspondence)


def _batches(images: list[InvertedImage], size: int) -> list[list[InvertedImage]]:
    """Images to be inverted together: of one size, in one piece, and the target alone where it tiles."""
    alike: dict[tuple, list[InvertedImage]] = {}
    for number, image in enumerate(images):
        alone = number if image.grid.count > 1 else -1
        alike.setdefault((image.grid.height, image.grid.width, image.grid.wrap, alone), []).append(image)
    return [some[k : k + size] for some in alike.values() for k in range(0, len(some), size)]


def _invert(work: Work, stage: str, batches: list[list[InvertedImage]]) -> None:
    calls = sum(image.plan.inversion_calls for batch in batches for image in batch)
    with work.progress.stage(stage, calls):
        for batch in batches if calls else []:
            invert(work.network, batch, work.keeping)


def _rounds(work: Work) -> list[np.ndarray]:
    """The picture after each round. Between rounds it stays in floating point and is not clamped."""
    settings, network, keeping = work.settings, work.network, work.keeping
    structure = Injected(network, [work.target], lambda i: structure_item(settings, i), keeping)
    detail = Injected(network, work.references, lambda i: detail_item(settings, i), keeping, work.balance)
    size, wrap = work.request.target.shape[:2], work.grid.wrap
    previews = Previews(work.model, network.schedule, work.progress, size, work.request.preview, wrap)
    pictures, x, last = [], None, len(settings.round_parameters()) - 1
    for r, (p, s) in enumerate(settings.round_parameters()):
        if r < work.plan.first:
            z = keeping.latent(work.keys.sampled[r], work.model.device)
        else:
            z, x = _start(work, r, x), None  # a large picture is not held while the network works
            z = _noisy(work, r, p, z, structure)
            with work.progress.stage(f"round {r + 1} sampling", work.plan.sampling_calls(r)):
                work.growth and work.growth.begin(r)
                detail.attending = work.attending if r == last else None
                z = fine_sampling(network, z, detail, s, work.grid, work.growth, work.region, previews.show)
        with work.progress.stage("decode", 1), work.model.codec.along(*wrap):
            x = work.model.codec.decode(z)
            check_numbers(x, work.glimpse)
            if r < last:
                keeping.keep_latent(work.keys.sampled[r], z)
            if r == last or x[0, 0].numel() <= ALL_ROUNDS:
                pictures.append(to_image(unfitted(x, *size, wrap), *size))
            previews.show_round(x)
    return pictures


def _start(work: Work, r: int, x: torch.Tensor | None) -> torch.Tensor | None:
    """The latent that round r inverts; None where its inversion is kept. x: the picture before, (1, 3, H, W) in [−1, 1]."""
    if r not in work.plan.inverts:
        return None
    if r > 0:
        with work.model.codec.along(*work.grid.wrap):
            return work.model.codec.encode(x).float()
    z = work.target.latent(work.network, 0)
    work.target.latents.let_go_of_the_first()
    return z


def _noisy(work: Work, r: int, p: int, z: torch.Tensor | None, structure: Injected) -> torch.Tensor:
    """The latent that round r is sampled from, made from z or kept."""
    if z is None:
        return work.keeping.latent(work.keys.inverted[r], work.model.device)
    with work.progress.stage(f"round {r + 1} inversion", work.plan.inversion_calls(r)):
        z = structure_preserving_inversion(work.network, z, structure, p, work.grid)
        work.keeping.keep_latent(work.keys.inverted[r], z)
    return z
