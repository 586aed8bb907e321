# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder in diffusers' layout → Model: Stable Diffusion's, or our own with a codec of pixel patches and no text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from ..problems import Problem
from . import condition as conditions
from .codec import AutoencoderCodec, Codec, PatchCodec
from .condition import Condition
from .model import Model, checked_prediction, family_of, ready
from .schedule import alphas_cumprod
from .store import PICKLES, file_hash

WEIGHTS = "diffusion_pytorch_model"


def load_folder(folder: Path, name: str, device: torch.device, dtype: torch.dtype, compiled: bool = False) -> Model:
    """Raises Problem pickle_refused or bad_model, OSError, KeyError or ValueError (the caller makes the sentence)."""
    index = _read(folder / "model_index.json") if (folder / "model_index.json").exists() else {}
    weights = _weights(folder / "unet")
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=dtype, low_cpu_mem_usage=False, **_safe(weights))
    scheduler = _read(folder / "scheduler" / "scheduler_config.json")
    condition = _condition(folder, index, unet).to(device, dtype)
    return Model(
        name=name,
        family=family_of(unet, (folder / "codec").is_dir()),
        hash=file_hash(weights),
        unet=ready(unet, device, condition, compiled),
        codec=_codec(folder, device),
        condition=condition,
        alphas_cumprod=alphas_cumprod(scheduler),
        prediction_type=checked_prediction(scheduler.get("prediction_type", "epsilon")),
        device=device,
        dtype=dtype,
    )


def _codec(folder: Path, device: torch.device) -> Codec:
    if (folder / "codec").is_dir():
        return PatchCodec(_read(folder / "codec" / "config.json")["patch_size"], device)
    weights = _weights(folder / "vae")
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32, low_cpu_mem_usage=False, **_safe(weights))
    return AutoencoderCodec(vae, device)


def _condition(folder: Path, index: dict[str, Any], unet: UNet2DConditionModel) -> Condition:
    if (folder / "codec").is_dir():  # ours never saw a text: one token of zeros stands where a prompt would
        return Condition(torch.zeros(1, 1, unet.config.cross_attention_dim))
    from . import empty_prompt  # here: transformers takes seconds to import, and the condition is mostly in the cache

    files = [_weights(folder / part, "model") for part in ("text_encoder", "text_encoder_2") if (folder / part).is_dir()]
    files += [path for path in (folder / "model_index.json",) if path.is_file()]  # it says what SDXL makes of an empty prompt
    return conditions.kept(files, lambda: empty_prompt.from_folder(folder, index))


def _weights(folder: Path, stem: str = WEIGHTS) -> Path:
    """The safetensors file in a part's folder: full precision where it is there, else fp16."""
    for name in (f"{stem}.safetensors", f"{stem}.fp16.safetensors", f"{stem}.safetensors.index.json"):
        if (folder / name).is_file():
            return folder / name
    pickled = [path.name for path in folder.glob("*") if path.suffix in PICKLES]
    if pickled:
        raise Problem(
            "pickle_refused",
            f"{folder.name} holds its weights only as {pickled[0]}, a pickle, which can run programs when opened; it was not opened.",
            "Get the model's safetensors files.",
        )
    raise FileNotFoundError(f"no {stem}.safetensors in {folder}")


def _safe(weights: Path) -> dict[str, Any]:
    return {"use_safetensors": True, "local_files_only": True} | ({"variant": "fp16"} if ".fp16." in weights.name else {})


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text("utf-8"))
