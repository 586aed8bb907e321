# SPDX-License-Identifier: GPL-3.0-or-later
"""For GPUs with little memory: network and codec by turns on the device; K/V kept in RAM, copied back while the device computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .model import Model


@contextmanager
def by_turns(model: Model) -> Iterator[None]:
    """Within: whichever of network and codec is called comes to the device, and the other one leaves it. Nobody else need know."""
    codec = getattr(model.codec, "vae", None)
    if codec is None or model.device.type == "cpu":
        yield
        return
    parts = {"network": model.unet, "codec": codec}

    def bring(name: str) -> None:
        for other, part in parts.items():
            if other != name and next(part.parameters()).device.type != "cpu":
                part.to("cpu")
        if next(parts[name].parameters()).device != model.device:
            parts[name].to(model.device)

    hooks = [model.unet.register_forward_pre_hook(lambda *_: bring("network"))]
    hooks += [child.register_forward_pre_hook(lambda *_: bring("codec")) for child in _entrances(codec)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for part in parts.values():
            part.to(model.device)


def _entrances(codec: torch.nn.Module) -> list[torch.nn.Module]:
    """What encoding and decoding call first, in one piece or in tiles."""
    return [part for part in (codec.encoder.conv_in, codec.post_quant_conv, codec.decoder.conv_in) if part is not None]


class PinnedMover:
    """Tensors to RAM and back; on CUDA through page-locked memory and a stream of their own, so that the copy hides behind compute."""

    def __init__(self, device: torch.device):
        self.device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def to_ram(self, tensor: torch.Tensor) -> torch.Tensor:
        if self._stream is None:
            return tensor.to("cpu")
        ram = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        self._stream.wait_stream(torch.cuda.current_stream(self.device))  # what made the tensor must have ended
        with torch.cuda.stream(self._stream):
            ram.copy_(tensor, non_blocking=True)
        tensor.record_stream(self._stream)
        return ram

    def prefetch(self, tensors: list[torch.Tensor]) -> Coming:
        """Begin to bring tensors to the device; `get` of what comes back waits, on the device, until they are there."""
        if self._stream is None:
            return Coming([tensor.to(self.device) for tensor in tensors], None)
        with torch.cuda.stream(self._stream):
            return Coming([tensor.to(self.device, non_blocking=True) for tensor in tensors], self._stream)


class Coming:
    def __init__(self, tensors: list[torch.Tensor], stream: torch.cuda.Stream | None):
        self._tensors, self._stream = tensors, stream

    def get(self) -> list[torch.Tensor]:
        if self._stream is not None:
            current = torch.cuda.current_stream()
            current.wait_stream(self._stream)
            for tensor in self._tensors:
                tensor.record_stream(current)
        return self._tensors
