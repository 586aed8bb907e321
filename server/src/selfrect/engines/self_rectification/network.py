# SPDX-License-Identifier: GPL-3.0-or-later
"""ε(z, t): one counted, reported call of the model's UNet under its constant condition."""

from __future__ import annotations

import torch

from ...models.model import Model
from ...progress import Progress
from .ddim import Schedule, eps_from_v
from .kv_injection import Inject, KeyValues, Record, install


class Network:
    """The UNet of a model as the method sees it: noise in, no text, no guidance, keys and values exchanged on demand."""

    def __init__(self, model: Model, steps: int, last_up_levels: int, progress: Progress):
        self.model = model
        self.schedule = Schedule(model.alphas_cumprod, steps)
        self.progress = progress
        install(model.unet, last_up_levels)

    def eps(self, z: torch.Tensor, i: int, inject: KeyValues | None = None) -> torch.Tensor:
        """ε for the latent z (1, C, h, w), float32, at timestep t_i; with `inject`, attending to those keys and values."""
        return self._call(z, i, Inject(inject) if inject is not None else None)

    def eps_and_key_values(self, z: torch.Tensor, i: int) -> tuple[torch.Tensor, KeyValues]:
        """As eps, and the keys and values that the call left in the injected layers."""
        record = Record()
        return self._call(z, i, record), record.into

    def _call(self, z: torch.Tensor, i: int, kv: Record | Inject | None) -> torch.Tensor:
        model, t = self.model, self.schedule.timestep(i)
        out = model.unet(
            z.to(model.dtype),
            t,
            encoder_hidden_states=model.condition.embedding,
            added_cond_kwargs=model.condition.added(z.shape[-2], z.shape[-1], model.codec.factor),
            cross_attention_kwargs={"kv": kv} if kv is not None else None,
        ).sample.float()
        self.progress.call()
        # The v-prediction belongs to the timestep that the network was told, whatever the level of z is.
        return eps_from_v(out, z, self.schedule.a(t)) if model.prediction_type == "v_prediction" else out
