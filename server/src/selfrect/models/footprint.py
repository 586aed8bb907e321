# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network call, its keys and values, and a codec call take in memory, by the model's own shape. Bytes throughout."""

from __future__ import annotations

import torch

from .model import Model

WORKING = 18  # of a transformer block at one level, in tensors of its own size: GEGLU's 8 + 4, the residual, norms, q, k, v
WORKING_CODEC = 4  # of a residual block in the codec, likewise: input, norm, convolution and its workspace
HALO = 8  # pixels around a tile of the codec
MARGIN = 1.25  # the allocator's rounding and what lies between the peaks


class Footprint:
    """network_weights, codec_weights: what leaves the device when they are offloaded."""

    def __init__(self, model: Model, last_up_levels: int):
        self.model, self.bytes = model, torch.finfo(model.dtype).bits // 8
        self.channels = list(model.unet.config.block_out_channels)
        self.layers = model.unet.config.layers_per_block
        self.network_weights = _weights(model.unet)
        self.codec_weights = _weights(getattr(model.codec, "vae", None))
        self.injected = _injected_levels(model.unet.config.up_block_types, last_up_levels)

    def network_call(self, size: tuple[int, int], batch: int, slices: bool) -> int:
        """Activations of one call on latents (batch, C, h, w): all the skip connections and the widest block at work."""
        tokens = [_tokens(size, level) for level in range(len(self.channels))]
        layers = self.layers if isinstance(self.layers, int) else max(self.layers)
        skips = sum((layers + 1) * c * n for c, n in zip(self.channels, tokens, strict=True))
        working = WORKING * max(c * n for c, n in zip(self.channels, tokens, strict=True))
        return int((skips + working) * self.bytes * batch * MARGIN) + self._scores(tokens, slices)

    def key_values(self, size: tuple[int, int]) -> int:
        """Keys and values of one reference at one step, all injected layers, as the states that they are made from."""
        layers = (self.layers if isinstance(self.layers, int) else max(self.layers)) + 1
        return sum(layers * self.channels[level] * _tokens(size, level) for level in self.injected) * self.bytes

    def joined_attention(self, size: tuple[int, int], references: list[tuple[int, int]]) -> int:
        """Of all references in one layer: states, keys and values made from them, and these once more, laid by heads for the kernel."""
        if not self.injected:
            return 0
        level = min(self.injected)
        return int(5 * self.channels[level] * sum(_tokens(r, level) for r in references) * self.bytes * MARGIN)

    def codec_call(self, size: tuple[int, int], tile: int | None) -> int:
        """Decoding a latent (h, w), or encoding the picture of it; float32."""
        factor, (height, width) = self.model.codec.factor, size
        pictures = 6 * 3 * height * width * factor**2 * 4
        vae = getattr(self.model.codec, "vae", None)
        if vae is None:
            return pictures
        widths, pixels = vae.config.block_out_channels, height * width * factor**2
        wide = widths[min(1, len(widths) - 1)]  # a decoder's last level begins as wide as the level below it
        if tile is None or max(height, width) * factor <= tile:
            return pictures + int(pixels * 4 * WORKING_CODEC * wide * MARGIN)
        # In tiles: a level's input and output in RAM, the lowest level in one piece, and one tile with its margin.
        levels = 0 if self.model.device.type == "cuda" else pixels * wide * 4 // 2
        lowest = int(height * width * widths[-1] * 4 * WORKING_CODEC * MARGIN)
        return pictures + levels + max(lowest, int((tile + 2 * HALO) ** 2 * 4 * WORKING_CODEC * wide * MARGIN))

    def _scores(self, tokens: list[int], slices: bool) -> int:
        """Only where no fused kernel exists are scores materialised."""
        if self.model.device.type != "mps":
            return 0
        from ..memory import SLICE_BYTES

        most = 8 * max(tokens) ** 2 * 4
        return min(most, SLICE_BYTES) if slices else most


def _injected_levels(up_block_types: tuple[str, ...], last: int) -> list[int]:
    """The levels of resolution (0: full) that keys and values are injected at: the last up levels with attention."""
    with_attention = [i for i, kind in enumerate(up_block_types) if "CrossAttn" in kind][-last:]
    return [len(up_block_types) - 1 - i for i in with_attention]


def _tokens(size: tuple[int, int], level: int) -> int:
    return -(-size[0] // 2**level) * -(-size[1] // 2**level)


def _weights(part: torch.nn.Module | None) -> int:
    return sum(p.numel() * p.element_size() for p in part.parameters()) if part is not None else 0
