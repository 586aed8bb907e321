# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run says of itself: enough to repeat it, and what it took."""

from __future__ import annotations

from dataclasses import asdict
from math import degrees
from statistics import median
from typing import Any

from ... import __version__, calibration
from ...device import peak_memory
from .description import DESCRIPTION
from .preparation import Work


def record(work: Work, notes: list[str], patches: dict[str, Any] | None = None) -> dict[str, Any]:
    """JSON-ready. patches: what `finish` noted. copies: of each reference, degrees clockwise, mirrored or not, scale; the first is itself.

    windows: of the target; seconds_per_call: the median of calls without exchange, None where there were none."""
    model, progress = work.model, work.progress
    height, width = work.request.target.shape[:2]
    factor = model.codec.factor
    return {
        "engine": DESCRIPTION.name,
        "version": __version__,
        "model": {"name": model.name, "family": model.family, "hash": model.hash},
        "settings": work.settings.as_dict(),
        "seed": work.settings.seed,
        "device": str(model.device),
        "dtype": str(model.dtype).removeprefix("torch."),
        "size": [width, height],
        "references": len(work.references),
        "copies": [[round(degrees(pose.angle), 1), pose.mirrored, pose.scale] for pose in dict.fromkeys(c.pose for c in work.copies)],
        "windows": {"count": work.grid.count, "size": [side * factor for side in reversed(work.grid.window)]},
        "network_calls": progress.calls,
        "seconds": {k: round(v, 3) for k, v in progress.seconds.items()} | {"total": round(progress.total_seconds(), 3)},
        "seconds_per_call": _calibrate(work),
        "peak_memory": peak_memory(model.device),
        "memory_rung": asdict(work.rung_at_work),
        "notes": notes,
        "patches": patches or {"mode": "off"},
    }


def _calibrate(work: Work) -> float | None:
    """Seconds of a plain call, kept for the plans of later runs on this device."""
    model, pixels = work.model, work.grid.window[0] * work.grid.window[1]
    seconds = [took for size, took in work.network.plain_calls if size == pixels]
    if not seconds:
        return None
    calibration.note(model.hash.partition("+")[0], str(model.device), str(model.dtype).removeprefix("torch."), pixels, median(seconds))
    return round(median(seconds), 5)
