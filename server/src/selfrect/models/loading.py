# SPDX-License-Identifier: GPL-3.0-or-later
"""Name or path → Model: the embedded model, a diffusers folder, or one .safetensors file. Never a pickle."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors import SafetensorError

from .. import system_memory
from ..device import choose_device, choose_dtype
from ..problems import Problem, from_exception
from .folder import load_folder
from .model import Model
from .store import find

COMPILE = "SELFRECT_COMPILE"  # “1”: load_model compiles unless told otherwise


def load_model(name_or_path: str | Path = "mini", device: str = "auto", dtype: str = "auto", compiled: bool | None = None) -> Model:
    """Load a model for self-rectification.

    name_or_path: a name of the catalogue, a folder in diffusers' layout, or a .safetensors checkpoint of the SD 1.x,
    2.x or SDXL family. device: auto, cpu, cuda, cuda:N or mps. dtype: auto, float32, bfloat16 or float16. compiled: let
    torch.compile work on the network, which takes minutes at its first call; None: as SELFRECT_COMPILE says, else not.
    Raises Problem: model_missing, bad_model, pickle_refused, bad_input (device, dtype).
    """
    place = find(str(name_or_path))
    chosen = choose_device(device)
    number_type = choose_dtype(dtype, chosen)
    compiled = os.environ.get(COMPILE) == "1" if compiled is None else compiled
    try:
        load = load_folder
        if place.is_file():
            from .single_file import load_single_file as load  # here: it takes time to import and few need it
        model = load(place, str(name_or_path), chosen, number_type, compiled)
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise _not_a_model(place, error) from error
    model.in_float32 = lambda: load_model(name_or_path, device, "float32", compiled)
    system_memory.give_back()
    return model


def warm_up() -> None:
    """Everything that takes time and needs no choice yet: PyTorch, diffusers, and what this processor is fast at.

    For a thread that has time while the artist still edits.
    """
    from . import probe

    choose_device("auto")
    probe.cpu()


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
