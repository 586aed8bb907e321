# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models there are and where: the embedded one, those in the models folder, other tools', and any path. No PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..problems import Problem
from .cache import cache_folder, file_hash, identity, keep, models_folder
from .catalogue import EMBEDDED, PRECISIONS, Entry, catalogue
from .files import foreign, marker

__all__ = ["cache_folder", "default_model", "file_hash", "find", "identity", "keep", "models", "models_folder", "refuse_pickle"]

PAPERS_MODEL = "sd-1.4"
PICKLES = (".ckpt", ".bin", ".pt", ".pth", ".pkl")


def models(elsewhere: bool = True) -> list[dict[str, Any]]:
    """Every model that can be asked for by name, then what else was found; elsewhere: look into other tools' folders too.

    {name (for `find`), title, installed, default, path or "", source: "embedded" "downloaded" "imported" "by hand" "found" or "",
    tool (whose folder it was found in), licence, licence_url, licence_summary, downloads: {precision: bytes}, removable}
    """
    found = foreign.find_all() if elsewhere else []
    listed = [_describe(entry, found) for entry in catalogue().values()]
    names = {model["name"] for model in listed}
    for folder in foreign.list_folder(models_folder()):
        if folder.name not in names and (place := marker.place(folder)):
            listed.append(_own(folder, place))
    listed += [_found(other) for other in found if not other.name]
    default = next((model["name"] for model in listed if model["name"] == PAPERS_MODEL and model["installed"]), "mini")
    return [model | {"default": model["name"] == default} for model in listed]


def default_model() -> str:
    """The paper's model where it is there, else the embedded one."""
    try:
        return PAPERS_MODEL if find(PAPERS_MODEL) else "mini"
    except Problem:
        return "mini"


def find(name_or_path: str) -> Path:
    """The folder or .safetensors file of a model. Raises Problem: model_missing, pickle_refused."""
    if name_or_path in EMBEDDED:
        return EMBEDDED[name_or_path]
    own = _in_models_folder(name_or_path)
    if own:
        return own
    if name_or_path in catalogue():
        if elsewhere := foreign.find_named(name_or_path):
            return elsewhere
        raise _missing(name_or_path)
    place = Path(name_or_path).expanduser()
    refuse_pickle(place)
    if not place.exists():
        raise _missing(name_or_path)
    return place


def refuse_pickle(path: Path) -> None:
    """A pickle can run any program when it is opened, so none ever is. Raises Problem pickle_refused."""
    if path.suffix.lower() in PICKLES:
        raise Problem(
            "pickle_refused",
            f"{path.name} is a pickled checkpoint ({path.suffix}), which can run programs when opened; it was not opened.",
            "Use the model's .safetensors file, or convert it to safetensors where it came from.",
        )


def _in_models_folder(name: str) -> Path | None:
    if not name or name in (".", "..") or "/" in name or "\\" in name:
        return None
    return marker.place(models_folder() / name)


def _missing(name: str) -> Problem:
    if name in catalogue():
        sentence = f"The model “{name}” is not on this machine."
        remedy = f"Download it: selfrect models download {name}, or the Models panel in Blender; “mini” is always there."
        return Problem("model_missing", sentence, remedy)
    sentence = f"“{name}”, neither a model's name nor a path, is not on this machine."
    names = ", ".join(catalogue())
    return Problem("model_missing", sentence, f"Give one of these names: {names}; or a diffusers folder, or a .safetensors file.")


def _describe(entry: Entry, found: list[foreign.Found]) -> dict[str, Any]:
    """A model of the catalogue."""
    folder, embedded = models_folder() / entry.name, EMBEDDED.get(entry.name)
    place = embedded or marker.place(folder)
    other = next((other for other in found if other.name == entry.name), None) if not place else None
    source = "embedded" if embedded else _source(folder) if place else "found" if other else ""
    path = place or (other.path if other else None)
    downloads = {precision: sum(file.size for file in entry.needed(precision)) for precision in PRECISIONS} if entry.files else {}
    return {
        "name": entry.name,
        "title": entry.title,
        "installed": path is not None,
        "path": str(path or ""),
        "source": source,
        "tool": other.shelf.tool if other else "",
        "licence": entry.licence,
        "licence_url": entry.licence_url,
        "licence_summary": entry.licence_summary,
        "downloads": downloads,
        "removable": not embedded and marker.read(folder) is not None,
    }


def _own(folder: Path, place: Path) -> dict[str, Any]:
    """A model in the models folder that is in no catalogue."""
    removable = marker.read(folder) is not None
    return _other(folder.name, folder.name, place, _source(folder)) | {"removable": removable}


def _found(other: foreign.Found) -> dict[str, Any]:
    return _other(str(other.path), other.path.stem, other.path, "found") | {"tool": other.shelf.tool}


def _other(name: str, title: str, place: Path, source: str) -> dict[str, Any]:
    known = {"name": name, "title": title, "installed": True, "path": str(place), "source": source, "tool": ""}
    return known | {"licence": "", "licence_url": "", "licence_summary": "", "downloads": {}, "removable": False}


def _source(folder: Path) -> str:
    found = marker.read(folder)
    return "by hand" if found is None else str(found.get("source") or "downloaded")
