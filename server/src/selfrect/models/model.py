# SPDX-License-Identifier: GPL-3.0-or-later
"""A loaded diffusion model, reduced to what self-rectification needs of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel

from .codec import Codec
from .condition import Condition


@dataclass
class Model:
    """name: as asked for; family: "mini", "sd1", "sd2", "sdxl" or "other"; hash: SHA-256 of the network's weights.

    alphas_cumprod: a(t) for every training step, float64, on the CPU. prediction_type: "epsilon" or "v_prediction".
    dtype: of the network; the codec and all arithmetic between the calls are float32.
    """

    name: str
    family: str
    hash: str
    unet: UNet2DConditionModel
    codec: Codec
    condition: Condition
    alphas_cumprod: torch.Tensor
    prediction_type: str
    device: torch.device
    dtype: torch.dtype
