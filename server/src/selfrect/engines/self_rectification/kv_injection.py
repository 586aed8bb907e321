# SPDX-License-Identifier: GPL-3.0-or-later
"""K/V injection: the running image's queries attend to another image's keys and values (paper, section 3.2).

An attention processor of diffusers does the work in each layer. It keeps no state and counts nothing: which keys and
values a network call leaves or takes is handed to that call itself, through `cross_attention_kwargs={"kv": …}`, and
inside it they are found by the layer's name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention

from ...models.attention import Bias, attention
from ...problems import Problem
from .attending import Watch
from .balance import Balance
from .layers import places_shown
from .windows import Box


class KeyValues:
    """Keys and values of some layers by name, as the states (B, tokens, C) that a layer makes both from.

    That is half of what they take themselves, in memory and on disk, for a hundredth of a call: two matrix products a layer. Several
    images lie one after the other in tokens.
    """

    def __init__(self, layers: dict[str, torch.Tensor] | None = None):
        self.layers = layers if layers is not None else {}

    @classmethod
    def joined(cls, parts: list[KeyValues]) -> KeyValues:
        """All together, concatenated along tokens: one softmax then runs over all of them."""
        if len(parts) == 1:
            return parts[0]
        return cls({name: torch.cat([part.layers[name] for part in parts], 1) for name in parts[0].layers})

    def tokens(self) -> dict[str, int]:
        """How many there are in each layer."""
        return {name: states.shape[1] for name, states in self.layers.items()}

    def only(self, shown: torch.Tensor | None) -> KeyValues:
        """Of one picture those of the places (h, w) that are shown, latent pixels; None: all. In coarse layers whole places count."""
        if shown is None:
            return self
        at = {tokens: places_shown(shown, tokens) for tokens in set(self.tokens().values())}
        return KeyValues({name: states[:, at[states.shape[1]]] for name, states in self.layers.items()})

    def of_each(self) -> list[KeyValues]:
        """Of each picture of the batch its own."""
        count = len(next(iter(self.layers.values())))
        return [KeyValues({name: states[b : b + 1] for name, states in self.layers.items()}) for b in range(count)]

    def moved(self, move: Callable[[torch.Tensor], torch.Tensor]) -> KeyValues:
        """The same, somewhere else."""
        return KeyValues({name: move(states) for name, states in self.layers.items()})


@dataclass(frozen=True)
class Offered:
    """What a running image attends to: keys and values, how much of each image they count, and who watches.

    tokens: of each image by layer, in the order they are joined in.
    """

    key_values: KeyValues
    tokens: list[dict[str, int]]
    balance: Balance | None = None
    watch: Watch | None = None

    @classmethod
    def joined(cls, parts: list[KeyValues], balance: Balance | None = None, watch: Watch | None = None) -> Offered:
        return cls(KeyValues.joined(parts), [part.tokens() for part in parts], balance, watch)

    def within(self, box: Box) -> Offered:
        """To a running image that is one window of the whole."""
        return replace(self, balance=self.balance and self.balance.within(box), watch=self.watch and self.watch.within(box))

    def bias(self, layer: str, queries: int) -> Bias | None:
        return self.balance and self.balance.bias(queries, [tokens[layer] for tokens in self.tokens])


class Enough(Exception):
    """Raised inside a call that is made for its keys and values alone, once it has left the last of them."""


class Record:
    """For a call that leaves its keys and values: `into` holds them afterwards. stop_after: layers after which the call ends."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.into, self.stop_after = KeyValues(), stop_after

    def exchange(self, attn: Attention, layer: str, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.into.layers[layer] = x
        if len(self.into.layers) == self.stop_after:
            raise Enough
        return attn.to_k(x), attn.to_v(x)

    def attend(self, layer: str, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
        return attention(query, key, value, scale)


class Inject:
    """For a call that attends to other keys and values than its own, which are not even computed."""

    def __init__(self, source: Offered):
        self.source = source

    def exchange(self, attn: Attention, layer: str, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        states = self.source.key_values.layers[layer]
        return attn.to_k(states), attn.to_v(states)

    def attend(self, layer: str, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
        bias = self.source.bias(layer, query.shape[2])
        if self.source.watch is not None:
            self.source.watch.see(layer, query, key, scale, bias)
        return attention(query, key, value, scale, bias)


class KVProcessor:
    """Self-attention as diffusers' AttnProcessor2_0 does it; in a layer that has a name, keys and values may be exchanged."""

    def __init__(self, layer: str | None):
        self.layer = layer

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,  # (B, tokens, C)
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
        kv: Record | Inject | None = None,
    ) -> torch.Tensor:
        if kv is not None and self.layer is not None:
            key, value = kv.exchange(attn, self.layer, hidden_states)
            query = attn.to_q(hidden_states)
        else:
            query, key, value = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
            kv = None
        query, key, value = (_split_heads(x, attn.heads) for x in (query, key, value))
        out = attention(query, key, value, attn.scale) if kv is None else kv.attend(self.layer, query, key, value, attn.scale)
        out = out.transpose(1, 2).flatten(2)
        out = attn.to_out[1](attn.to_out[0](out))
        return out if attn.rescale_output_factor == 1 else out / attn.rescale_output_factor


def install(unet: UNet2DConditionModel, last_up_levels: int) -> list[str]:
    """Give every self-attention a KVProcessor; return the names of the layers that exchange keys and values.

    These are the self-attention layers of the last `last_up_levels` up levels that have any: for SD 1.x and 2 levels
    the layers 10 … 15 of its 16 (the up path at 1/2 and full latent resolution), found by place, not by count.
    """
    processors = dict(unet.attn_processors)
    blocks = [name.removesuffix(".processor") for name in processors if name.endswith(".attn1.processor")]
    in_up_path = [n for n in blocks if n.startswith("up_blocks.")]
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
