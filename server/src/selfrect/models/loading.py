# SPDX-License-Identifier: GPL-3.0-or-later
"""Name or path → Model: the embedded model, a diffusers folder, or one .safetensors file. Never a pickle."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError

from ..device import choose_device, choose_dtype
from ..problems import Problem, from_exception
from .folder import load_folder
from .model import Model
from .store import find


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
            from .single_file import load_single_file  # here: it takes time to import and few need it

            return load_single_file(place, str(name_or_path), chosen, number_type)
        return load_folder(place, str(name_or_path), chosen, number_type)
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise _not_a_model(place, error) from error


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
