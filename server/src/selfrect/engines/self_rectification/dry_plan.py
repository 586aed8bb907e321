# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run would take — network calls, seconds, memory — told before it is started."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ... import calibration, expected
from ...engine import Request, silent
from ...models.facts import Facts
from ...models.model import Model
from ...patches.sources import Pose
from ...problems import Problem
from ...progress import Progress
from .adaptation import foreseen, with_learning
from .finish import foreseen as foreseen_patches
from .finish import mode
from .inputs import check
from .plan import Kept, Plan, Shape
from .preparation import prepare
from .room import Room
from .settings import Settings
from .turned import posed_size, poses_of
from .windows import Grid, tiles, windows_of

_UNKNOWN = "Turned copies are looked for in the target; each of them comes on top."

Size = tuple[int, int]  # (height, width), latent pixels


def plan_for(
    facts: Facts, model: Model | None, sizes: dict[str, Any], settings: dict[str, Any], found: Sequence[Pose] | None = None
) -> dict[str, Any]:
    """For pictures of these sizes: {references: [[width, height], …], target: [width, height]}, pixels; mask: true with a mask; maps: of
    each map that comes along, [width, height] in the first reference.

    facts: of the model, loaded or not; model: where it is loaded, peak memory can be told. found: the copies of the references that the
    target asks for, where that is known. Returns {calls, calls_if_kept
    (the same references again), windows, seconds, peak_memory (bytes), notes}; seconds and peak_memory None where unknown.
    """
    chosen = Settings.of(settings)
    if mode(chosen, facts.family) == "instead":
        return _by_patches(facts, chosen, sizes)
    _sizes(sizes, facts.factor)
    references, target = _sizes(sizes | {"references": _with_copies(sizes["references"], chosen, found or ())}, facts.factor)
    rung, windows = None, windows_of(chosen.window, facts.sample_size, facts.factor)
    room = Room(model, chosen) if model is not None else None
    if room is not None:
        rung, windows = room.choose(target, references)
    grids = [*(Grid(*size, windows) for size in references), Grid(*target, windows, (chosen.tile_x, chosen.tile_y))]
    shapes = [Shape(grid.count, len(tiles(*size, windows))) for grid, size in zip(grids, references, strict=False)]
    hold = rung is None or rung.kv != "recompute"
    whole, region = Shape(grids[-1].count, grids[-1].count), bool(sizes.get("mask"))
    first = Plan(chosen, shapes, whole, hold, region=region)
    kept = [Kept(image.latents, frozenset().union(*image.wanted) if hold else frozenset()) for image in first.references]
    again = Plan(chosen, shapes, whole, hold, kept, region=region)
    told = _told(facts, first, grids, again.calls, room.need() if room else None)
    told = told | {"notes": [*told["notes"], _UNKNOWN]} if chosen.turns == "auto" and found is None else told
    told = with_learning(told, chosen, facts, grids[-1].height * grids[-1].width) if chosen.adapt else told
    return _with_the_rest(told, facts, chosen, sizes)


@torch.inference_mode()
def plan_of(facts: Facts, model: Model, request: Request) -> dict[str, Any]:
    """For these very pictures: `calls` counts what really is kept of them, and seconds are measured where they are not known."""
    settings = check(request)
    if mode(settings, model.family) == "instead":
        return _by_patches(facts, settings, _sizes_of(request)) | {"calls_first": 0}
    named, learns = foreseen(model, request, settings)
    room = Room(named, settings)
    work = prepare(named, request, settings, Progress(silent), room)
    grids = [image.grid for image in work.images]
    for height, width in {grid.window for grid in grids}:
        if calibration.known(facts.hash, facts.device, facts.dtype, height * width) is None:
            calibration.measure(model, height, width)
    general = plan_for(facts, model, _sizes_of(request), settings.as_dict(), [copy.pose for copy in work.copies])
    told = _told(facts, work.plan, grids, general["calls_if_kept"], room.need()) | {"calls_first": general["calls"]}
    told = with_learning(told, settings, facts, grids[-1].height * grids[-1].width) if learns else told
    return _with_the_rest(told, facts, settings, _sizes_of(request))


def _by_patches(facts: Facts, settings: Settings, sizes: dict[str, Any]) -> dict[str, Any]:
    """Without a network."""
    _sizes(sizes, 1)
    width, height = sizes["target"]
    told = {
        "calls": 0,
        "calls_if_kept": 0,
        "windows": {"count": 1, "size": [width, height]},
        "seconds": 0.0,
        "peak_memory": None,
        "notes": ["Made of the reference's patches, without the network."],
    }
    return _with_the_rest(told, facts, settings, sizes)


def _with_the_rest(told: dict[str, Any], facts: Facts, settings: Settings, sizes: dict[str, Any]) -> dict[str, Any]:
    """A plan with the seconds of what is no network call: patches, the field of the picture, maps."""
    if told["seconds"] is None:
        return told
    device, how = "cuda" if facts.device.startswith("cuda") else "cpu", mode(settings, facts.family)
    target, *references = ((height, width) for width, height in (sizes["target"], *sizes["references"]))
    each = target[0] * target[1] / (references[0][0] * references[0][1])  # px of the result for one of the reference
    areas = [width * height * each for width, height in sizes.get("maps") or ()]
    areas += [target[0] * target[1]] * (settings.true_pixels > 0)
    seconds = 0.0 if how == "off" else expected.seconds(expected.PATCHES, device, foreseen_patches(settings, target, references))
    if areas:
        seconds += expected.seconds(expected.FIELD, device, expected.field(target, references, how != "off"))
        seconds += expected.seconds(expected.MAPS, "cpu", expected.maps(target, areas))
    return told | {"seconds": round(told["seconds"] + seconds, 1)}


def _sizes_of(request: Request) -> dict[str, Any]:
    return {
        "references": [[image.shape[1], image.shape[0]] for image in request.references],
        "target": [request.target.shape[1], request.target.shape[0]],
        "mask": request.mask is not None and bool(request.mask.min() == 0),
        "maps": [[of_each[0].shape[1], of_each[0].shape[0]] for of_each in request.maps.values()],
    }


def _with_copies(references: list[list[int]], settings: Settings, found: Sequence[Pose]) -> list[list[int]]:
    """[width, height] of each reference → of it and its copies."""
    poses = poses_of(settings, found)
    return [list(posed_size((height, width), pose)[::-1]) for width, height in references for pose in poses]


def _told(facts: Facts, plan: Plan, grids: list[Grid], calls_if_kept: int, peak_memory: int | None) -> dict[str, Any]:
    count, side = grids[-1].count, grids[-1].window
    return {
        "calls": plan.calls,
        "calls_if_kept": calls_if_kept,
        "windows": {"count": count, "size": [pixels * facts.factor for pixels in reversed(side)]},
        "seconds": _seconds(facts, plan, grids),
        "peak_memory": peak_memory,
        "notes": [f"The target is worked on in {count} overlapping windows."] if count > 1 else [],
    }


def _seconds(facts: Facts, plan: Plan, grids: list[Grid]) -> float | None:
    """Each image's calls at what one of them takes; None where that was not measured on this device."""
    rounds = range(len(plan.parameters))
    of_references = [image.inversion_calls + sum(image.item_calls(r) for r in rounds) for image in plan.references]
    calls = [*of_references, plan.calls - sum(of_references)]
    total = 0.0
    for count, grid in zip(calls, grids, strict=True):
        height, width = grid.window
        each = calibration.known(facts.hash, facts.device, facts.dtype, height * width) if facts.hash else None
        if each is None:
            return None
        total += count * each
    return round(total, 1)


def _sizes(sizes: dict[str, Any], factor: int) -> tuple[list[Size], Size]:
    """In latent pixels, padded. Raises Problem bad_input."""
    pairs, maps = [*(sizes.get("references") or []), sizes.get("target")], sizes.get("maps") or []
    if len(pairs) < 2 or not isinstance(maps, (list, tuple)) or not all(map(_is_size, (*pairs, *maps))):
        wanted = "{references: [[width, height], …], target: [width, height], maps: [[width, height], …]}"
        raise Problem("bad_input", f"A plan needs sizes as {wanted}, got {str(sizes)[:120]}.", "Give whole numbers of pixels.")
    latent = [(-(-height // factor), -(-width // factor)) for width, height in pairs]
    return latent[:-1], latent[-1]


def _is_size(pair: Any) -> bool:
    return isinstance(pair, (list, tuple)) and len(pair) == 2 and all(type(n) is int and n > 0 for n in pair)
