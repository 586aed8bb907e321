# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist asks for, checked before anything is sent or started."""
from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from .engine_source import inputs, problems, protocol

MOST_REFERENCES = 16
_PARAMETERS = ("engine", "model", "device", "dtype", "seed", "settings", "preview", "weights")


@dataclass
class RectifyRequest:
    """One picture to be made.

    references, target: (H, W, 3|4) float32, display-referred sRGB, top row first; sizes may differ. Values above 1, which
    floating-point images have in their highlights, travel along. Target alpha 0 marks background.
    model: name or path as the engine knows it. device, dtype: "auto" or a name from the engine's `devices`. settings: the engine's
    own parameters by name; what is absent takes its default. preview: whether pictures of the work on its way are wanted.
    mask: (H, W) float32 in [0, 1], of the target's size, 1 where the picture may change; None: everywhere. weights: of each reference,
    above 0; None: all alike. regions: of each reference as mask, where in the result it counts, or None: everywhere.
    maps: name → of each reference (h, w, 1|3|4) float32, data; names that begin with “normal” are vectors, y up.
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
    mask: np.ndarray | None = None
    weights: list[float] | None = None
    regions: list[np.ndarray | None] | None = None
    maps: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def check(self) -> None:
        """Raise Problem("bad_input"), with the numbers, for what cannot be rectified. The engine's own rules apply."""
        if not self.references:
            raise _bad("No reference was given.", "Choose the texture that the result should look like as reference.")
        if len(self.references) > MOST_REFERENCES:
            count = len(self.references)
            raise _bad(f"{count} references were given, at most {MOST_REFERENCES} can be used.", "Choose fewer.")
        inputs.check_pictures(self)
        if type(self.seed) is not int or not 0 <= self.seed < 2**63:
            raise _bad(f"The seed is {self.seed!r}, expected an integer from 0 to 2^63 − 1.", "Choose another seed.")
        _check_json(self.settings, "settings")

    def message(self, id: int) -> protocol.Message:
        """The request as it travels."""
        arrays = {f"reference.{index}": picture for index, picture in enumerate(self.references)}
        arrays |= {"target": self.target, "mask": self.mask}
        arrays |= {f"region.{index}": region for index, region in enumerate(self.regions or ())}
        arrays |= {f"map.{name}.{index}": array for name, of_each in self.maps.items() for index, array in enumerate(of_each)}
        arrays = {name: array for name, array in arrays.items() if array is not None}
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


def _bad(sentence: str, remedy: str) -> problems.Problem:
    return problems.Problem("bad_input", sentence, remedy)
