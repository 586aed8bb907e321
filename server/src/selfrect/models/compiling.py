# SPDX-License-Identifier: GPL-3.0-or-later
"""torch.compile for the parts of a network that are the same at every call. An option: it needs a C++ compiler and takes minutes.

What it makes lies in our cache folder and is used again by the next start. Attention is left alone: its keys and values are
exchanged from outside, and its kernels are compiled already.
"""

from __future__ import annotations

import os

import torch
from diffusers.models.attention import FeedForward
from diffusers.models.resnet import ResnetBlock2D

from .cache import cache_folder

PARTS = (ResnetBlock2D, FeedForward)


def compile_parts(unet: torch.nn.Module) -> None:
    """Mark the parts, in place; each is compiled when it is first called with a new shape."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / "compiled"))  # read when inductor is imported
    os.environ.setdefault("TORCHINDUCTOR_FX_GRAPH_CACHE", "1")
    torch._dynamo.config.cache_size_limit = max(torch._dynamo.config.cache_size_limit, 64)  # blocks of one class, many shapes
    for module in unet.modules():
        if isinstance(module, PARTS):
            module.compile(dynamic=False)
