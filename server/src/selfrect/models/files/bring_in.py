# SPDX-License-Identifier: GPL-3.0-or-later
"""A model from a disk into the models folder: looked at, copied or linked to, under a name. Never a pickle. No PyTorch."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from ...problems import Problem
from ..cache import file_hash
from ..catalogue import EMBEDDED, PRECISIONS, catalogue
from . import foreign, marker
from .progress import Bytes, Report

_KEPT = (".safetensors", ".json", ".txt", ".model", ".md")  # of a diffusers folder; pickles stay where they are
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BLOCK = 1 << 20


def check_name(name: str, folder: Path) -> str:
    """A name that a model can be kept under. Raises Problem bad_input."""
    if not _NAME.fullmatch(name) or name in EMBEDDED:
        remedy = "Give another with --name: letters, digits, dots, dashes; it begins with a letter or a digit."
        raise Problem("bad_input", f"“{name}” cannot be the name of an imported model.", remedy)
    if (folder / name).exists():
        raise Problem("bad_input", f"There is a model “{name}” already.", "Remove it first, or give another name with --name.")
    return name


def files_of(path: Path) -> list[Path]:
    """What is to be copied of a checkpoint or a diffusers folder, relative to it. Raises Problem bad_model, pickle_refused, bad_input."""
    try:
        if path.is_file():
            if path.suffix == ".safetensors" and foreign.is_checkpoint(path):
                return [Path(path.name)]
            raise _no_model(path, "it holds no network of Stable Diffusion")
        if not path.is_dir():
            raise Problem("bad_input", f"There is nothing at “{path}”.", "Give a diffusers folder or a .safetensors file.")
        return _files_of_folder(path)
    except OSError as error:
        raise _no_model(path, error.strerror or str(error)) from error


def copy(path: Path, files: list[Path], folder: Path, report: Report) -> dict[str, Any]:
    """Copy into a folder that is not there yet; returns {path: {size, sha256, ours}}. Leaves nothing when it is stopped."""
    base = path if path.is_dir() else path.parent
    progress = Bytes(report, "copy", sum((base / file).stat().st_size for file in files))
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        for file in files:
            progress.file = file.as_posix()
            (part / file).parent.mkdir(parents=True, exist_ok=True)
            with (base / file).open("rb") as source, (part / file).open("wb") as target:
                while block := source.read(_BLOCK):
                    target.write(block)
                    progress.add(len(block))
        part.replace(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return {file.as_posix(): {"size": (folder / file).stat().st_size, "sha256": file_hash(folder / file), "ours": True} for file in files}


def check_is_named(path: Path, files: list[Path], name: str) -> list[Path]:
    """Of a folder that is said to be a model of the catalogue: the files of it that make it up. Raises Problem hash_mismatch."""
    entry = catalogue()[name]
    if path.is_file():
        if any(path.stat().st_size == file.size and file_hash(path) == file.sha256 for file in entry.checkpoints):
            return files
        raise _not_that(path, name, "its SHA-256 is another")
    precision = foreign.complete_in(path, entry)
    if not precision:
        sets = " or ".join(f"{sum(file.size for file in entry.needed(precision)) / 1e9:.1f} GB" for precision in PRECISIONS)
        raise _not_that(path, name, f"files are missing or of another size; it would be {sets}")
    wrong = [file.path for file in entry.needed(precision) if file_hash(path / file.path) != file.sha256]
    if wrong:
        raise _not_that(path, name, f"{wrong[0]} has another SHA-256")
    return [Path(file.path) for file in entry.needed(precision)]


def _files_of_folder(path: Path) -> list[Path]:
    for part in ("unet/config.json", "scheduler/scheduler_config.json"):
        try:
            json.loads((path / part).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise _no_model(path, f"{part} is missing or broken") from error
    files = [file.relative_to(path) for file in sorted(path.rglob("*")) if file.suffix in _KEPT and file.is_file()]
    files = [file for file in files if not any(part.startswith(".") for part in file.parts) and file.name != marker.NAME]
    if not any(file.parts[0] == "unet" and file.suffix == ".safetensors" for file in files):
        pickled = [file for file in (path / "unet").iterdir() if file.suffix in (".bin", ".ckpt", ".pt", ".pth")]
        if pickled:
            sentence = f"“{path}” holds its network only as {pickled[0].name}, a pickle, which can run programs when opened."
            raise Problem("pickle_refused", sentence, "Get the model's safetensors files.")
        raise _no_model(path, "unet has no .safetensors file")
    return files


def _no_model(path: Path, why: str) -> Problem:
    remedy = "Give a folder in diffusers' layout (unet, vae, text_encoder, scheduler) or a .safetensors checkpoint of Stable Diffusion."
    return Problem("bad_model", f"{path} is not a model that can be used here ({why}).", remedy)


def _not_that(path: Path, name: str, why: str) -> Problem:
    remedy = "Import it under another name, which is free for any model, or download it."
    return Problem("hash_mismatch", f"{path} is not the model “{name}” of the catalogue: {why}.", remedy)
