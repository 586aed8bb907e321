# SPDX-License-Identifier: GPL-3.0-or-later
"""Half precision only as long as it yields a picture: NaN or a flat plane means once more in float32, and it is told."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..engine import Result
from ..problems import Problem
from .model import Model

FLAT = 1e-3  # standard deviation over the picture, values in [−1, 1]; half a step of 8 bits is 2e-3


class BrokenPicture(Exception):
    """The numbers ran over: `reason` ends the sentence “The picture …”."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


def check(x: torch.Tensor, like: torch.Tensor | None = None) -> None:
    """Raise BrokenPicture where x (B, C, h, w) holds NaN or infinity, or is flat though `like` (B, C, h', w') is not."""
    if not torch.isfinite(x).all():
        raise BrokenPicture("held values that are no numbers")
    if like is not None and _is_flat(x) and not _is_flat(like):
        raise BrokenPicture("was one flat colour")


def with_fallback(model: Model, run: Callable[[Model], Result]) -> Result:
    """run(model); where its picture breaks in half precision, the model becomes float32 for good and the run is made again.

    The record's notes tell of it. Raises Problem bad_model where float32 breaks, too.
    """
    try:
        return run(model)
    except BrokenPicture as broken:
        if model.dtype == torch.float32:
            raise _hopeless(broken) from broken
        was, reason = str(model.dtype).removeprefix("torch."), broken.reason
    model.become_float32()
    try:
        result = run(model)
    except BrokenPicture as broken:
        raise _hopeless(broken) from broken
    result.record.setdefault("notes", []).append(f"The picture {reason} in {was}; it was made again in float32.")
    return result


def _is_flat(x: torch.Tensor) -> bool:
    return bool((x.float().flatten(2).std(2) < FLAT).all())


def _hopeless(broken: BrokenPicture) -> Problem:
    return Problem(
        "bad_model",
        f"The model makes no picture of this: the picture {broken.reason}, in float32 as well.",
        "Check the reference and the target, and that the model's files are whole; “mini” is always there.",
    )
