# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder with wheels to install from without a network: an offline bundle, which describes itself, or any other."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .marker import read_json
from .places import LISTS_FOLDER
from .pythons import ORDER

DESCRIPTION = "bundle.json"


@dataclass(frozen=True)
class Bundle:
    """platform, arch, backend: what it is for; "" where a plain folder does not say. pythons: the versions its wheels fit.

    bytes: of all wheels. archive: a managed Python, or None.
    """

    folder: Path
    platform: str = ""
    arch: str = ""
    backend: str = ""
    pythons: tuple[str, ...] = ORDER
    bytes: int = 0
    archive: Path | None = None


def bundle_in(folder: Path | None = None) -> Bundle | None:
    """What a folder holds; None where it holds no wheels. Without a folder: what came along with the extension."""
    place = folder or LISTS_FOLDER
    told = read_json(place / DESCRIPTION)
    wheels = list(place.glob("*.whl")) if told or folder is not None else []
    if not wheels:
        return None
    archive = place / told["archive"] if told.get("archive") else None
    return Bundle(
        place.resolve(),
        told.get("platform", ""),
        told.get("arch", ""),
        told.get("backend", ""),
        tuple(told.get("pythons", ORDER)),
        sum(wheel.stat().st_size for wheel in wheels),
        archive if archive is not None and archive.is_file() else None,
    )
