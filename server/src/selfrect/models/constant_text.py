# SPDX-License-Identifier: GPL-3.0-or-later
"""Cross-attention to a text that never changes: its keys and values are computed once for a model, not at every call.

One token needs no attention at all: a softmax over one key is 1, so what the layer adds is the same at every place.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention

from .attention import attention

LAYER = ".attn2.processor"


class ConstantText(torch.nn.Module):
    """An attention processor of diffusers; its tensors move with the network. text: (1, L, D) in the layer's type."""

    def __init__(self, attn: Attention, text: torch.Tensor):
        super().__init__()
        text = attn.norm_encoder_hidden_states(text) if attn.norm_cross else text
        key, value = attn.to_k(text), attn.to_v(text)
        added = _out(attn, value) if text.shape[1] == 1 else None
        for name, tensor in (("key", key), ("value", value), ("added", added)):
            self.register_buffer(name, tensor, persistent=False)

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,  # (B, tokens, C)
        encoder_hidden_states: torch.Tensor | None = None,  # the text again; already known
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
        kv: Any = None,  # exchanged in self-attention only
    ) -> torch.Tensor:
        if self.added is not None:
            return self.added.expand_as(hidden_states)
        batch = len(hidden_states)
        query, key, value = (
            x.expand(batch, -1, -1).unflatten(2, (attn.heads, -1)).transpose(1, 2)
            for x in (attn.to_q(hidden_states), self.key, self.value)
        )
        return _out(attn, attention(query, key, value, attn.scale).transpose(1, 2).flatten(2))


@torch.no_grad()
def install(unet: UNet2DConditionModel, text: torch.Tensor) -> None:
    """Let every cross-attention of the network know the one text that it will ever be given: (1, L, D)."""
    layers = {name: unet.get_submodule(name.removesuffix(".processor")) for name in unet.attn_processors if name.endswith(LAYER)}
    if unet.config.encoder_hid_dim is not None:
        return  # the text goes through layers of its own first
    known = {name: ConstantText(attn, text.to(unet.dtype)) for name, attn in layers.items() if _is_plain(attn)}
    unet.set_attn_processor({**unet.attn_processors, **known})


def _is_plain(attn: Attention) -> bool:
    """As in Stable Diffusion; whatever has more to it keeps its own processor."""
    return attn.is_cross_attention and attn.group_norm is None and attn.spatial_norm is None and attn.norm_q is None


def _out(attn: Attention, x: torch.Tensor) -> torch.Tensor:
    x = attn.to_out[1](attn.to_out[0](x))
    return x if attn.rescale_output_factor == 1 else x / attn.rescale_output_factor
