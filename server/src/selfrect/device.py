# SPDX-License-Identifier: GPL-3.0-or-later
"""Which device and floating-point type to work with, and how much memory was used."""

from __future__ import annotations

from typing import Any

import torch

from . import system_memory
from .problems import Problem

FASTER = 1.3  # times; a smaller gain is not worth a rounded picture
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(name: str = "auto") -> torch.device:
    """“auto” takes CUDA (ROCm shows itself as CUDA), then MPS, then the CPU. Raises Problem bad_input for what is not there."""
    present = _present()
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "xpu", "mps", "cpu") if kind in present))
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    index_fits = device is not None and (device.type != "cuda" or (device.index or 0) < torch.cuda.device_count())
    if device is None or device.type not in present or not index_fits:
        raise Problem("bad_input", f"There is no device “{name}” here.", f"Choose one of: auto, {', '.join(present)}.")
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """“auto” takes float16 on CUDA, bfloat16 on a processor that was measured to be clearly faster in it, else float32."""
    if name == "auto":
        return _fastest(device)
    if name not in DTYPES:
        raise Problem("bad_input", f"There is no number type “{name}”.", f"Choose one of: auto, {', '.join(DTYPES)}.")
    return DTYPES[name]


def devices() -> list[dict[str, Any]]:
    """The devices of this machine as data: name (as `choose_device` takes it), title, memory in bytes or None."""
    found = [
        {"name": f"cuda:{i}", "title": torch.cuda.get_device_name(i), "memory": torch.cuda.get_device_properties(i).total_memory}
        for i in range(torch.cuda.device_count())
    ]
    found += [
        {"name": f"xpu:{i}", "title": torch.xpu.get_device_name(i), "memory": torch.xpu.get_device_properties(i).total_memory}
        for i in range(torch.xpu.device_count())
    ]
    if "mps" in _present():
        found.append({"name": "mps", "title": "Apple GPU", "memory": None})
    return [*found, {"name": "cpu", "title": "CPU", "memory": None}]


def reset_peak_memory(device: torch.device) -> None:
    """Begin to measure anew, where the device can."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int:
    """Bytes: on CUDA the most allocated since the last reset, else the most that this process ever held."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return system_memory.peak()


def _fastest(device: torch.device) -> torch.dtype:
    from .models import probe

    if device.type == "cuda":
        return torch.float16
    return torch.bfloat16 if device.type == "cpu" and probe.cpu().bfloat16 > FASTER else torch.float32


def _present() -> list[str]:
    found = ["cuda"] if torch.cuda.is_available() else []
    found += ["xpu"] if torch.xpu.is_available() else []
    found += ["mps"] if torch.backends.mps.is_available() else []
    return [*found, "cpu"]
