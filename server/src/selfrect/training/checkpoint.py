# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a run in one safetensors file: weights, their average, AdamW's moments, and the counters as metadata.

One file, replaced in one rename: whenever the process ends, what is on disk is a whole state.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

MOMENTS = ("exp_avg", "exp_avg_sq")


def save(path: Path, network, average: dict[str, torch.Tensor], optimizer, counters: dict) -> None:
    """Write the state. `counters`: plain numbers, at least the step; fresh: where the optimizer began."""
    tensors = {f"weight.{name}": weight for name, weight in network.named_parameters()}
    tensors |= {f"ema.{name}": weight for name, weight in average.items()}
    for name, weight in network.named_parameters():
        for moment in MOMENTS:
            if weight in optimizer.state:
                tensors[f"{moment}.{name}"] = optimizer.state[weight][moment]
    tensors = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    partial = path.with_suffix(".part")
    save_file(tensors, partial, metadata={"counters": json.dumps(counters)})
    os.replace(partial, path)


def restore(path: Path, network, average: dict[str, torch.Tensor], optimizer) -> dict:
    """Put a saved state back in place; returns its counters."""
    with safe_open(path, framework="pt") as state:
        counters = json.loads(state.metadata()["counters"])
        stored = set(state.keys())
        for name, weight in network.named_parameters():
            weight.data.copy_(state.get_tensor(f"weight.{name}"))
            average[name].copy_(state.get_tensor(f"ema.{name}"))
            if f"{MOMENTS[0]}.{name}" in stored:
                moments = {moment: like(weight, state.get_tensor(f"{moment}.{name}")) for moment in MOMENTS}
                steps = torch.tensor(float(counters["step"] - counters.get("fresh", 0)), device=weight.device)
                optimizer.state[weight] = {"step": steps, **moments}
    return counters


def like(weight: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """`tensor` on the device and in the memory format of `weight`."""
    return torch.empty_like(weight).copy_(tensor)
