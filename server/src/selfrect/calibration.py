# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds per network call, as measured on this device with this model; kept in the cache folder. No PyTorch until it measures.

Every finished run leaves its own measurement, so that a plan costs nothing; `measure` makes one where there is none yet.
"""

from __future__ import annotations

import hashlib
import json
import math
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .models.cache import cache_folder, keep

if TYPE_CHECKING:
    from .models.model import Model

NEAR = 4.0  # times larger or smaller: what was measured there still tells something
NEWEST = 0.5  # weight of the newest measurement; a machine that is busy today is not slow for ever


def known(model_hash: str, device: str, dtype: str, latent_pixels: int) -> float | None:
    """Seconds of one network call on a latent of so many pixels, or None where nothing near was measured.

    Between two measured sizes it is interpolated, beyond them scaled with the area (both in logarithms).
    """
    points = sorted((int(pixels), seconds) for pixels, seconds in _read(_file(model_hash, device, dtype)).items())
    near = [point for point in points if 1 / NEAR <= point[0] / latent_pixels <= NEAR]
    if not near:
        return None
    below = [point for point in near if point[0] <= latent_pixels]
    above = [point for point in near if point[0] >= latent_pixels]
    if below and above and below[-1][0] < above[0][0]:
        (p0, s0), (p1, s1) = below[-1], above[0]
        share = math.log(latent_pixels / p0) / math.log(p1 / p0)
        return s0 ** (1 - share) * s1**share
    pixels, seconds = below[-1] if below else above[0]
    return seconds * latent_pixels / pixels


def note(model_hash: str, device: str, dtype: str, latent_pixels: int, seconds: float) -> None:
    """Keep what a run has found: the median seconds of its calls."""
    if not (latent_pixels > 0 and math.isfinite(seconds) and seconds > 0):
        return
    file = _file(model_hash, device, dtype)
    points = _read(file)
    before = points.get(str(latent_pixels))
    points[str(latent_pixels)] = seconds if before is None else (1 - NEWEST) * before + NEWEST * seconds
    keep(file, lambda unfinished: unfinished.write_text(json.dumps(points), "utf-8"))


def measure(model: Model, height: int, width: int, calls: int = 2) -> float:
    """Seconds of one call on a latent of height × width: one call to warm up, then the median of `calls`; kept."""
    import torch

    config = model.unet.config
    with torch.inference_mode():
        z = torch.randn(1, config.in_channels, height, width, generator=torch.Generator().manual_seed(0)).to(model.device, model.dtype)
        added = model.condition.added(height, width, model.codec.factor)
        taken = []
        for _ in range(calls + 1):
            start = time.perf_counter()
            model.unet(z, 1, encoder_hidden_states=model.condition.embedding, added_cond_kwargs=added).sample.float().cpu()
            taken.append(time.perf_counter() - start)
    seconds = statistics.median(taken[1:])
    note(model.hash, str(model.device), str(model.dtype).removeprefix("torch."), height * width, seconds)
    return seconds


def clear() -> None:
    """Forget all measurements."""
    for file in (cache_folder() / "calibration").glob("*.json"):
        file.unlink(missing_ok=True)


def _file(model_hash: str, device: str, dtype: str) -> Path:
    key = hashlib.sha256(f"{model_hash}|{device}|{dtype}".encode()).hexdigest()[:32]
    return cache_folder() / "calibration" / f"{key}.json"


def _read(file: Path) -> dict[str, float]:
    """{latent pixels: seconds}; a damaged file is none."""
    try:
        points = json.loads(file.read_text("utf-8"))
        return {str(int(pixels)): float(seconds) for pixels, seconds in points.items() if float(seconds) > 0 and int(pixels) > 0}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
