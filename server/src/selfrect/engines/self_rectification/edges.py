# SPDX-License-Identifier: GPL-3.0-or-later
"""A target that is to tile but whose edges do not meet: a band along them is drawn anew, by patches of the references.

The network keeps the layout that it is given, and so a jump at the edge as well. So a band along it becomes a hole, of a strip that goes
around, with the artist's own pixels on both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from ...kept import store
from ...kept.keys import hash_of, key_of
from ...patches.meeting import borders
from ...patches.synthesis import Options, synthesize
from .canvas import Wrap

MENDED = "The target's edges did not meet; a band along them was drawn anew from the reference."
STEP, UNLIKE = 1.3, 1.1  # times what is usual, from which on edges do not meet
COARSE = 128  # px of the shorter side, at which that is looked at first
PATCH, LINES, ASKED, ENOUGH = 8, 12, 96, 6000  # px; lines that are compared, patches across each, and among how many they look
BAND, NARROWEST, WIDEST = 0.08, 12, 96  # of the shorter side, px; to each side of the edge, at most
AROUND = 2  # bands of the target to each side of it, that it has to go on from
LEAST = 0.5 / 255  # a smaller difference is none


@dataclass(frozen=True)
class Mending:
    """references: (h, w, 3|4). wrap: (x, y), which edges are to meet. alive: called several times a second, may raise."""

    references: list[np.ndarray]
    wrap: Wrap
    seed: int = 0
    device: str = "cpu"
    alive: Callable[[], None] = lambda: None

    def mend(self, target: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """The target (H, W, 3|4), its edges mended where they do not meet; itself where they do.

        mask: (H, W), 0 where nothing may change.
        """
        if self.wrap[0] and apart(target, 1):
            target = self._kept_or_mended(target, mask)
        if self.wrap[1] and apart(target, 0):
            target = _transposed(self._transposed()._kept_or_mended(_transposed(target), mask if mask is None else mask.T))
        return target

    def _transposed(self) -> Mending:
        return replace(self, references=[_transposed(r) for r in self.references], wrap=self.wrap[::-1])

    def _kept_or_mended(self, target: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        """A run that is repeated, or that was planned, finds it done."""
        hashes = [hash_of(picture) for picture in (target, *self.references, *([] if mask is None else [mask]))]
        key = key_of("mended edges", hashes, mask is None, self.wrap, self.seed)
        found = (store().get(key) or {}).get("picture")
        if found is None or found.shape != target.shape:
            found = torch.from_numpy(self._mended(target, mask))
            store().put(key, {"picture": found})
        return found.numpy()

    def _mended(self, target: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        """target (H, W, 3|4), whose left and right edges do not meet."""
        height, width = target.shape[:2]
        band = int(min(max(BAND * min(height, width), NARROWEST), WIDEST, width // 4))
        strip = min(2 * band * (1 + AROUND), width)
        aside = np.arange(strip) + 0.5
        places = np.arange(strip) + np.where(aside < strip // 2, 0, width - strip)  # the outer borders of the strip meet in its middle
        part, (right, left) = target[:, places], borders(height, band, self.seed).numpy()[..., None]
        alpha = _alpha(part)
        hole = ((aside < right) | (strip - aside < left)) & _placed_on_both_sides(alpha)[:, None]
        if mask is not None:
            hole &= mask[:, places] > 0
        result = target.copy()
        if hole.any():
            drawn = self._drawn(part, np.where(hole, 0, alpha), hole)
            drawn = np.dstack([drawn, np.ones(hole.shape, np.float32)])[..., : part.shape[2]]
            result[:, places] = np.where(hole[..., None], drawn, part)
        return result

    def _drawn(self, picture: np.ndarray, placed: np.ndarray, hole: np.ndarray) -> np.ndarray:
        return synthesize(
            self._tensor(picture[..., :3].transpose(2, 0, 1)),
            self._tensor(placed),
            [self._tensor(r[..., :3].transpose(2, 0, 1)) for r in self.references],
            Options(seed=self.seed),
            wrap=(True, self.wrap[1]),
            told=lambda *_: self.alive(),
            opaque=[self._tensor(_alpha(r) > 0.5) for r in self.references],
            fixed=self._tensor(~hole),
            opened=self._tensor(hole),
        ).picture.permute(1, 2, 0).cpu().numpy()  # fmt: skip

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        array = array if array.dtype == bool else array.astype(np.float32)
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


def apart(target: np.ndarray, axis: int) -> bool:
    """Whether the edges of an axis do not meet: there is a step, and it is no step of the texture's own. What is not placed needs no help.

    A step alone says nothing, since a joint may lie just there; nor does it alone that what lies around the edge is rare.
    """
    lines = np.moveaxis(np.dstack([target[..., :3], _alpha(target)]), axis, 0)
    coarse = max(1, min(lines.shape[:2]) // COARSE)
    sizes = [_reduced(lines, factor) for factor in sorted({coarse, max(1, coarse // 4)})]
    return any(_step(lines) > STEP and _unlike(lines) > UNLIKE for lines in sizes)


def _step(lines: np.ndarray) -> float:
    """Across the edge, before the first and after the last of lines (L, M, 4), as a multiple of the steps just beside it; 0: not placed."""
    near = lines[[-2, -1, 0, 1]]
    placed = near[..., 3].min(0) > 0.99
    if not placed.any():
        return 0.0
    before, across, after = np.abs(np.diff(near[:, placed, :3], axis=0)).mean((1, 2))
    return float(across / max((before + after) / 2, LEAST))


def _unlike(lines: np.ndarray) -> float:
    """How much less what lies around the edge looks like the rest than around usual lines within; lines (L, M, 4), at least PATCH each.

    Patches across the edge look for others like them within, and so do those across a line, among patches that do not cross it.
    """
    random, length = np.random.default_rng(0), len(lines)
    inside, places = _patches(lines, ENOUGH, random)
    around, _ = _patches(np.concatenate([lines[length - PATCH // 2 :], lines[: PATCH // 2]]), ASKED, random)
    if not len(around) or not len(inside):
        return 0.0
    usual = []
    for start in np.linspace(PATCH, length - 2 * PATCH, LINES).round().astype(int):
        across, _ = _patches(lines[start : start + PATCH], ASKED, random)
        others = inside[np.abs(places[:, 0] - start) >= PATCH // 2]
        if len(across) and len(others):
            usual.append(_nearest(across, others).mean())
    return float(_nearest(around, inside).mean() / max(LEAST, np.median(usual or [1.0])))


def _patches(lines: np.ndarray, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Some of the patches that are placed throughout, (n, values), by chance, and their places (n, 2)."""
    views = np.lib.stride_tricks.sliding_window_view(lines, (PATCH, PATCH), (0, 1))  # (l, m, 4, PATCH, PATCH)
    places = np.argwhere(views[:, :, 3].min((2, 3)) > 0.99)
    places = random.permutation(places)[:count]
    return views[places[:, 0], places[:, 1], :3].reshape(len(places), 3 * PATCH**2), places


def _nearest(patches: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of each patch, the root mean square distance to the nearest of the others."""
    squares = (patches**2).sum(1)[:, None] + (others**2).sum(1) - 2 * patches @ others.T
    return np.sqrt(squares.min(1).clip(0) / patches.shape[1])


def _reduced(lines: np.ndarray, factor: int) -> np.ndarray:
    """Means over factor × factor. What is left over is cut out of the middle, so that both edges stay."""
    for axis in (0, 1):
        left = lines.shape[axis] % factor
        middle = lines.shape[axis] // factor // 2 * factor
        lines = np.delete(lines, np.s_[middle : middle + left], axis)
    length, across, channels = lines.shape
    return lines.reshape(length // factor, factor, across // factor, factor, channels).mean((1, 3))


def _placed_on_both_sides(alpha: np.ndarray) -> np.ndarray:
    """Of the edge, row by row: elsewhere the background grows around the edge by itself."""
    return np.minimum(alpha[:, 0], alpha[:, -1]) > 0.5


def _alpha(image: np.ndarray) -> np.ndarray:
    return image[..., 3] if image.shape[2] == 4 else np.ones(image.shape[:2], np.float32)


def _transposed(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image.swapaxes(0, 1))
