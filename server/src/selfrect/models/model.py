# SPDX-License-Identifier: GPL-3.0-or-later
"""A loaded diffusion model, reduced to what self-rectification needs of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from diffusers import UNet2DConditionModel

from ..problems import Problem
from . import constant_text, packed
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
    in_float32: Callable[[], Model] | None = None  # loads it again; None where there is nothing to load it from

    def become_float32(self) -> None:
        """For good, and in place, so that whoever holds this model is not left with the half precision that failed."""
        if self.dtype == torch.float32 or self.in_float32 is None:
            return
        load, self.unet = self.in_float32, None  # first: two networks at once may not fit
        whole = load()
        for entry in fields(self):
            setattr(self, entry.name, getattr(whole, entry.name))


def ready(unet: UNet2DConditionModel, device: torch.device, condition: Condition, compiled: bool = False) -> UNet2DConditionModel:
    """For work under this one condition, not for training: everything that makes a call faster and changes no result."""
    unet = unet.to(device).eval().requires_grad_(False)
    constant_text.install(unet, condition.embedding.to(device))
    packed.pack(unet)
    unet = unet.to(memory_format=torch.channels_last)  # what is left
    if compiled:
        from . import compiling

        compiling.compile_parts(unet)
    return unet


def family_of(unet: UNet2DConditionModel, own_codec: bool = False) -> str:
    """By what tells the families apart: the second condition, and the width of the text encoder."""
    if own_codec:
        return "mini"
    if unet.config.addition_embed_type == "text_time":
        return "sdxl"
    return {768: "sd1", 1024: "sd2"}.get(unet.config.cross_attention_dim, "other")


def checked_prediction(kind: str) -> str:
    """Raises Problem bad_model for what is neither ε- nor v-prediction."""
    if kind not in ("epsilon", "v_prediction"):
        raise Problem("bad_model", f"The model predicts “{kind}”.", "Use a model with epsilon or v prediction.")
    return kind
