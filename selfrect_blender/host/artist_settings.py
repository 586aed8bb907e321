# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist sets, in the engine's own numbers: Structure and Detail → P1, S1, P2, S2; Quality → steps, rounds, injection.

Structure, in [0, 1], is how strictly the target's layout is kept: for how many of the T steps of each round it is held
(P1, P2). Detail, in [0, 1], is how much of the reference comes in: after how many steps it does (S1, S2), so that more
detail is fewer steps of waiting. At 0.5 both give the published 20, 20, 5, 5 of T = 50 (arXiv 2401.02847, section 4).

| | 0 | 0.5 | 1 |
|---|---|---|---|
| Structure: P1, P2 as parts of T | 0, 0 | 0.4, 0.1 | 0.8, 0.4 |
| Detail: S1, S2 as parts of T | 0.8, 0.4 | 0.4, 0.1 | 0, 0 |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

DEFAULT = 0.5
#: setting → (slider, its parts of T at the slider's 0, 0.5 and 1); in between straight lines
CURVES = {
    "p1": ("structure", (0.0, 0.4, 0.8)),
    "p2": ("structure", (0.0, 0.1, 0.4)),
    "s1": ("detail", (0.8, 0.4, 0.0)),
    "s2": ("detail", (0.4, 0.1, 0.0)),
}
#: Draft shows where things go: one round, of fewer steps, with the injection that costs no further network calls: less than
#: a fifth of Standard's, which is as published. Best takes twice the steps and follows both pictures more closely.
QUALITIES: dict[str, dict[str, Any]] = {
    "DRAFT": {"steps": 20, "rounds": 1, "injection": "recorded"},
    "STANDARD": {"steps": 50, "rounds": 2, "injection": "current"},
    "BEST": {"steps": 100, "rounds": 2, "injection": "current"},
}
CUSTOM = "CUSTOM"


def has_sliders(names: Iterable[str]) -> bool:
    """Whether an engine with settings of these names is one that Structure and Detail speak of."""
    return {"steps", *CURVES} <= set(names)


def steps_of(slider: str, value: float, steps: int) -> dict[str, int]:
    """The settings behind "structure" or "detail" at a position in [0, 1], for T = steps."""
    return {name: _round(_at(curve, value) * steps) for name, (of, curve) in CURVES.items() if of == slider}


def is_at(settings: Mapping[str, Any], slider: str, value: float) -> bool:
    """Whether the settings are those of the slider's position; else they were set by hand."""
    return all(settings[name] == wanted for name, wanted in steps_of(slider, value, settings["steps"]).items())


def quality_of(settings: Mapping[str, Any]) -> str:
    """The key of QUALITIES that the settings are of, or CUSTOM. Settings that the engine does not declare do not count."""
    for key, wanted in QUALITIES.items():
        if all(settings.get(name, value) == value for name, value in wanted.items()):
            return key
    return CUSTOM


def settings_of(settings: Mapping[str, Any], quality: str = CUSTOM, **sliders: float) -> dict[str, Any]:
    """The settings with a quality and sliders put into them. What the engine does not declare is left out."""
    changed = dict(settings)
    changed.update({name: value for name, value in QUALITIES.get(quality, {}).items() if name in settings})
    if has_sliders(settings):
        for slider, value in sliders.items():
            changed.update(steps_of(slider, value, changed["steps"]))
    return changed


def position_of(settings: Mapping[str, Any], slider: str, present: float) -> float | None:
    """Where the slider stands for these settings: where it is now if that gives them, else the roundest hundredth; None: nowhere."""
    rounder = sorted(range(101), key=lambda step: (step != 100 * DEFAULT, step % 10 != 0, step % 5 != 0))
    return next((value for value in (present, *(step / 100 for step in rounder)) if is_at(settings, slider, value)), None)


def ordered(
    settings: Mapping[str, Any], present: Mapping[str, float], given: Mapping[str, float], quality: str | None = None
) -> dict[str, Any]:
    """The settings with what a caller gave. present: where both sliders stand. given: those that were moved.

    A quality brings another T along: then both sliders are worked out anew, else only those that were given.
    """
    sliders = {**present, **given} if quality else given
    return settings_of(settings, quality or CUSTOM, **sliders)


def _at(curve: tuple[float, float, float], value: float) -> float:
    low, middle, high = curve
    value = min(max(value, 0.0), 1.0)
    return low + (middle - low) * 2 * value if value <= 0.5 else middle + (high - middle) * (2 * value - 1)


def _round(steps: float) -> int:
    return int(steps + 0.5 + 1e-6)  # halves up; Blender's sliders are float32 and end a little beside their numbers
