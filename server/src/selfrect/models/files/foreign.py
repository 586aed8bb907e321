# SPDX-License-Identifier: GPL-3.0-or-later
"""Models that other tools have already: found where they lie, by name, size and SHA-256, and used in place.

Looked at: the Hugging Face cache, ComfyUI, Stable Diffusion web UI and Stability Matrix at their usual places, and the
folders in SELFRECT_MODEL_FOLDERS. Nothing is ever written into them. Listing reads names and sizes, and of checkpoints
that are in no catalogue the header; hashes are compared before a model is used under a name, once for each file.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..cache import file_hash
from ..catalogue import PRECISIONS, Entry, File, catalogue
from . import marker

SMALLEST_CHECKPOINT = 200_000_000  # bytes; below are add-ons to models, not models
_DEEPEST, _MOST = 3, 2000  # folders below a folder of checkpoints, and files in all, that are looked at
_LONGEST_HEADER = 25_000_000  # bytes, as the safetensors library allows
_SIGN = b'"model.diffusion_model.input_blocks.0.0.weight"'  # Stable Diffusion's network in its original layout


@dataclass(frozen=True)
class Shelf:
    """A folder with models. kind: “hub” (a Hugging Face cache), “checkpoints” or “models” (a folder for each)."""

    tool: str
    folder: Path
    kind: str


@dataclass(frozen=True)
class Found:
    """A model on a shelf. name: of the catalogue, or "". path: a diffusers folder or a .safetensors file."""

    name: str
    path: Path
    shelf: Shelf


def shelves() -> list[Shelf]:
    """The folders that are there, those that the user named first."""
    home = Path.home()
    data = Path(os.environ.get("APPDATA", home)) if sys.platform == "win32" else home
    found = [shelf for folder in _named() for shelf in _shelves_of(folder)]
    found.append(Shelf("Hugging Face", _hub_cache(), "hub"))
    for folder in (os.environ.get("COMFYUI_PATH", ""), home / "ComfyUI", home / "Documents/ComfyUI"):
        found += _shelves_of(Path(folder)) if folder else []
    for folder in ("stable-diffusion-webui", "stable-diffusion-webui-forge"):
        found += _shelves_of(home / folder)
    for folder in (home / "StabilityMatrix/Data", data / "StabilityMatrix"):
        found.append(Shelf("Stability Matrix", folder / "Models/StableDiffusion", "checkpoints"))
    return [shelf for shelf in dict.fromkeys(found) if _is_folder(shelf.folder)]


def find_all() -> list[Found]:
    """Every model on the shelves, quickly: those of the catalogue by their files' sizes, others by what they look like."""
    found: list[Found] = []
    for shelf in shelves():
        found += {"hub": _on_hub_shelf, "checkpoints": _checkpoints, "models": _model_folders}[shelf.kind](shelf)
    return found


def find_named(name: str) -> Path | None:
    """The place of a model of the catalogue on the shelves; its files are the right ones by their SHA-256."""
    entry = catalogue()[name]
    return next((found.path for found in find_all() if found.name == name and _is_right(found.path, entry)), None)


def complete_in(folder: Path, entry: Entry) -> str:
    """The precision in which all files of a model are in a folder, by their sizes; "" for none."""
    for precision in PRECISIONS:
        if entry.files and all(marker.same_size(folder / file.path, file.size) for file in entry.needed(precision)):
            return precision
    return ""


def is_checkpoint(file: Path) -> bool:
    """Whether a .safetensors file holds a Stable Diffusion network, by its header. Raises OSError."""
    with file.open("rb") as stream:
        length = stream.read(8)
        if len(length) < 8 or (size := struct.unpack("<Q", length)[0]) > _LONGEST_HEADER:
            return False
        return _SIGN in stream.read(size)


def _is_right(path: Path, entry: Entry) -> bool:
    try:
        if path.is_file():
            return any(path.stat().st_size == file.size and file_hash(path) == file.sha256 for file in entry.checkpoints)
        return all(_has_hash(path / file.path, file) for file in entry.needed(complete_in(path, entry)))
    except OSError:
        return False


def _has_hash(path: Path, file: File) -> bool:
    """The Hugging Face cache calls a large file by its hash, having checked it: such a one need not be read again."""
    return (path.is_symlink() and Path(os.readlink(path)).name == file.sha256) or file_hash(path) == file.sha256


def _on_hub_shelf(shelf: Shelf) -> Iterator[Found]:
    for name, entry in catalogue().items():
        for repository in (entry.repository, *entry.mirrors) if entry.files else ():
            for snapshot in list_folder(shelf.folder / f"models--{repository.replace('/', '--')}" / "snapshots"):
                if complete_in(snapshot, entry):
                    yield Found(name, snapshot, shelf)


def _checkpoints(shelf: Shelf) -> Iterator[Found]:
    by_size = {file.size: name for name, entry in catalogue().items() for file in entry.checkpoints}
    for file in _safetensors(shelf.folder):
        try:
            size = file.stat().st_size
            if size in by_size or (size >= SMALLEST_CHECKPOINT and is_checkpoint(file)):
                yield Found(by_size.get(size, ""), file, shelf)
        except OSError:
            continue


def _model_folders(shelf: Shelf) -> Iterator[Found]:
    """A folder for each model, such as another machine's models folder, with checkpoints beside them."""
    for folder in list_folder(shelf.folder):
        if not _is_folder(folder):
            continue
        entry = catalogue().get(folder.name)
        if entry and complete_in(folder, entry):
            yield Found(folder.name, folder, shelf)
        elif place := marker.place(folder):
            yield Found("", place, shelf)
    yield from _checkpoints(shelf)


def _shelves_of(folder: Path) -> list[Shelf]:
    """What a folder is: a tool's own, a Hugging Face cache, or one of models."""
    if _is_folder(folder / "models/checkpoints"):
        return [Shelf("ComfyUI", folder / "models/checkpoints", "checkpoints"), *_extra_paths(folder / "extra_model_paths.yaml")]
    if _is_folder(folder / "models/Stable-diffusion"):
        return [Shelf("Stable Diffusion web UI", folder / "models/Stable-diffusion", "checkpoints")]
    if any(path.name.startswith("models--") for path in list_folder(folder)):
        return [Shelf("Hugging Face", folder, "hub")]
    return [Shelf("folder", folder, "models")] if folder in _named() else []


def _extra_paths(file: Path) -> list[Shelf]:
    """The folders of checkpoints that ComfyUI is told of in its extra_model_paths.yaml."""
    try:
        import yaml

        sections = yaml.safe_load(file.read_text("utf-8")).values()
    except Exception:  # noqa: BLE001 - not there, not readable or not such a file: then ComfyUI knows no more folders either
        return []
    found = []
    for section in sections:
        paths = section.get("checkpoints") if isinstance(section, dict) else None
        base = Path(os.path.expandvars(str(section.get("base_path", "")))).expanduser() if paths else None
        lines = [line.strip() for line in str(paths or "").splitlines()]
        found += [Shelf("ComfyUI", file.parent / base / line, "checkpoints") for line in lines if line]
    return found


def _named() -> list[Path]:
    """SELFRECT_MODEL_FOLDERS, separated as in PATH."""
    return [Path(text).expanduser() for text in os.environ.get("SELFRECT_MODEL_FOLDERS", "").split(os.pathsep) if text.strip()]


def _hub_cache() -> Path:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if value := os.environ.get(name):
            return Path(value).expanduser()
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    return Path(home).expanduser() / "hub"


def _safetensors(folder: Path) -> Iterator[Path]:
    seen = 0
    for place, folders, files in os.walk(folder, followlinks=True):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if depth < _DEEPEST else []
        for name in sorted(files):
            seen += 1
            if seen > _MOST:
                return
            if name.endswith(".safetensors"):
                yield Path(place) / name


def list_folder(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _is_folder(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError:
        return False
