# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows the finished picture: the material's other maps, its own pixels, guesses, and edges that meet in all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from .. import expected
from ..engine import Report, Request, Result
from ..memory import is_out_of_memory
from ..patches.correspondence import Correspondence, Reader, carry
from ..patches.field import Wanted, correspond
from ..patches.resizing import resized
from .easing import Easing
from .estimates import estimated
from .healed import kept, own_reference
from .maps import Wrap, carried, is_vector, map_size, of_unit_length
from .tiling import met, within_its_range
from .true_pixels import BASE_COLOUR, rebuilt, toned

STAGE = "maps"
_ALIVE = 0.2  # seconds between reports


def follow(
    request: Request, result: Result, settings: Any, report: Report, coloured: Callable[[np.ndarray], np.ndarray] | None = None
) -> Result:
    """result: with the picture as it will be handed out, but for its true pixels and its edges.

    settings: tile_x, tile_y, true_pixels, estimate. coloured: the same picture in better colours, once it is known what the references
    show where its places are like them, (h, w, 3) of the field's size. Raises Problem cancelled where `report` does.
    """
    wrap: Wrap = (settings.tile_x, settings.tile_y)
    picture, maps, record = result.image, {}, dict(result.record)
    if needed(request, settings):
        told = _Teller(report, 2 + len(request.maps))
        began = time.monotonic()
        compared = _compared(request)
        field = _field(request, result, compared, wrap, told.alive)
        since = time.monotonic()
        known = result.correspondence is not None and result.correspondence.x.shape == field.x.shape
        formula = expected.field(picture.shape[:2], [reference.shape[:2] for reference in request.references], known)
        expected.note(expected.FIELD, _device(result), formula, since - began)
        easing = Easing([Reader(layers, field, is_vector(name)).of_sizes() for name, layers in compared.items()], wrap)
        told.next()
        if coloured is not None:
            alike = carry([_layers(reference[..., :3]).clamp(0, 1) for reference in request.references], field)
            picture = coloured(alike.permute(1, 2, 0).numpy())
            result = replace(result, image=picture)
        own = own_reference(request)
        for name, of_each in request.maps.items():
            size = map_size(of_each, request.references, picture.shape[:2])
            made = carried(of_each, field, size, wrap, is_vector(name), easing, told.alive)
            maps[name] = made if own is None else kept(made, of_each[own], request.mask, wrap, is_vector(name))
            told.next()
        if settings.true_pixels > 0:
            picture = rebuilt(picture, request, field, settings.true_pixels, wrap, easing)
        if BASE_COLOUR in maps:
            maps[BASE_COLOUR] = toned(maps[BASE_COLOUR], result.image, settings.true_pixels, wrap)
        areas = [made.shape[0] * made.shape[1] for made in maps.values()] + [picture[..., 0].size] * (settings.true_pixels > 0)
        expected.note(expected.MAPS, "cpu", expected.maps(picture.shape[:2], areas), time.monotonic() - since)
        result = replace(result, correspondence=field)
        record["field"] = {"continuity": round(field.continuity(wrap), 4), "seconds": round(time.monotonic() - began, 3)}
    guessed = estimated(picture, maps, settings.estimate, wrap)
    maps |= {name: made for name, (made, _) in guessed.items()}
    notes = {name: {"size": [made.shape[1], made.shape[0]]} for name, made in maps.items()}
    if guessed:
        record["estimated"] = {name: origin for name, (_, origin) in guessed.items()}
    if any(wrap):
        picture, maps, edges = _meeting(picture, maps, wrap, request)
        record |= {"edges": edges} if edges else {}
    return replace(result, image=picture, maps=maps, record=record | ({"maps": notes} if notes else {}))


def needed(request: Request, settings: Any) -> bool:
    """Whether a field is."""
    return bool(request.maps) or settings.true_pixels > 0


def _compared(request: Request) -> dict[str, list[torch.Tensor]]:
    """What has to agree where pieces are joined: of each reference its colours, under "", and its maps, in its size and about [0, 1]."""
    every = {"": [_layers(reference[..., :3]).clamp(0, 1) for reference in request.references]}
    for name, of_each in request.maps.items():
        layers = [resized(_layers(one), r.shape[:2]) for one, r in zip(of_each, request.references, strict=True)]
        low, high = min(float(one.amin()) for one in layers), max(float(one.amax()) for one in layers)
        every[name] = [(one - low) / max(high - low, 1e-6) for one in layers]
    return every


def _field(
    request: Request, result: Result, compared: dict[str, list[torch.Tensor]], wrap: Wrap, alive: Callable[[], None]
) -> Correspondence:
    """Found where the picture was made, if that has double precision; on the CPU where memory ends."""
    layers = [torch.cat(of_one) for of_one in zip(*compared.values(), strict=True)]
    opaque = [torch.from_numpy(r[..., 3] > 0.5 if r.shape[2] == 4 else np.ones(r.shape[:2], bool)) for r in request.references]
    picture = _layers(result.image).clamp(0, 1)

    def found(device: str) -> Correspondence:
        there = [one.to(device) for one in layers]
        masks = [one.to(device) for one in opaque]
        return correspond(
            Wanted(picture.to(device), [one[:3] for one in there], there, masks, wrap, seed=request.seed), result.correspondence, alive
        )

    if _device(result) == "cuda":
        try:
            return found("cuda")
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        torch.cuda.empty_cache()
    return found("cpu")


def _device(result: Result) -> str:
    """Where the field is found."""
    return "cuda" if str(result.record.get("device", "")).startswith("cuda") else "cpu"


def _meeting(picture: np.ndarray, maps: dict[str, np.ndarray], wrap: Wrap, request: Request):
    """All edges brought together where they are not; what the mask protects stays."""
    joined, edges = met(picture, wrap, within_its_range(picture)), {}
    if joined[1]:
        picture = joined[0] if request.mask is None else np.where(request.mask[..., None] > 0, joined[0], picture)
        edges["image"] = joined[1]
    for name, one in maps.items():
        maps[name], changed = met(one, wrap, of_unit_length if is_vector(name) else within_its_range(one))
        edges |= {name: changed} if changed else {}
    return picture, maps, edges


def _layers(picture: np.ndarray) -> torch.Tensor:
    """(H, W, C) → (C, H, W)"""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32))


class _Teller:
    """Steps of this stage, at the end of all others; several times a second."""

    def __init__(self, report: Report, steps: int):
        self.report, self.step, self.steps = report, 1, steps
        self._tell()

    def alive(self) -> None:
        if time.monotonic() - self._told >= _ALIVE:
            self._tell()

    def next(self) -> None:
        self.step = min(self.step + 1, self.steps)
        self._tell()

    def _tell(self) -> None:
        self._told = time.monotonic()
        self.report(STAGE, self.step, self.steps, None, 1.0)
