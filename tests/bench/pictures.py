# SPDX-License-Identifier: GPL-3.0-or-later
"""How far our pictures are from the plain way's, and what the options cost and change. Whole runs, few steps where the model is large."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import plain_way
import selfrect
import subjects
import torch
from selfrect import kept
from selfrect.models.model import Model

FEW = {"patches": "off", "steps": 4, "p1": 2, "s1": 2, "p2": 1, "s2": 1}
WHOLE = {"patches": "off", "steps": 50, "p1": 20, "s1": 20, "p2": 5, "s2": 5}


def differences(models: list[str]) -> list[dict[str, Any]]:
    """`mini` whole at 256², and each model with few steps: ours in each number type against the plain way in float32."""
    found = []
    for name in models:
        settings = WHOLE if name == "mini" else FEW
        reference, target = subjects.picture(256, 1), subjects.picture(256, 2)
        plain, plain_seconds = by_the_plain_way(name, reference, target, settings)
        for dtype in ("float32", "auto"):
            kept.use(memory=0, disk=0)
            model = selfrect.load_model(subjects.folder(name), device="auto", dtype=dtype)
            started = time.perf_counter()
            result = selfrect.rectify(model, reference, target, subjects.ALONE | settings)
            seconds, db = time.perf_counter() - started, psnr(result.image, plain)
            what = f"{name}, 256², T = {settings['steps']}, {result.record['dtype']} against the plain way"
            text = f"{db:.1f} dB, largest difference {np.abs(result.image - plain).max():.1e}; "
            text += f"whole run {plain_seconds:.0f} s → {seconds:.0f} s, {plain_seconds / seconds:.1f}×"
            found.append({"what": what, "text": text, "psnr": db, "seconds": seconds, "plain_seconds": plain_seconds})
    return found


@torch.inference_mode()
def by_the_plain_way(name: str, reference: np.ndarray, target: np.ndarray, settings: dict[str, int]) -> tuple[np.ndarray, float]:
    """(picture (H, W, 3), seconds)"""
    model: Model = selfrect.load_model(subjects.folder(name), device="auto", dtype="float32")
    text, codec = model.condition.embedding, model.codec
    unet = subjects.unet_in_float32(name).to(model.device)
    network = plain_way.network_of(unet, text, model.alphas_cumprod, model.prediction_type)
    rounds = ((settings["p1"], settings["s1"]), (settings["p2"], settings["s2"]))
    way = plain_way.PlainWay(network, model.alphas_cumprod, settings["steps"], rounds)
    started = time.perf_counter()
    latents = [codec.encode(_tensor(x)) for x in (reference, target)]
    z = way.rectify(latents[:1], latents[1], lambda z: codec.encode(codec.decode(z)))
    picture = codec.decode(z)[0].movedim(0, 2).cpu().numpy() / 2 + 0.5
    return np.clip(picture, 0, 1), time.perf_counter() - started


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(1 / max(np.mean((one.astype(np.float64) - other) ** 2), 1e-12)))


def _tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).movedim(2, 0)[None] * 2 - 1
