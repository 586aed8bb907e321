# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cheaper settings cost and change, on a folder of cases (`selfrect.evaluation.cases`); sheets are written for looking at.

    python tests/bench/options.py FOLDER out/options [--size 256] [--only 12-1,4-1]

Beside the engine's own settings a second-order solver is tried: Adams–Bashforth on ε over σ = √(1−a)/√a, both up and down,
which asks for no further network calls. It lives here, not in the product, until it shows that it is worth it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pictures
import selfrect
import subjects
import torch
from selfrect import kept
from selfrect.engines.self_rectification.ddim import Schedule
from selfrect.evaluation.cases import Case, cases, means, measure

STEPS_25 = {"steps": 25, "p1": 10, "s1": 10, "p2": 2, "s2": 2}
STEPS_15 = {"steps": 15, "p1": 6, "s1": 6, "p2": 2, "s2": 2}
TRIED = [
    ("T = 50", {}, False),
    ("recorded", {"injection": "recorded"}, False),
    ("T = 25", STEPS_25, False),
    ("T = 25, second order", STEPS_25, True),
    ("T = 15", STEPS_15, False),
    ("T = 15, second order", STEPS_15, True),
]
_first_order = Schedule.up, Schedule.down


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--only", default="", help="names of cases, 12-1,4-1")
    parser.add_argument("--model", default="mini")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    model, wanted, found = selfrect.load_model(given.model), set(filter(None, given.only.split(","))), []
    for case in cases(given.folder, given.size):
        if not wanted or case.name in wanted:
            options = Options(model)
            measured, sheet = measure(case, {name: options.maker(name, *tried) for name, *tried in TRIED})
            selfrect.write_image(given.output / f"{case.name}.png", sheet)
            found.append(measured)
            options.tell(case.name, measured)
    print(f"means of {len(found)} cases", *(f"{name:<22} {measures}" for name, measures in means(found).items()), sep="\n")


class Options:
    """One case by all options; the first is what the others are held against."""

    def __init__(self, model: selfrect.Model):
        self.model, self.cost, self.first = model, {}, None

    def maker(self, name: str, settings: dict[str, Any], second_order: bool) -> Callable[[Case], np.ndarray]:
        def make(case: Case) -> np.ndarray:
            kept.use(memory=2**30, disk=0)
            Schedule.up, Schedule.down = _second_order() if second_order else _first_order
            started = time.perf_counter()
            result = selfrect.rectify(self.model, case.reference, case.target, subjects.ALONE | settings)
            seconds = time.perf_counter() - started
            self.first = result.image if self.first is None else self.first
            self.cost[name] = (result.record["network_calls"], seconds, pictures.psnr(result.image, self.first))
            return result.image

        return make

    def tell(self, case: str, measured: dict[str, Any]) -> None:
        for name, (calls, seconds, db) in self.cost.items():
            texture, structure = measured[name]["texture"]["ratio"], measured[name]["structure"]
            told = f"{calls:>4} calls {seconds:>5.0f} s  {db:>5.1f} dB to T = 50  texture {texture:.2f}  structure {structure:.2f}"
            print(f"{case:<8} {name:<22} {told}", flush=True)


def _second_order() -> tuple[Callable, Callable]:
    before: dict[str, tuple[int, torch.Tensor, float]] = {}

    def step(name: str, first_order: Callable, width: Callable[[Schedule, int], float]) -> Callable:
        def move(self: Schedule, z: torch.Tensor, eps: torch.Tensor, i: int) -> torch.Tensor:
            last, now = before.get(name), width(self, i)
            before[name] = (i, eps, now)
            if last and last[0] == i - 1 and last[1].shape == eps.shape and last[2]:
                eps = eps + now / last[2] / 2 * (eps - last[1])
            return first_order(self, z, eps, i)

        return move

    def sigma(self: Schedule, i: int) -> float:
        a = self.a(self.timestep(i))
        return ((1 - a) / a) ** 0.5

    def wide_up(self: Schedule, i: int) -> float:
        return sigma(self, i) - sigma(self, i - 1)

    def wide_down(self: Schedule, i: int) -> float:
        return sigma(self, self.steps - 2 - i) - sigma(self, self.steps - 1 - i)

    return step("up", _first_order[0], wide_up), step("down", _first_order[1], wide_down)


if __name__ == "__main__":
    main()
