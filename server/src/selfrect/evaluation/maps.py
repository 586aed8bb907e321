# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a result's other maps say the same of it as the reference's maps say of the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..delivery.maps import carried, is_vector
from ..patches.correspondence import Correspondence, carry
from ..patches.field import Wanted, correspond
from ..problems import Problem
from .tiling import wrap_difference


def map_consistency(
    reference: np.ndarray, result: np.ndarray, of_reference: dict[str, np.ndarray], of_result: dict[str, np.ndarray]
) -> dict[str, Any]:
    """reference, result (H, W, 3|4): base colours in [0, 1]. of_reference, of_result: their maps by the same names, (h, w, C).

    Each place of the result is looked for in the reference by its base colour alone; what the reference's maps hold there is what the
    result's should. {field: {continuity, unlike}, maps: {name: {error, large, wrap, and for normals: degrees, length}}}: error, the
    mean difference as part of the map's range; large, of the 95th percentile; degrees, the mean angle between normals; length, the
    most by which one is not 1. unlike: mean difference of the colours at the places found, which limits what the rest can say.
    """
    pictures = [torch.from_numpy(np.ascontiguousarray(p[..., :3].transpose(2, 0, 1), np.float32)).clamp(0, 1) for p in (result, reference)]
    field = correspond(Wanted(pictures[0], pictures[1:]))
    maps = {name: _compared(one, of_result[name], field, is_vector(name)) for name, one in of_reference.items()}
    smaller = torch.nn.functional.interpolate(pictures[0][None], field.x.shape, mode="area")[0]
    unlike = float((carry(pictures[1:], field) - smaller).abs().mean())
    return {"field": {"continuity": field.continuity(), "unlike": unlike}, "maps": maps}


def _compared(reference: np.ndarray, result: np.ndarray, field: Correspondence, vectors: bool) -> dict[str, Any]:
    if reference.shape[2] != result.shape[2]:
        sentence = f"A map has {reference.shape[2]} channels in the reference and {result.shape[2]} in the result."
        raise Problem("bad_input", sentence, "Give maps of the same kind.")
    expected = carried([reference], field, result.shape[:2], vectors=vectors)
    low, high = np.percentile(reference, (0.1, 99.9))
    off = np.abs(result - expected).mean(-1) / max(float(high - low), 1e-6)
    measured = {"error": float(off.mean()), "large": float(np.percentile(off, 95)), "wrap": wrap_difference(result)}
    return measured | (_between_vectors(result, expected) if vectors else {})


def _between_vectors(colours: np.ndarray, others: np.ndarray) -> dict[str, float]:
    one, other = (np.asarray(c[..., :3], np.float64) * 2 - 1 for c in (colours, others))
    length, further = np.linalg.norm(one, axis=-1), np.linalg.norm(other, axis=-1)
    cosine = (one * other).sum(-1) / np.maximum(length * further, 1e-9)
    return {"degrees": float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean()), "length": float(np.abs(length - 1).max())}
