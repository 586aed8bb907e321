# SPDX-License-Identifier: GPL-3.0-or-later
"""selfrect-model.json: what lies in a model's folder, who put it there, and whether all of it is there yet.

{name, complete, licence, licence_accepted (time), source, files: {path: {size, sha256, ours}}}; of an imported checkpoint
also `file` (its name), of one that is used where it lies `link` (its path). ours: put there by us, so ours to remove.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

NAME = "selfrect-model.json"


def read(folder: Path) -> dict[str, Any] | None:
    """The marker of a model's folder; None where there is none that makes sense."""
    try:
        found = json.loads((folder / NAME).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    sound = isinstance(found, dict) and isinstance(found.get("files", {}), dict)
    return found if sound and all(isinstance(file, dict) for file in found.get("files", {}).values()) else None


def write(folder: Path, content: dict[str, Any]) -> None:
    """Write it whole or not at all. Raises OSError."""
    part = folder / f"{NAME}.part"
    with part.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / NAME)


def place(folder: Path) -> Path | None:
    """What to load from a model's folder: itself, its one checkpoint, or what it links to. None: not (wholly) there.

    A folder without a marker was put there by hand and is taken as it is.
    """
    found = read(folder)
    if found is None:
        return folder if (folder / "unet").is_dir() and not (folder / NAME).exists() else None
    if link := found.get("link"):
        return Path(link) if Path(link).exists() else None
    if not found.get("complete") or not all(same_size(folder / path, file.get("size")) for path, file in found["files"].items()):
        return None
    return folder / found["file"] if found.get("file") else folder


def same_size(path: Path, size: int | None) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False
