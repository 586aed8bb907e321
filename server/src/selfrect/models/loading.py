# SPDX-License-Identifier: GPL-3.0-or-later
"""Name or path → Model: the embedded model, a diffusers folder, or one .safetensors file. Never a pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors import SafetensorError

from ..device import choose_device, choose_dtype
from ..problems import Problem, from_exception
from . import condition as conditions
from .codec import AutoencoderCodec, Codec, PatchCodec
from .condition import Condition
from .model import Model
from .schedule import alphas_cumprod
from .store import PICKLES, file_hash, find

WEIGHTS = "diffusion_pytorch_model"


def load_model(name_or_path: str | Path = "mini", device: str = "auto", dtype: str = "auto") -> Model:
    """Load a model for self-rectification.

    name_or_path: a name of the catalogue, a folder in diffusers' layout, or a .safetensors checkpoint of the SD 1.x,
    2.x or SDXL family. device: auto, cpu, cuda, cuda:N or mps. dtype: auto, float32, bfloat16 or float16.
    Raises Problem: model_missing, bad_model, pickle_refused, bad_input (device, dtype).
    """
    place = find(str(name_or_path))
    chosen = choose_device(device)
    number_type = choose_dtype(dtype, chosen)
    try:
        if place.is_file():
            from .single_file import load_checkpoint  # here: it takes time to import and few need it

            return load_checkpoint(place, str(name_or_path), chosen, number_type)
        return _load_folder(place, str(name_or_path), chosen, number_type)
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise _not_a_model(place, error) from error


def _load_folder(folder: Path, name: str, device: torch.device, dtype: torch.dtype) -> Model:
    index = _read(folder / "model_index.json") if (folder / "model_index.json").exists() else {}
    weights = _weights(folder / "unet")
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=dtype, low_cpu_mem_usage=False, **_safe(weights))
    scheduler = _read(folder / "scheduler" / "scheduler_config.json")
    return Model(
        name=name,
        family=family_of(unet, (folder / "codec").is_dir()),
        hash=file_hash(weights),
        unet=ready(unet, device),
        codec=_codec(folder, device),
        condition=_condition(folder, index, unet).to(device, dtype),
        alphas_cumprod=alphas_cumprod(scheduler),
        prediction_type=checked_prediction(scheduler.get("prediction_type", "epsilon")),
        device=device,
        dtype=dtype,
    )


def ready(unet: UNet2DConditionModel, device: torch.device) -> UNet2DConditionModel:
    """For work, not for training; channels_last is what convolutions are fastest in."""
    return unet.to(device=device, memory_format=torch.channels_last).eval().requires_grad_(False)


def family_of(unet: UNet2DConditionModel, own_codec: bool = False) -> str:
    """By what tells the families apart: the second condition, and the width of the text encoder."""
    if own_codec:
        return "mini"
    if unet.config.addition_embed_type == "text_time":
        return "sdxl"
    return {768: "sd1", 1024: "sd2"}.get(unet.config.cross_attention_dim, "other")


def checked_prediction(kind: str) -> str:
    """Raises Problem bad_model for what is neither ε- nor v-prediction."""
    if kind not in ("epsilon", "v_prediction"):
        raise Problem("bad_model", f"The model predicts “{kind}”.", "Use a model with epsilon or v prediction.")
    return kind


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


def _not_a_model(place: Path, error: Exception) -> Problem:
    told = from_exception(error)
    if told.code == "out_of_memory":  # PyTorch says that, too, with a RuntimeError
        return told
    return Problem(
        "bad_model",
        f"{place} is not a model that can be used here ({_first_line(error)}).",
        "Give a folder in diffusers' layout (unet, vae, text_encoder, scheduler) or a .safetensors checkpoint of Stable Diffusion.",
        repr(error),
    )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0][:200]
