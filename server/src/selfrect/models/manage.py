# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done with models' files: the command line, the wire and Blender all come through here. No PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..problems import Problem
from .store import models, models_folder

__all__ = ["bring_in", "download", "models", "remove", "verify", "where"]


def where() -> dict[str, Any]:
    """{folder: where models are kept}"""
    return {"folder": str(models_folder())}


def _not_yet(*_: Any) -> dict[str, Any]:
    raise Problem("bad_input", "This engine cannot do that yet.", "Put the model's diffusers folder into the models folder.")


download: Callable[..., dict[str, Any]] = _not_yet
verify: Callable[..., dict[str, Any]] = _not_yet
remove: Callable[..., dict[str, Any]] = _not_yet
bring_in: Callable[..., dict[str, Any]] = _not_yet
