# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of cases, each run and measured: what a change does to real pictures.

A case is a folder with ref.*, target-N.* and target-N.mask.png (255 where something is placed; 0 throughout: the target is drawn,
and all of it counts as placed), and, where there is one, published-result.*, made of a layout like target-1's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .measures import evaluate
from .sheet import sheet


@dataclass(frozen=True)
class Case:
    """reference, published (H, W, 3) or None, target (H, W, 4): float32 in [0, 1], all of one size."""

    name: str
    reference: np.ndarray
    target: np.ndarray
    published: np.ndarray | None


def cases(folder: Path, size: int) -> Iterator[Case]:
    """All of the folder's cases, brought to size²."""
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        for target in sorted(path for path in place.glob("target-?.*") if not path.stem.endswith(".mask")):
            published = next(place.glob("published-result.*"), None) if target.stem.endswith("-1") else None
            yield Case(
                f"{place.name}-{target.stem.rsplit('-', 1)[1]}",
                _read(next(place.glob("ref.*")), size),
                _with_alpha(_read(target, size), target.with_suffix(".mask.png"), size),
                None if published is None else _read(published, size),
            )


def measure(case: Case, makers: dict[str, Callable[[Case], np.ndarray]]) -> tuple[dict[str, Any], np.ndarray]:
    """Each maker's result and the published one, measured; and all of them side by side. makers: by name, Case → (H, W, 3)."""
    made = {name: make(case) for name, make in makers.items()}
    if case.published is not None:
        made["published"] = case.published
    measured = {name: evaluate(case.reference, case.target, picture) for name, picture in made.items()}
    titled = [(f"{name} {measured[name]['texture']['ratio']:.2f}", picture) for name, picture in made.items()]
    columns = [("reference", case.reference), (f"target {case.name}", case.target), *titled]
    return measured, sheet(columns, case.target.shape[0])


def means(measured: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Of each maker over the cases it was measured on: texture ratio, structure, border, colour."""
    names = dict.fromkeys(name for one in measured for name in one)
    return {name: _mean([one[name] for one in measured if name in one]) for name in names}


def stacked(sheets: list[np.ndarray], columns: int = 2) -> np.ndarray:
    """All sheets in one."""
    width, height = max(s.shape[1] for s in sheets), max(s.shape[0] for s in sheets)
    cells = [np.pad(s, ((0, height - s.shape[0]), (0, width - s.shape[1]), (0, 0))) for s in sheets]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % columns)
    return np.concatenate([np.concatenate(cells[k : k + columns], 1) for k in range(0, len(cells), columns)])


def _mean(of_one: list[dict[str, Any]]) -> dict[str, float]:
    values = {key: [m[key] for m in of_one] for key in ("structure", "border", "colour")}
    values["texture"] = [m["texture"]["ratio"] for m in of_one]
    known = {key: [value for value in some if value is not None] for key, some in values.items()}
    return {key: round(float(np.mean(some)), 3) for key, some in known.items() if some} | {"cases": len(of_one)}


def _read(path: Path, size: int, mode: str = "RGB") -> np.ndarray:
    return np.asarray(Image.open(path).convert(mode).resize((size, size), Image.Resampling.LANCZOS), np.float32) / 255


def _with_alpha(picture: np.ndarray, mask: Path, size: int) -> np.ndarray:
    alpha = _read(mask, size, "L") if mask.is_file() else np.ones(picture.shape[:2], np.float32)
    return np.concatenate([picture, (alpha if alpha.any() else np.ones_like(alpha))[..., None]], 2)
