# SPDX-License-Identifier: GPL-3.0-or-later
"""K/V injection: the running image's queries attend to another image's keys and values (paper, section 3.2).

An attention processor of diffusers does the work in each layer. It keeps no state and counts nothing: which keys and
values a network call leaves or takes is handed to that call itself, through `cross_attention_kwargs={"kv": …}`, and
inside it they are found by the layer's name.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention

from ...problems import Problem


class KeyValues:
    """Keys and values of some layers by name, each (1, tokens, channels); several images lie one after the other in tokens."""

    def __init__(self, layers: dict[str, tuple[torch.Tensor, torch.Tensor]] | None = None):
        self.layers = layers if layers is not None else {}

    def joined(self, other: KeyValues) -> KeyValues:
        """Both together, concatenated along tokens: one softmax then runs over all of them."""
        if not self.layers:
            return other
        pairs = ((name, self.layers[name], other.layers[name]) for name in self.layers)
        return KeyValues({name: (torch.cat([k, k2], 1), torch.cat([v, v2], 1)) for name, (k, v), (k2, v2) in pairs})


class Record:
    """For a call that leaves its keys and values: `into` holds them afterwards."""

    def __init__(self) -> None:
        self.into = KeyValues()

    def exchange(self, layer: str, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.into.layers[layer] = (key, value)
        return key, value


class Inject:
    """For a call that attends to other keys and values than its own."""

    def __init__(self, source: KeyValues):
        self.source = source

    def exchange(self, layer: str, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        key, value = self.source.layers[layer]
        return key, value


class KVProcessor:
    """Attention as diffusers' AttnProcessor2_0 does it; in a layer that has a name, keys and values may be exchanged."""

    def __init__(self, layer: str | None):
        self.layer = layer

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,  # (B, tokens, C)
        encoder_hidden_states: torch.Tensor | None = None,  # (B, L, D) in cross-attention
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
        kv: Record | Inject | None = None,
    ) -> torch.Tensor:
        source = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = attn.to_q(hidden_states), attn.to_k(source), attn.to_v(source)
        if kv is not None and self.layer is not None:
            key, value = kv.exchange(self.layer, key, value)
        query, key, value = (_split_heads(x, attn.heads) for x in (query, key, value))
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=attention_mask, scale=attn.scale)
        out = out.transpose(1, 2).flatten(2)
        return attn.to_out[1](attn.to_out[0](out)) / attn.rescale_output_factor


def install(unet: UNet2DConditionModel, last_up_levels: int) -> list[str]:
    """Give every transformer block's attention a KVProcessor; return the names of the layers that exchange keys and values.

    These are the self-attention layers of the last `last_up_levels` up levels that have any: for SD 1.x and 2 levels
    the layers 10 … 15 of its 16 (the up path at 1/2 and full latent resolution), found by place, not by count.
    """
    processors = dict(unet.attn_processors)
    blocks = [name.removesuffix(".processor") for name in processors if name.endswith((".attn1.processor", ".attn2.processor"))]
    in_up_path = [n for n in blocks if n.startswith("up_blocks.") and n.endswith(".attn1")]
    if not in_up_path:
        raise Problem(
            "bad_model",
            "The network has no self-attention in its up path, where self-rectification injects keys and values.",
            "Choose a UNet of the Stable Diffusion 1.x, 2.x or XL family, or the embedded model “mini”.",
        )
    levels = sorted({int(n.split(".")[1]) for n in in_up_path})[-last_up_levels:]
    injected = [n for n in in_up_path if int(n.split(".")[1]) in levels]
    unet.set_attn_processor(processors | {f"{n}.processor": KVProcessor(n if n in injected else None) for n in blocks})
    return injected


def _split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """(B, tokens, C) → (B, heads, tokens, C / heads)."""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)
