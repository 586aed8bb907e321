# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of the catalogue into a folder: only what is missing, every file checked, resumed at any byte. No PyTorch.

A file is fetched as `….part`, which stays when the download is cut, and takes its name when its size and SHA-256 are
right. The folder's marker says `complete` last, so that half a model is never taken for one.
"""

from __future__ import annotations

import errno
import shutil
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote, urlsplit

from ...problems import Problem
from ..cache import file_hash
from ..catalogue import Entry, File
from . import fetch_file, marker
from .fetch_file import Patience, get_from_any, part_of, size_of
from .lock import locked
from .progress import Bytes, Report

HUB = "https://huggingface.co"
_RESERVE = 200_000_000  # bytes that stay free on the disk


def download(entry: Entry, precision: str, folder: Path, endpoint: str, report: Report, patience: Patience | None = None) -> None:
    """Make the model complete in its folder. endpoint: address of a hub, such as HUB.

    Raises Problem: download_failed, offline, hash_mismatch, disk_full, no_permission, and what the report raises.
    """
    files, patience = entry.needed(precision), patience or fetch_file.PATIENCE
    progress = Bytes(report, "download", sum(file.size for file in files))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder, lambda: progress.tell("wait for another download")):
            missing = [file for file in files if not _is_there(folder / file.path, file, progress)]
            _check_space(folder, missing)
            content = _begin(entry, folder)
            sources = [f"{endpoint}/{repository}/resolve/{quote(entry.revision)}" for repository in (entry.repository, *entry.mirrors)]
            for file in missing:
                get_from_any(sources, file, folder / file.path, progress, patience)
                content["files"][file.path] = {"size": file.size, "sha256": file.sha256, "ours": True}
                marker.write(folder, content)
            for file in files:
                content["files"].setdefault(file.path, {"size": file.size, "sha256": file.sha256, "ours": False})
            marker.write(folder, content | {"complete": True})
    except OSError as error:
        if problem := refused(error):
            raise problem from error
        error.filename = error.filename or str(folder)  # a full disk should be told which
        raise


def check_endpoint(address: str) -> str:
    """An address of a hub without its last slash. Raises Problem bad_input."""
    if urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).netloc:
        raise Problem("bad_input", f"“{address}” is not a web address.", f"Give one that begins with https://, such as {HUB}.")
    return address.rstrip("/")


def now() -> str:
    """For the record: the time in the world's clock."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def refused(error: OSError) -> Problem | None:
    """The Problem of a folder that we may not write to, or None where it is something else."""
    if not isinstance(error, PermissionError) and error.errno not in (errno.EROFS, errno.ENOTDIR):
        return None
    sentence = f"“{error.filename or 'The models folder'}” cannot be opened or written: {error.strerror}."
    return Problem("no_permission", sentence, "Choose another models folder (SELFRECT_MODELS), or ask who looks after this one.")


def _begin(entry: Entry, folder: Path) -> dict:
    """The marker's content, written so that from now on the folder is known as one that is not complete."""
    content = marker.read(folder) or {"complete": False}
    content |= {"name": entry.name, "source": "downloaded", "licence": entry.licence}
    content.setdefault("licence_accepted", now())
    content = {key: value for key, value in content.items() if key not in ("file", "link")}  # of an import before
    content.setdefault("files", {})
    marker.write(folder, content)
    return content


def _is_there(path: Path, file: File, progress: Bytes) -> bool:
    if not marker.same_size(path, file.size):
        return False
    progress.file = file.path
    before = progress.done
    if file_hash(path, progress.add) != file.sha256:
        progress.done = before
        return False
    progress.done = before + file.size
    return True


def _check_space(folder: Path, missing: list[File]) -> None:
    needed = sum(file.size - size_of(part_of(folder / file.path)) for file in missing)
    free = shutil.disk_usage(folder).free
    if missing and needed + min(_RESERVE, needed) > free:
        sentence = f"{needed / 1e9:.1f} GB are needed in {folder}, {free / 1e9:.1f} GB are free."
        raise Problem("disk_full", sentence, "Free some space, or choose another models folder (SELFRECT_MODELS).")
