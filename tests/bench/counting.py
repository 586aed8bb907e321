# SPDX-License-Identifier: GPL-3.0-or-later
"""How many network calls of which kind a run makes: counted on the real engine, whose network and codec are replaced by nothing.

Kinds: “plain”; “inject N”, attending to N references' keys and values; “keys”, made for its keys and values alone.
"""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import selfrect
import subjects
import torch
import torch.nn.functional as F
from plain_way import PlainWay
from selfrect import kept

_NOTHING = SimpleNamespace(to_k=lambda x: x, to_v=lambda x: x)


class NoCodec:
    """Pictures scaled down to the latent's size; counts its pixels."""

    def __init__(self, factor: int, channels: int, device: torch.device):
        self.factor, self.channels, self.device = factor, channels, device
        self.count: Counter[str] = Counter()

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        self.count["encode"] += x.shape[2] * x.shape[3]
        small = F.avg_pool2d(x, self.factor)
        return small.repeat(1, -(-self.channels // 3), 1, 1)[:, : self.channels]

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        self.count["decode"] += z.shape[2] * z.shape[3] * self.factor**2
        return F.interpolate(z[:, :3], scale_factor=self.factor)

    def preview(self, z: torch.Tensor) -> torch.Tensor:
        return z[:, :3]

    def tiled(self, tile: int):
        return torch.inference_mode()

    def along(self, x: bool, y: bool):
        return torch.inference_mode()


def ours(model: selfrect.Model, references: list[np.ndarray], targets: list[np.ndarray], **settings) -> list[Counter[str]]:
    """What each of the runs makes, one target after the other with the same references; the store begins empty.

    model: any; it cannot be used afterwards.
    """
    count: Counter[str] = Counter()
    names: list[str] = [name.removesuffix(".processor") for name in model.unet.attn_processors if ".attn1." in name]

    def forward(sample, t, encoder_hidden_states=None, added_cond_kwargs=None, cross_attention_kwargs=None, **_):
        kv = (cross_attention_kwargs or {}).get("kv")
        if kv is None or getattr(kv, "stop_after", 0) is None:
            kind = "plain"
        elif hasattr(kv, "source"):
            kind = f"inject {next(iter(kv.source.key_values.tokens().values()))}"
        else:
            kind = "keys"
        count[kind] += len(sample)
        if kv is not None and not hasattr(kv, "source"):
            injected = [name for name in names if getattr(model.unet.get_submodule(name).processor, "layer", None)]
            for name in injected:
                kv.exchange(_NOTHING, name, torch.zeros(len(sample), 1, 1))
        return SimpleNamespace(sample=torch.zeros_like(sample))

    model.unet.forward = forward
    model.codec = NoCodec(model.codec.factor, model.unet.config.in_channels, model.device)
    kept.use(memory=2**40, disk=0)
    found = []
    for target in targets:
        count.clear()
        model.codec.count.clear()
        result = selfrect.rectify(model, references, target, subjects.ALONE | settings)
        assert result.record["network_calls"] == sum(count.values()), (result.record["network_calls"], count)
        found.append(count | model.codec.count)
    return found


def plain(references: int, steps: int = 50) -> Counter[str]:
    """“single”, and “batch B” or “batch B inject” by the number of pictures in it; the pictures in all are `evals`."""
    count: Counter[str] = Counter()

    def network(batch: torch.Tensor, t: int, inject: bool) -> torch.Tensor:
        count[f"batch {len(batch)}" + (" inject" if inject else "")] += 1
        return torch.zeros_like(batch)

    z = torch.zeros(1, 1, 1, 1)
    PlainWay(network, torch.linspace(0.999, 0.01, 1000), steps).rectify([z] * references, z, lambda z: z)
    return count


def evals(count: Counter[str]) -> int:
    """Single-picture network calls of a count of either way."""
    return sum(n * int(kind.split()[1]) if kind.startswith("batch") else n for kind, n in count.items() if kind not in ("encode", "decode"))
