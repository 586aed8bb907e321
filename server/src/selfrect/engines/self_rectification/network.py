# SPDX-License-Identifier: GPL-3.0-or-later
"""ε(z, t): one counted, reported call of the model's UNet under its constant condition."""

from __future__ import annotations

import contextlib
import time

import torch

from ...models.model import Model
from ...models.wrapping import wrapping_of
from ...progress import Progress
from .ddim import Schedule, eps_from_v
from .kv_injection import Enough, Inject, KeyValues, Offered, Record, install

Axes = tuple[bool, bool]
NOWHERE: Axes = (False, False)


class Network:
    """The UNet of a model as the method sees it: noise in, no text, no guidance, keys and values exchanged on demand."""

    def __init__(self, model: Model, steps: int, last_up_levels: int, progress: Progress):
        self.model = model
        self.schedule = Schedule(model.alphas_cumprod, steps)
        self.progress = progress
        self.plain_calls: list[tuple[int, float]] = []  # (latent pixels, seconds) of calls without exchange
        self.layers = len(install(model.unet, last_up_levels))

    def eps(self, z: torch.Tensor, i: int, inject: Offered | None = None, around: Axes = NOWHERE) -> torch.Tensor:
        """ε for the latents z (B, C, h, w), float32, at timestep t_i; with `inject`, attending to what it offers.

        around: (x, y), along which convolutions go around the edges: of a target that tiles, never of a reference.
        """
        return self._call(z, i, Inject(inject) if inject is not None else None, around)

    def eps_and_key_values(self, z: torch.Tensor, i: int, around: Axes = NOWHERE) -> tuple[torch.Tensor, KeyValues]:
        """As eps, and the keys and values that the call left in the injected layers."""
        record = Record()
        return self._call(z, i, record, around), record.into

    def key_values(self, z: torch.Tensor, i: int, around: Axes = NOWHERE) -> KeyValues:
        """The keys and values alone: the call ends at the last injected layer."""
        record = Record(stop_after=self.layers)
        self._call(z, i, record, around)
        return record.into

    def _call(self, z: torch.Tensor, i: int, kv: Record | Inject | None, around: Axes) -> torch.Tensor | None:
        """None where the call ended early."""
        model, t, started, out = self.model, self.schedule.timestep(i), time.perf_counter(), None
        with contextlib.suppress(Enough), wrapping_of(model.unet).along(*around) if any(around) else contextlib.nullcontext():
            out = model.unet(
                z.to(model.dtype),
                t,
                encoder_hidden_states=model.condition.embedding.expand(len(z), -1, -1),
                added_cond_kwargs=self._added(z),
                cross_attention_kwargs={"kv": kv} if kv is not None else None,
            ).sample.float()
        if kv is None and len(z) == 1:
            self.plain_calls.append((z.shape[-2] * z.shape[-1], time.perf_counter() - started))
        self.progress.call(len(z))
        if out is None:
            return None
        # The v-prediction belongs to the timestep that the network was told, whatever the level of z is.
        return eps_from_v(out, z, self.schedule.a(t)) if model.prediction_type == "v_prediction" else out

    def _added(self, z: torch.Tensor) -> dict[str, torch.Tensor] | None:
        added = self.model.condition.added(z.shape[-2], z.shape[-1], self.model.codec.factor)
        return added and {name: x.expand(len(z), -1) for name, x in added.items()}
