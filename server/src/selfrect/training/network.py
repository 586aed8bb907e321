# SPDX-License-Identifier: GPL-3.0-or-later
"""The network and the noise schedule of a training run, and the files of the package folder that describe them.

Image (B, 3, H, W) in [-1, 1] ⇄ patches (B, 48, H/4, W/4), channel-major as `pixel_unshuffle` orders them: the codec has
nothing to learn and loses nothing. The UNet works on patches, with self-attention at 1/8 and 1/16 of the image.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

PATCH = 4
CONDITION_CHANNELS = 8  # the network has no use for a text condition; diffusers' blocks want one, so it is all zeros
LOG_SNR_SHIFT = -2 * math.log(2)


def build_network(channels: tuple[int, int, int], layers: int, heads: int) -> UNet2DConditionModel:
    """A fresh UNet on patches; `attention_head_dim` is what diffusers calls the number of heads."""
    return UNet2DConditionModel(
        sample_size=64,
        in_channels=3 * PATCH**2,
        out_channels=3 * PATCH**2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=tuple(channels),
        layers_per_block=layers,
        attention_head_dim=heads,
        cross_attention_dim=CONDITION_CHANNELS,
    )


def predict(network, noisy: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
    """v (B, 48, h, w) for noisy patches (B, 48, h, w) at timesteps (B,)."""
    condition = noisy.new_zeros(len(noisy), 1, CONDITION_CHANNELS)
    return network(noisy, timesteps, condition, return_dict=False)[0]


def cosine_alphas(steps: int = 1000, first: float = 0.003, least: float = 1e-5) -> torch.Tensor:
    """Cumulative alphas (steps,), float64: cosine schedule shifted towards noise.

    Nichol & Dhariwal 2021, eq. 17, as the angle of alpha = cos², sigma = sin²; the shift of the log-SNR is that of
    Hoogeboom et al. 2023 (simple diffusion), section 2.1: neighbouring pixels say the same, so noise averages out and a
    picture needs more of it. `first` is the angle at t = 0 (noise of 0.8/255); the last is where alpha meets `least`.
    """
    shift = math.exp(LOG_SNR_SHIFT)
    last = math.atan(math.sqrt(shift * (1 - least) / least))
    angles = torch.linspace(first, last, steps, dtype=torch.float64)
    snr = shift / angles.tan().square()
    return snr / (1 + snr)


def scheduler_config(used_until: float) -> dict:
    """The schedule as diffusers' DDIMScheduler reads it: of the levels trained on, those that the model is used at.

    Inverting divides by √a(t): near pure noise, where a young network is weak, every error of it becomes a drift of
    colour. So it is used down to a cumulative alpha of `used_until` only (SD 1.x ends at 0.005).
    """
    alphas = cosine_alphas()
    alphas = alphas[alphas > used_until]
    betas = 1 - alphas / torch.cat([alphas.new_ones(1), alphas[:-1]])
    return {
        "_class_name": "DDIMScheduler",
        "num_train_timesteps": len(betas),
        "trained_betas": [float(f"{beta:.9g}") for beta in betas.tolist()],
        "prediction_type": "v_prediction",
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 0,
    }


def write_descriptions(network: UNet2DConditionModel, folder: Path, version: str, used_until: float) -> None:
    """All of the package folder but the weights."""
    for part in ("unet", "scheduler", "codec"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    network.save_config(folder / "unet")
    _write_json(folder / "scheduler" / "scheduler_config.json", scheduler_config(used_until))
    _write_json(folder / "codec" / "config.json", {"_class_name": "PatchCodec", "patch_size": PATCH})
    _write_json(folder / "model_index.json", {"_class_name": f"selfrect.{folder.name}", "version": version})


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
