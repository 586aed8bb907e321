# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan has to know of a model, read off its configuration where it is not loaded."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..device import choose_device, choose_dtype
from .cache import file_hash
from .store import find


@dataclass(frozen=True)
class Facts:
    """hash: of the network's weights, "" where not known. factor: image pixels per latent pixel. sample_size: of the model's
    training, latent pixels. family: as `Model.family`, "" where not known. device, dtype: what work on it would take, by name."""

    hash: str
    factor: int
    sample_size: int | None
    device: str
    dtype: str
    family: str = ""


def facts_of(model: Any) -> Facts:
    """Of a loaded model."""
    dtype = str(model.dtype).removeprefix("torch.")
    return Facts(model.hash, model.codec.factor, model.unet.config.sample_size, str(model.device), dtype, model.family)


def read_facts(name: str, device: str, dtype: str) -> Facts:
    """Of a model that is not loaded. Raises Problem: model_missing, pickle_refused, bad_input (device, dtype)."""
    place = find(name)
    chosen = choose_device(device)
    number_type = str(choose_dtype(dtype, chosen)).removeprefix("torch.")
    if place.is_file():  # a single checkpoint tells its sizes only when it is opened; nearly all are of this shape
        return Facts("", 8, 64, str(chosen), number_type)
    return Facts(_hash(place / "unet"), _factor(place), _read(place / "unet").get("sample_size"), str(chosen), number_type, family_of(name))


def family_of(name: str) -> str:
    """ "mini" for a model with a codec of its own; "" where only loading it tells. Raises Problem: model_missing, pickle_refused."""
    return "mini" if (find(name) / "codec").is_dir() else ""


def _factor(place: Path) -> int:
    if (place / "codec").is_dir():
        return _read(place / "codec").get("patch_size", 8)
    return 2 ** (len(_read(place / "vae").get("block_out_channels", [0] * 4)) - 1)


def _hash(folder: Path) -> str:
    for weights in sorted(folder.glob("diffusion_pytorch_model*.safetensors"), key=lambda file: len(file.name)):
        with contextlib.suppress(OSError):
            return file_hash(weights)
    return ""


def _read(folder: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        return json.loads((folder / "config.json").read_text("utf-8"))
    return {}
