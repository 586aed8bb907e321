# SPDX-License-Identifier: GPL-3.0-or-later
"""The small interface between the engines and whoever runs them (command line, server, Python).

An engine describes itself as data (`Description`), is given a `Request`, tells its progress through a `Report`
and answers with a `Result`. Nothing here needs PyTorch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Setting:
    """One parameter of an engine, as data: enough to build a command-line flag or a Blender property from it."""

    name: str
    kind: str  # "int", "float", "bool", "enum" or "numbers": a tuple of floats, a list in JSON, 15,30 on a command line
    default: int | float | str | bool | tuple[float, ...]
    title: str
    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()


def setting(
    default: int | float | str | bool | tuple[float, ...],
    title: str,
    description: str,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A dataclass field that is one declared parameter of an engine; its kind follows from default and choices."""
    kind = "enum" if choices else {int: "int", float: "float", bool: "bool", tuple: "numbers"}[type(default)]
    declared = {"kind": kind, "title": title, "description": description, "minimum": minimum, "maximum": maximum, "choices": choices}
    return field(default=default, metadata=declared)


def declared(settings_class: type) -> tuple[Setting, ...]:
    """The parameters that a settings dataclass declares, in order: the one source of flags, properties and bounds."""
    return tuple(Setting(name=f.name, default=f.default, **f.metadata) for f in fields(settings_class) if f.metadata)


@dataclass(frozen=True)
class Description:
    """What an engine says of itself before anything is loaded."""

    name: str
    title: str
    paper: str
    needs_target: bool
    settings: tuple[Setting, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The description as JSON-ready data (it travels in the greeting)."""
        return asdict(self)


@dataclass
class Request:
    """One picture to make.

    references: images (H, W, 3|4), float32, display-referred sRGB, top row first; sizes may differ. 1 is white; what is brighter, and
    colours outside sRGB, which are below 0 or above 1, are kept where they are not redrawn, and carried along where they are.
    target: one such image or None; alpha 0 marks background.
    settings: the engine's own parameters by name; what is absent takes its default.
    preview: whether the report is given pictures of the work on its way.
    mask: (H, W) float32 in [0, 1] of the target's size, 1 where the picture may change, 0 where it stays bit by bit; None: everywhere.
    weights: of each reference, above 0, how much of it is used beside the others; None: all alike.
    regions: of each reference (H, W) float32 in [0, 1] of the target's size, where in the result it counts, or None: everywhere.
    maps: name ("normal", "roughness", …) → that map of each reference, (h, w, 1|3|4) float32 of any size and range, as data; they
    follow the picture.
    """

    references: list[np.ndarray]
    target: np.ndarray | None
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    preview: bool = True
    mask: np.ndarray | None = None
    weights: list[float] | None = None
    regions: list[np.ndarray | None] | None = None
    maps: dict[str, list[np.ndarray]] = field(default_factory=dict)


@dataclass
class Result:
    """The picture made, and how.

    image: (H, W, 3) float32, the size of the target, of the same range as what came in; (H, W, 4), with straight alpha, where a mask
    keeps places of the target that are transparent.
    record: JSON-ready: engine, model, settings, seed, network_calls, seconds, peak_memory and what else helps to repeat it.
    rounds: the picture after each round, as image.
    maps: name → (H', W', C) float32, as many pixels to one of the picture's as the reference's map had to one of the reference's.
    correspondence: which place of which reference each pixel is like (`patches.correspondence`); None where nobody needs it.
    """

    image: np.ndarray
    record: dict[str, Any]
    rounds: list[np.ndarray] = field(default_factory=list)
    maps: dict[str, np.ndarray] = field(default_factory=dict)
    correspondence: Any = None


class Report(Protocol):
    """Told at least once per network call where the work stands; raises Problem("cancelled", …) to stop it."""

    def __call__(
        self, stage: str, step: int, steps: int, preview: np.ndarray | None = None, fraction: float = 0.0
    ) -> None:
        """stage: its name; step of steps: from 1; preview: (h, w, 3) in [0, 1] or None; fraction: of the whole, [0, 1]."""


def silent(stage: str, step: int, steps: int, preview: np.ndarray | None = None, fraction: float = 0.0) -> None:
    """The report of those who do not listen."""
