# SPDX-License-Identifier: GPL-3.0-or-later
"""A drift of colour undone: smooth functions of colour (second degree in Lab), one after the other, fitted to what is known of it.

Known is either how often each colour should occur, or which colour each place should have. Colours are Lab, (n, 3).
"""

from __future__ import annotations

import numpy as np

from .transport import transported

_STIFFNESS = 1e-3  # of a fit, against its largest term
_ROUNDS = 2  # by frequency: the second finds what one function of second degree has left
_WEIGHINGS = 4  # of pairs: those that do not fit to the others count for little
_FINE = 0.5  # Lab: pairs that are no farther apart than this are as good as they can be
_SURE = 0.7  # of the pairs, those that fit best
_TRUSTED = (0.93, 0.98)  # part of the colours' variance that pairs explain: they say nothing, they say all

Drift = list[np.ndarray]


def by_frequency(colours: np.ndarray, goal: np.ndarray) -> Drift:
    """So that `colours` become as frequent as those of `goal`, as many: sliced transport, made smooth."""
    fits = []
    for _ in range(_ROUNDS):
        fits.append(_fit(colours, transported(colours, goal) - colours))
        colours = undone(colours, fits[-1:])
    return fits


def by_pairs(colours: np.ndarray, goal: np.ndarray) -> tuple[Drift, float]:
    """So that each colour becomes that of `goal` beside it, and how far this is to be trusted, in [0, 1].

    A fit to pairs of which some are wrong flattens contrast; so those that are surely right then take their goals' frequencies, too.
    """
    weights = np.ones(len(colours))
    for _ in range(_WEIGHINGS):
        first = _fit(colours, goal - colours, weights)
        near = undone(colours, [first])
        apart = np.linalg.norm(near - goal, axis=1)
        weights = 1 / (1 + (apart / max(float(np.median(apart)), _FINE)) ** 2)
    mean = np.average(goal, axis=0, weights=weights)
    spread = float(weights @ ((goal - mean) ** 2).sum(1))
    explained = 1 - float(weights @ apart**2) / max(spread, 1e-9)
    sure = apart <= np.quantile(apart, _SURE)
    second = _fit(near[sure], transported(near[sure], goal[sure]) - near[sure])
    return [first, second], float(np.clip((explained - _TRUSTED[0]) / (_TRUSTED[1] - _TRUSTED[0]), 0, 1))


def undone(colours: np.ndarray, drift: Drift) -> np.ndarray:
    """(…, 3) → the same without the drift."""
    for fit in drift:
        colours = colours + _terms(colours) @ fit
    return colours


def _terms(lab: np.ndarray) -> np.ndarray:
    """(…, 3) → (…, 10): constant, linear and quadratic, each about of size 1."""
    l, a, b = np.moveaxis(lab / 50.0, -1, 0)  # noqa: E741
    return np.stack([np.ones_like(l), l, a, b, l * l, a * a, b * b, l * a, l * b, a * b], axis=-1)


def _fit(colours: np.ndarray, moves: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    terms = _terms(colours)
    weighed = terms.T if weights is None else terms.T * weights
    square = weighed @ terms
    return np.linalg.solve(square + _STIFFNESS * square.max() / len(square) * np.eye(len(square)), weighed @ moves)
