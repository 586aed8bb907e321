# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done with models' files; the command line, the wire and Blender all come through here. No PyTorch but to
ask which precision the device wants.

report: told (stage, step, steps, fraction=, speed=, file=) with step and steps in bytes; raises to stop.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

from ..problems import Problem
from . import offline
from .cache import cache_folder, file_hash, models_folder
from .catalogue import EMBEDDED, PRECISIONS, Entry, catalogue, entry
from .files import bring_in as imports
from .files import foreign, marker
from .files.download import HUB, check_endpoint, now, refused
from .files.download import download as download_into
from .files.fetch_file import PART
from .files.lock import NAME as LOCK
from .files.lock import locked
from .files.progress import Bytes, Report
from .store import find, models, refuse_pickle

__all__ = ["bring_in", "download", "licence_accepted", "models", "remove", "verify", "where"]


def where() -> dict[str, Any]:
    """{folder, writable, free: bytes or None, cache, searched: [{tool, folder}]}"""
    folder = models_folder()
    there = next((place for place in (folder, *folder.parents) if place.exists()), Path(folder.anchor))
    try:
        free = shutil.disk_usage(there).free
    except OSError:
        free = None
    searched = [{"tool": shelf.tool, "folder": str(shelf.folder)} for shelf in foreign.shelves()]
    return {
        "folder": str(folder),
        "writable": os.access(there, os.W_OK),
        "free": free,
        "cache": str(cache_folder()),
        "searched": searched,
    }


def licence_accepted(name: str) -> bool:
    """Whether the licence of a model of the catalogue was accepted before, on this machine."""
    found = marker.read(models_folder() / name)
    return bool(found and found.get("licence_accepted"))


def download(name: str, report: Report, accepted: bool = False, mirror: str = "", precision: str = "auto") -> dict[str, Any]:
    """Bring a model of the catalogue here: {path}. What is there already is not fetched again, what is damaged is.

    mirror: address of a hub to take it from. Raises Problem: licence_not_accepted, offline, download_failed,
    hash_mismatch, disk_full, no_permission, bad_input.
    """
    wanted = entry(name)
    if not accepted and not licence_accepted(name):
        sentence = f"{wanted.title} is under the licence {wanted.licence} ({wanted.licence_url}), which has not been accepted."
        raise Problem("licence_not_accepted", sentence, "Read it, then accept it: in Blender below the model, or with --accept-licence.")
    endpoint = check_endpoint(mirror or os.environ.get("HF_ENDPOINT") or HUB)
    if offline.asked_for_by_user():
        raise Problem("offline", "Going online is switched off (HF_HUB_OFFLINE).", "Unset it, or import the model from a disk.")
    folder = models_folder() / name
    download_into(wanted, _precision(precision), folder, endpoint, report)
    return {"path": str(folder)}


def verify(name: str, report: Report) -> dict[str, Any]:
    """Read every file of a model again: {path, good, files: [{file, state}]}; state: good, missing, wrong size, wrong content.

    Raises Problem: model_missing; bad_input where nobody knows what its files should be.
    """
    folder, expected = _expected(name)
    progress = Bytes(report, "verify", sum(size for _, size, _ in expected))
    states = []
    for path, size, sha256 in expected:
        progress.file = path
        states.append({"file": path, "state": _state(folder / path, size, sha256, progress)})
    return {"path": str(folder), "good": all(state["state"] == "good" for state in states), "files": states}


def remove(name: str) -> dict[str, Any]:
    """Delete what was downloaded or imported under a name, and nothing else: {freed: bytes}.

    Raises Problem: bad_input, install_busy, no_permission.
    """
    folder = models_folder() / name
    content = marker.read(folder) if name and Path(name).name == name else None
    if content is None:
        raise _not_ours(name)
    try:
        with locked(folder, lambda: _busy(name)):
            paths = [folder / path for path, file in content.get("files", {}).items() if file.get("ours")]
            paths += [path for path in folder.rglob(f"*{PART}") if path.is_file()]
            freed = 0
            for path in paths:
                freed += path.stat().st_size if path.is_file() else 0
                path.unlink(missing_ok=True)
            (folder / marker.NAME).unlink()
        (folder / LOCK).unlink(missing_ok=True)
    except OSError as error:
        if problem := refused(error):
            raise problem from error
        raise
    for place in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        _remove_if_empty(place)
    _remove_if_empty(folder)
    return {"freed": freed}


def bring_in(path: str, name: str, link: bool, report: Report) -> dict[str, Any]:
    """Import a diffusers folder or a .safetensors file: {name, path}. name: "" for its own; link: use it where it lies.

    Under a name of the catalogue only the very model is taken. Raises Problem: bad_model, pickle_refused, bad_input,
    hash_mismatch, no_permission, disk_full.
    """
    source, folder = Path(path).expanduser().absolute(), models_folder()
    refuse_pickle(source)
    files = imports.files_of(source)
    name = imports.check_name(name or (source.stem if source.is_file() else source.name), folder)
    if name in catalogue():
        files = imports.check_is_named(source, files, name)
    content: dict[str, Any] = {"name": name, "complete": True, "source": "imported", "imported": now(), "from": str(source), "files": {}}
    place = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if link:
            place.mkdir()
            marker.write(place, content | {"link": str(source)})
            return {"name": name, "path": str(source)}
        content["files"] = imports.copy(source, files, place, report)
        marker.write(place, content | ({"file": source.name} if source.is_file() else {}))
    except OSError as error:
        if problem := refused(error):
            raise problem from error
        raise
    return {"name": name, "path": str(marker.place(place))}


def _precision(wanted: str) -> str:
    """“auto”: half precision where the device works in it. Raises Problem bad_input."""
    if wanted in PRECISIONS:
        return wanted
    if wanted != "auto":
        raise Problem("bad_input", f"There is no precision “{wanted}”.", f"Choose one of: auto, {', '.join(PRECISIONS)}.")
    try:
        from ..device import choose_device, choose_dtype  # imports PyTorch

        return "float32" if str(choose_dtype("auto", choose_device("auto"))) == "torch.float32" else "float16"
    except ImportError:
        return "float32"


def _expected(name: str) -> tuple[Path, list[tuple[str, int, str]]]:
    """Where a model is, and its files as they should be: (path, size, SHA-256)."""
    if name in EMBEDDED:
        raise Problem("bad_input", f"“{name}” is part of the engine.", "Check the engine instead: selfrect check.")
    folder = models_folder() / name
    content = marker.read(folder)
    if content and content.get("files"):
        return folder, [(path, file["size"], file["sha256"]) for path, file in content["files"].items()]
    place = Path(content["link"]) if content and content.get("link") else find(name)
    if name in catalogue():
        return _expected_of(catalogue()[name], place)
    remedy = "Only models of the catalogue and imported ones can be verified."
    raise Problem("bad_input", f"Nobody has told what the files of “{name}” should be.", remedy)


def _expected_of(wanted: Entry, place: Path) -> tuple[Path, list[tuple[str, int, str]]]:
    if place.is_file():
        files = [file for file in wanted.checkpoints if marker.same_size(place, file.size)] or list(wanted.checkpoints[:1])
        return place.parent, [(place.name, file.size, file.sha256) for file in files]
    files = wanted.needed(foreign.complete_in(place, wanted) or PRECISIONS[0])
    return place, [(file.path, file.size, file.sha256) for file in files]


def _state(path: Path, size: int, sha256: str, progress: Bytes) -> str:
    if not path.is_file():
        return "missing"
    if not marker.same_size(path, size):
        return "wrong size"
    return "good" if file_hash(path, progress.add, anew=True) == sha256 else "wrong content"


def _busy(name: str) -> None:
    raise Problem("install_busy", f"“{name}” is being downloaded just now.", "Cancel the download first, or wait for it.")


def _not_ours(name: str) -> Problem:
    place = models_folder() / name
    if name in EMBEDDED:
        return Problem("bad_input", f"“{name}” is part of the engine and stays with it.", "It takes 30 MB.")
    if name and Path(name).name == name and place.exists():
        sentence = f"{place} was not put there by selfrect, so it is not deleted."
        return Problem("bad_input", sentence, "Delete the folder yourself if it is yours.")
    for other in foreign.find_all():
        if name in (other.name, str(other.path)):
            return Problem("bad_input", f"“{name}” belongs to {other.shelf.tool} ({other.path}).", "Remove it there.")
    return Problem("bad_input", f"There is no downloaded or imported model “{name}”.", "selfrect models list tells which there are.")


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # where something is in it that is not ours
        folder.rmdir()
