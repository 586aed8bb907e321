# SPDX-License-Identifier: GPL-3.0-or-later
"""The plain way, against which ours is measured: nothing is saved, nothing is kept, everything is written down once.

The reference runs along in every batch, at every step of both rounds, whether its keys and values are used or not;
attention makes the whole matrix of scores; everything is float32. This is how the method is usually programmed.
The class knows the network only as `network(batch, t, inject)`: the batch (B, C, h, w) at timestep t, of which the last
picture attends, in the injected layers, to the keys and values of all the others together if `inject`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel

Network = Callable[[torch.Tensor, int, bool], torch.Tensor]


@dataclass
class PlainWay:
    network: Network
    alphas: torch.Tensor
    steps: int = 50
    rounds: tuple[tuple[int, int], ...] = ((20, 20), (5, 5))

    def rectify(self, references: list[torch.Tensor], target: torch.Tensor, again: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """The last round's latent. again: latent → picture → latent between the rounds."""
        R = [self.invert(z) for z in references]
        IR = self.invert(target)
        z = target
        for number, (p, s) in enumerate(self.rounds):
            z = again(z) if number else z
            for i in range(self.steps):
                z = self.up(z, self.run([IR[self.steps - i]], z, self.t(i), i < p), i)
            for i in range(self.steps):
                z = self.down(z, self.run([r[self.steps - i] for r in R], z, self.t(self.steps - 1 - i), i >= s), i)
        return z

    def run(self, others: list[torch.Tensor], z: torch.Tensor, t: int, inject: bool) -> torch.Tensor:
        return self.network(torch.cat([*others, z]), t, inject)[-1:]

    def invert(self, z: torch.Tensor) -> list[torch.Tensor]:
        latents = [z]
        for i in range(self.steps):
            latents.append(self.up(latents[-1], self.network(latents[-1], self.t(i), False), i))
        return latents

    def t(self, i: int) -> int:
        return i * len(self.alphas) // self.steps

    def a(self, t: int) -> float:
        return float(self.alphas[max(t, 0)])

    def up(self, z: torch.Tensor, eps: torch.Tensor, i: int) -> torch.Tensor:
        return _move(z, eps, self.a(self.t(i - 1)), self.a(self.t(i)))

    def down(self, z: torch.Tensor, eps: torch.Tensor, i: int) -> torch.Tensor:
        j = self.steps - 1 - i
        return _move(z, eps, self.a(self.t(j)), self.a(self.t(j - 1)))


def _move(z: torch.Tensor, eps: torch.Tensor, a_from: float, a_to: float) -> torch.Tensor:
    x0 = (z - (1 - a_from) ** 0.5 * eps) / a_from**0.5
    return a_to**0.5 * x0 + (1 - a_to) ** 0.5 * eps


class Materialised:
    """An attention processor of diffusers that makes the whole matrix of scores, as AttnProcessor does."""

    def __init__(self, injected: bool):
        self.injected = injected

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None, inject=False):
        text = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = attn.to_q(hidden_states), attn.to_k(text), attn.to_v(text)
        if inject and self.injected:
            own = self._attend(attn, query[:-1], key[:-1], value[:-1])
            joined = (x[:-1].flatten(0, 1)[None] for x in (key, value))
            out = torch.cat([own, self._attend(attn, query[-1:], *joined)])
        else:
            out = self._attend(attn, query, key, value)
        return attn.to_out[1](attn.to_out[0](out))

    def _attend(self, attn, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        query, key, value = (attn.head_to_batch_dim(x) for x in (query, key, value))
        return attn.batch_to_head_dim(attn.get_attention_scores(query, key) @ value)


def network_of(unet: UNet2DConditionModel, text: torch.Tensor, alphas: torch.Tensor, prediction: str, levels: int = 2) -> Network:
    """A diffusers UNet as the plain way's network; text: (1, L, D)."""
    up = sorted({int(name.split(".")[1]) for name in unet.attn_processors if name.startswith("up_blocks.")})[-levels:]
    places = tuple(f"up_blocks.{level}." for level in up)
    unet.set_attn_processor({n: Materialised(n.startswith(places) and ".attn1." in n) for n in unet.attn_processors})

    def network(batch: torch.Tensor, t: int, inject: bool) -> torch.Tensor:
        words = text.expand(len(batch), -1, -1)
        out = unet(batch, t, encoder_hidden_states=words, cross_attention_kwargs={"inject": inject}).sample
        if prediction == "v_prediction":
            a = float(alphas[t])
            out = a**0.5 * out + (1 - a) ** 0.5 * batch
        return out

    return network
