# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist asks for, checked before anything is sent or started."""
from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from .engine_source import inputs, problems, protocol

MOST_REFERENCES = 16
_PARAMETERS = ("engine", "model", "device", "dtype", "seed", "settings", "preview")


@dataclass
class RectifyRequest:
    """One picture to be made.

    references, target: (H, W, 3|4) float32, display-referred sRGB in [0, 1], top row first; sizes may differ. Finite
    values outside [0, 1], which floating-point images have in their highlights, are clipped. Target alpha 0 marks
    background. model: name or path as the engine knows it. device, dtype: "auto" or a name from the engine's
    `devices`. settings: the engine's own parameters by name; what is absent takes its default. preview: whether
    pictures of the work on its way are wanted.
    """

    method: ClassVar[str] = "synthesize"

    references: list[np.ndarray]
    target: np.ndarray | None
    model: str = "mini"
    device: str = "auto"
    dtype: str = "auto"
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    engine: str = "self-rectification"
    preview: bool = True

    def check(self) -> None:
        """Raise Problem("bad_input"), with the numbers, for what cannot be rectified. The engine's own rules apply."""
        if not self.references:
            raise _bad("No reference was given.", "Choose the texture that the result should look like as reference.")
        if len(self.references) > MOST_REFERENCES:
            count = len(self.references)
            raise _bad(f"{count} references were given, at most {MOST_REFERENCES} can be used.", "Choose fewer.")
        for reference in self.references:
            inputs.check_image(_clipped(reference), "reference")
        inputs.check_image(_clipped(self.target), "target")
        if type(self.seed) is not int or not 0 <= self.seed < 2**63:
            raise _bad(f"The seed is {self.seed!r}, expected an integer from 0 to 2^63 − 1.", "Choose another seed.")
        _check_json(self.settings, "settings")

    def message(self, id: int) -> protocol.Message:
        """The request as it travels."""
        arrays = {f"reference.{index}": _clipped(picture) for index, picture in enumerate(self.references)}
        if self.target is not None:
            arrays["target"] = _clipped(self.target)
        params = {name: getattr(self, name) for name in _PARAMETERS}
        return protocol.Message(method=self.method, id=id, params=params, arrays=arrays)


@dataclass
class Question:
    """Any other request of PROTOCOL.md, such as `models.download`: its method and params, no pictures."""

    method: str
    params: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raise Problem("bad_input") for params that cannot be sent."""
        _check_json(self.params, f"params of {self.method}")

    def message(self, id: int) -> protocol.Message:
        """The request as it travels."""
        return protocol.Message(method=self.method, id=id, params=self.params)


def _check_json(values: dict[str, Any], what: str) -> None:
    try:
        json.dumps(values, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise _bad(f"The {what} cannot be sent: {error}.", "Use numbers, texts, True and False.") from error


def _clipped(picture: np.ndarray | None) -> np.ndarray | None:
    """A picture clipped to [0, 1]; one that will be refused anyway (not float32, too large, NaN) as it is."""
    if not isinstance(picture, np.ndarray) or picture.dtype != np.float32:
        return picture
    if math.prod(picture.shape[:2]) > max(inputs.LONGEST_SIDE.values()) ** 2 or not np.isfinite(picture).all():
        return picture
    return np.clip(picture, 0.0, 1.0)


def _bad(sentence: str, remedy: str) -> problems.Problem:
    return problems.Problem("bad_input", sentence, remedy)
