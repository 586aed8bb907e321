# SPDX-License-Identifier: GPL-3.0-or-later
"""Which engines there are, and running one by name. Describing them needs no PyTorch; running one imports it."""

from __future__ import annotations

import importlib
from typing import Any

from .engine import Description, Report, Request, Result, silent
from .problems import Problem

# name → its folder under engines/. A new engine is a new line here and a folder of the same shape.
_FOLDERS = {"self-rectification": "self_rectification"}

# One model stays loaded between requests: loading costs seconds, and an artist rectifies again and again.
_loaded: dict[str, Any] = {}


def engines() -> list[Description]:
    """The description of each engine."""
    return [_part(folder, "description").DESCRIPTION for folder in _FOLDERS.values()]


def synthesize(
    engine: str, model: str, device: str, dtype: str, request: Request, report: Report = silent
) -> Result:
    """Run one engine on one request, loading the model first if it is not the one loaded last.

    Raises Problem: bad_input for an unknown engine or a bad request, and all that loading and the engine raise.
    """
    if engine not in _FOLDERS:
        raise Problem("bad_input", f"There is no engine “{engine}”.", f"Choose one of: {', '.join(_FOLDERS)}.")
    part = importlib.import_module(f".engines.{_FOLDERS[engine]}", __package__)
    part.check(request)  # bad input is told before a model is loaded
    report("load model", 1, 1)
    return part.synthesize(_model(model, device, dtype), request, report)


def release() -> None:
    """Forget the loaded model, so that its memory can be used by others."""
    _loaded.clear()


def _model(name: str, device: str, dtype: str):
    key = f"{name}|{device}|{dtype}"
    if key not in _loaded:
        _loaded.clear()  # before loading: two models at once may not fit
        _loaded[key] = importlib.import_module(".models.loading", __package__).load_model(name, device, dtype)
    return _loaded[key]


def _part(folder: str, name: str):
    return importlib.import_module(f".engines.{folder}.{name}", __package__)
