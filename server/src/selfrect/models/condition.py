# SPDX-License-Identifier: GPL-3.0-or-later
"""The constant condition of every network call: the empty prompt, computed once per model and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from .store import cache_folder, identity, keep


@dataclass
class Condition:
    """embedding: (1, tokens, D), for cross-attention. pooled: (1, P), SDXL's second condition, or None."""

    embedding: torch.Tensor
    pooled: torch.Tensor | None = None

    def to(self, device: torch.device, dtype: torch.dtype) -> Condition:
        pooled = self.pooled.to(device, dtype) if self.pooled is not None else None
        return Condition(self.embedding.to(device, dtype), pooled)

    def added(self, height: int, width: int, factor: int) -> dict[str, torch.Tensor] | None:
        """SDXL's added conditions for a latent of height × width: the picture's own size, nothing cropped, as target size too.

        Podell et al., SDXL, arXiv 2307.01952, section 2.2.
        """
        if self.pooled is None:
            return None
        height, width = height * factor, width * factor
        time_ids = torch.tensor([[height, width, 0, 0, height, width]], device=self.pooled.device, dtype=self.pooled.dtype)
        return {"text_embeds": self.pooled, "time_ids": time_ids}


def kept(files: list[Path], compute: Callable[[], Condition]) -> Condition:
    """The condition that `compute` makes from these files; computed the first time, then read from the cache."""
    key = hashlib.sha256("|".join(identity(path) for path in files).encode()).hexdigest()[:32]
    file = cache_folder() / "empty-prompt" / f"{key}.safetensors"
    if file.is_file():
        tensors = load_file(file)
        return Condition(tensors["embedding"], tensors.get("pooled"))
    condition = compute()
    tensors = {"embedding": condition.embedding.contiguous()}
    if condition.pooled is not None:
        tensors["pooled"] = condition.pooled.contiguous()
    keep(file, lambda unfinished: save_file(tensors, unfinished))
    return condition
