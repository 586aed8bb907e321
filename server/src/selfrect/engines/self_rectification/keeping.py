# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a run is kept for later ones, and by which key: everything that its numbers depend on."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ...kept import budgets, store
from ...kept.keys import hash_of, key_of
from ...memory import Rung
from ...models.model import Model
from ...models.offload import PinnedMover
from .kv_injection import KeyValues
from .plan import Item
from .settings import Settings

_fingerprints: weakref.WeakKeyDictionary[torch.nn.Module, str] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class OnDisk:
    """Keys and values of so many layers that wait on disk."""

    key: str
    layers: int


class Lost(Exception):
    """What waited on disk is gone or damaged: another process needed the room, somebody cleared the folder."""


class Keeping:
    """The keys of one run. A stage's key holds the keys of all that went into it, so that equal keys mean equal numbers.

    on_disk: keys and values wait there, not in memory.
    """

    def __init__(self, model: Model, settings: Settings, rung: Rung, on_disk: bool = False):
        self.store, self._on_disk = store(), on_disk
        self._settings, self._device = settings, model.device
        self._mover = PinnedMover(model.device) if model.device.type == "cuda" else None
        self._in_ram = rung.kv == "ram" and self._mover is not None
        self._model = key_of(
            model.hash, fingerprint(model), str(model.dtype), model.device.type, model.prediction_type, settings.steps
        )

    def image(self, pixels: torch.Tensor, window: tuple[int, int] | None, wrap: tuple[bool, bool] = (False, False)) -> str:
        """Of the plain inversion of a picture (1, 3, H, W), in windows of that size or in one piece. wrap: (x, y), whether it tiles."""
        return key_of("inversion", self._model, hash_of(pixels.numpy()), window, *([wrap] if any(wrap) else []))

    def item(self, image: str, item: Item) -> str:
        """Of keys and values."""
        return key_of("key values", image, item, self._settings.last_up_levels)

    def inverted(self, before: str, target: str, p: int) -> str:
        """Of the noisy latent that a structure-preserving inversion of `before` (the target, or a round's latent) leaves."""
        return key_of("inverted", before, target, p, self._settings.injection, self._settings.last_up_levels)

    def sampled(self, inverted: str, references: list[str], s: int, growth: Any, *more: Any) -> str:
        """Of the latent that a fine sampling leaves. growth: what the growing background depends on. more: what else there is."""
        return key_of("sampled", inverted, references, s, self._settings.injection, self._settings.last_up_levels, growth, *more)

    def has_latent(self, key: str) -> bool:
        return "z" in (self.store.get(key) or {})

    def latent(self, key: str, device: torch.device) -> torch.Tensor:
        return self.store.get(key)["z"].to(device)

    def keep_latent(self, key: str, z: torch.Tensor) -> None:
        if _is_sound(z):
            self.store.put(key, {"z": z})

    def latents(self, image: str, shape: tuple[int, ...]) -> dict[int, torch.Tensor]:
        """Those of an image by n; none where they are not of that shape (the file is not ours, or of another release)."""
        tensors = self.store.get(image) or {}
        sound = all(name.isdecimal() and z.shape == shape and z.dtype == torch.float32 for name, z in tensors.items())
        return {int(name): z for name, z in tensors.items()} if sound else {}

    def keep_latents(self, image: str, latents: dict[int, torch.Tensor]) -> None:
        if latents and all(_is_sound(z) for z in latents.values()):
            self.store.put(image, {str(n): z for n, z in latents.items()})

    def key_values(self, image: str, item: Item, layers: int) -> KeyValues | OnDisk | None:
        """As they lie, on the device, in RAM or on disk."""
        key = self.item(image, item)
        if self._on_disk and self.store.disk.has(key):
            return OnDisk(key, layers)
        tensors = self.store.get(key)
        return KeyValues(tensors) if tensors and len(tensors) == layers else None

    def keep_key_values(self, image: str, item: Item, key_values: KeyValues) -> KeyValues | OnDisk:
        """The same, where they wait until they are wanted again."""
        key = self.item(image, item)
        if self._on_disk and self.store.put_away(key, key_values.layers):
            return OnDisk(key, len(key_values.layers))
        waiting = key_values.moved(self._mover.to_ram) if self._in_ram else key_values
        self.store.put(key, waiting.layers, disk=budgets.key_values_on_disk())
        return waiting

    def bring(self, key_values: KeyValues | OnDisk) -> Callable[[], KeyValues]:
        """Begin to bring waiting keys and values to the device; what comes back waits for them. Raises Lost."""
        if isinstance(key_values, OnDisk):
            return lambda: self._read(key_values)
        if self._mover is None:
            return lambda: key_values.moved(lambda x: x.to(self._device))
        coming = self._mover.prefetch(list(key_values.layers.values()))
        return lambda: KeyValues(dict(zip(key_values.layers, coming.get(), strict=True)))

    def _read(self, waiting: OnDisk) -> KeyValues:
        tensors = self.store.disk.read(waiting.key)
        if not tensors or len(tensors) != waiting.layers:
            raise Lost(waiting.key)
        return KeyValues(tensors)


def fingerprint(model: Model) -> str:
    """Of what a model's hash does not cover: codec, condition, noise schedule and configuration. Computed once per model."""
    if model.unet not in _fingerprints:
        codec = getattr(model.codec, "vae", None)
        weights = [_sums(x) for x in codec.parameters()] if codec is not None else []
        _fingerprints[model.unet] = key_of(
            {name: str(value) for name, value in model.unet.config.items()},
            type(model.codec).__name__,
            model.codec.factor,
            weights,
            _sums(model.condition.embedding),
            hash_of(np.asarray(model.alphas_cumprod, np.float64)),
        )
    return _fingerprints[model.unet]


def _is_sound(z: torch.Tensor) -> bool:
    return bool(torch.isfinite(z).all())


def _sums(x: torch.Tensor) -> list[float]:
    """Enough to tell one set of weights from another."""
    x = x.detach().float()
    return [float(x.sum()), float(x.abs().sum())]
