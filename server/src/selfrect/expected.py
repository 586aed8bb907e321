# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds of what is no network call: patches, the field of a picture, its maps. No PyTorch until a machine is looked at.

A formula says what one core of the machine takes that its constants were measured on; each finished run says how much longer this
one took, which is kept in the cache folder. Before the first run a moment of the same kind of work says it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import time
from collections.abc import Iterable
from pathlib import Path

from .models.cache import cache_folder, keep
from .searched import SEARCHED

PATCHES, FIELD, MAPS = "patches", "field", "maps"
Size = tuple[int, int]  # (height, width), pixels

_TURNED = 2.0  # times its pixels: a reference that is turned
_NEWEST = 0.5  # weight of the newest run; a machine that is busy today is not slow for ever
_PROBE = 0.0037  # seconds of `_work` on the machine of the constants
_GPU = 0.2  # of a core's time: a graphics processor that nothing is known of


def patches(target: Size, references: Iterable[Size], effort: float = 1.0, wary: bool = False) -> float:
    """effort: as many times the usual rounds. wary: mirrored, smaller and larger pieces are looked for, too."""
    whole, sources = _area(target), sum(map(_area, references)) * _TURNED
    searched = _searched(whole)
    share = searched / whole
    return 2.9 + 9.0 * wary + (0.5 + 0.5 * effort) * 1.2e-5 * searched + 4.5e-6 * sources * share + 4e-6 * (whole - searched)


def field(target: Size, references: Iterable[Size], known: bool) -> float:
    """known: whether patches drew the picture, and the field is only made calmer."""
    whole, sources = _area(target), sum(map(_area, references)) * _TURNED
    share = min(1.0, SEARCHED / whole)
    return (0.2 + 1.2e-5 * whole * share + 1.5e-6 * sources * share) * (1.0 if known else 2.5)


def maps(target: Size, areas: Iterable[float]) -> float:
    """areas: px of each map that comes with the picture."""
    areas = list(areas)
    return 1.1e-6 * sum(areas) + 5.5e-7 * len(areas) * min(_area(target), SEARCHED)


def seconds(part: str, device: str, formula: float) -> float:
    """What `part` takes on this device, of which the formula says `formula`."""
    known = _read().get(f"{part} {device}")
    return formula * (known or (_machine() if device == "cpu" else _machine() * _GPU))


def note(part: str, device: str, formula: float, took: float) -> None:
    """Keep what a run has found."""
    if not (formula > 0 and took > 0 and math.isfinite(took / formula)):
        return
    known, name = _read(), f"{part} {device}"
    known[name] = took / formula if name not in known else (1 - _NEWEST) * known[name] + _NEWEST * took / formula
    keep(_file(), lambda unfinished: unfinished.write_text(json.dumps(known), "utf-8"))


def _area(size: Size) -> float:
    return float(size[0] * size[1])


def _searched(whole: float) -> float:
    """Of the largest level of the pyramid at which patches are searched for."""
    while whole > SEARCHED:
        whole /= 4
    return whole


@functools.cache
def _machine() -> float:
    """How many times as long as the one of the constants this machine takes, on all threads that PyTorch has here."""
    import torch

    with torch.inference_mode():
        generator = torch.Generator().manual_seed(0)
        table = torch.randn(1 << 17, 24, generator=generator)
        rows = torch.randint(0, len(table), (1 << 15,), generator=generator)
        picture, kernel = torch.randn(1, 3, 64, 256, generator=generator), torch.randn(24, 3, 7, 7, generator=generator)

        def work() -> None:
            for part in rows.split(1 << 14):
                (table.index_select(0, part) - table[: len(part)]).square_().sum(1)
            torch.nn.functional.conv2d(picture, kernel)

        taken = []
        for _ in range(6):
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began)
    return min(taken[1:]) / _PROBE


def _file() -> Path:
    return cache_folder() / "calibration" / f"{hashlib.sha256(b'what is no network call').hexdigest()[:32]}.json"


def _read() -> dict[str, float]:
    """{part and device: times the formula}; a damaged file is none."""
    try:
        return {str(name): float(times) for name, times in json.loads(_file().read_text("utf-8")).items() if float(times) > 0}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
