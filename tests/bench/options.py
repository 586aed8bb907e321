# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cheaper settings cost and change, on a reference and target of your own; the pictures are written for looking at.

    python tests/bench/options.py reference.png target.png out/options [side]

Beside the engine's own settings a second-order solver is tried: Adams–Bashforth on ε over σ = √(1−a)/√a, both up and down,
which asks for no further network calls. It lives here, not in the product, until it shows that it is worth it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pictures
import selfrect
import subjects
import torch
from selfrect import kept
from selfrect.engines.self_rectification.ddim import Schedule

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
    reference, target = (selfrect.read_image(path) for path in sys.argv[1:3])
    out, side = Path(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 512
    out.mkdir(parents=True, exist_ok=True)
    reference, target = reference[:side, :side], target[:side, :side]
    model, first = selfrect.load_model("mini"), None
    for name, settings, second_order in TRIED:
        kept.use(memory=2**30, disk=0)
        Schedule.up, Schedule.down = _second_order() if second_order else _first_order
        started = time.perf_counter()
        result = selfrect.rectify(model, reference, target, subjects.ALONE | settings)
        seconds = time.perf_counter() - started
        first = result.image if first is None else first
        print(
            f"{name:<22} {result.record['network_calls']:>4} calls {seconds:>6.0f} s  "
            f"{pictures.psnr(result.image, first):>5.1f} dB to T = 50  texture distance {distance(result.image, reference):.4f}",
            flush=True,
        )
        selfrect.write_image(out / f"{name.replace(' ', '').replace(',', '-')}.png", result.image)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Sliced Wasserstein of 7 × 7 patches along 64 directions: 0 for two cuts of one texture, were they endless."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(147, 64, generator=generator), dim=0)
    a, b = (_quantiles(_patches(x) @ directions) for x in (one, other))
    return float((a - b).abs().mean())


def _quantiles(x: torch.Tensor) -> torch.Tensor:
    """4096 of each column, so that pictures of unlike sizes can be compared."""
    return x.sort(0)[0][torch.linspace(0, len(x) - 1, 4096).long()]


def _patches(image: np.ndarray) -> torch.Tensor:
    x = torch.from_numpy(np.ascontiguousarray(image[..., :3])).movedim(2, 0)[None]
    return torch.nn.functional.unfold(x, 7)[0].T


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
