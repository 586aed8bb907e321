# SPDX-License-Identifier: GPL-3.0-or-later
"""A checkpoint that travels: three bytes a weight instead of sixteen, in pieces of a given size if asked.

Weights as float16, their average as the difference in eight bits; the optimizer begins anew, with a warmup. To go on where the
run stopped, bit by bit, takes the whole checkpoint (`checkpoint`).
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load, save_file

_MOST = 448.0  # of what float8_e4m3fn holds


def shrink(state: Path, path: Path) -> Path:
    """Write the small form of a whole checkpoint."""
    tensors, scales = {}, {}
    with safe_open(state, framework="pt") as stored:
        counters = json.loads(stored.metadata()["counters"])
        for name in [key.removeprefix("weight.") for key in list(stored.keys()) if key.startswith("weight.")]:
            weight = stored.get_tensor(f"weight.{name}").half()
            ahead = stored.get_tensor(f"ema.{name}") - weight.float()
            scales[name] = max(ahead.abs().max().item() / _MOST, 1e-12)
            tensors |= {f"weight.{name}": weight, f"ahead.{name}": (ahead / scales[name]).to(torch.float8_e4m3fn)}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata={"counters": json.dumps(counters), "scales": json.dumps(scales)})
    path.chmod(0o644)  # safetensors keeps its files to their owner
    return path


@torch.no_grad()
def restore(path: Path, network, average: dict[str, torch.Tensor]) -> dict:
    """Put a small checkpoint, or the pieces `PATH.00`, `PATH.01`, … of one, in place; returns its counters."""
    data = joined(path)
    length = int.from_bytes(data[:8], "little")
    about = json.loads(data[8 : 8 + length])["__metadata__"]
    scales, tensors = json.loads(about["scales"]), load(data)
    for name, weight in network.named_parameters():
        weight.copy_(tensors[f"weight.{name}"])
        average[name].copy_(tensors[f"weight.{name}"].float() + tensors[f"ahead.{name}"].float() * scales[name])
    return json.loads(about["counters"])


def split(path: Path, megabytes: float) -> list[Path]:
    """Cut a file into pieces PATH.00, PATH.01, … of at most so many MB, and delete it."""
    data, size = path.read_bytes(), int(megabytes * 1e6)
    pieces = [path.with_name(f"{path.name}.{number:02d}") for number in range(-(-len(data) // size))]
    for number, piece in enumerate(pieces):
        piece.write_bytes(data[number * size : (number + 1) * size])
    path.unlink()
    return pieces


def joined(path: Path) -> bytes:
    """The bytes of a file that may have been cut into pieces. Raises FileNotFoundError."""
    pieces = [path] if path.is_file() else sorted(path.parent.glob(f"{path.name}.[0-9][0-9]"))
    if not pieces:
        raise FileNotFoundError(f"there is neither {path} nor {path.name}.00 beside it")
    return b"".join(piece.read_bytes() for piece in pieces)
