# SPDX-License-Identifier: GPL-3.0-or-later
"""Which engines there are, and running one by name. Describing them needs no PyTorch; running one imports it."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from .delivery import delivered
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
    part = _engine(engine)
    settings = part.check(request)  # bad input is told before a model is loaded
    return delivered(request, settings, report, lambda request: _make(part, model, device, dtype, request, report))


def _make(part: Any, model: str, device: str, dtype: str, request: Request, report: Report) -> Result:
    facts = importlib.import_module(".models.facts", __package__)
    if _key(model, device, dtype) not in _loaded and part.without_network(facts.family_of(model), request):
        known = facts.read_facts(model, device, dtype)
        named = {"name": model, "family": known.family, "hash": known.hash}
        return part.synthesize_without(known, named, request, report)
    report("load model", 1, 1)
    return part.synthesize(load(model, device, dtype), request, report)


def plan(
    engine: str, model: str, device: str, dtype: str, sizes: dict[str, Any], settings: dict[str, Any], request: Request | None = None
) -> dict[str, Any]:
    """What a run would take: {calls, calls_if_kept, windows, seconds, peak_memory, notes}, None for what is not known.

    sizes: {references: [[width, height], …], target: [width, height]}, pixels; nothing is loaded for them. With `request`
    the model is loaded, and what is kept of these very pictures is counted. Raises as `synthesize` does.
    """
    part = _engine(engine)
    facts = importlib.import_module(".models.facts", __package__)
    if request is not None:
        part.check(request)
        loaded = load(model, device, dtype)
        return part.plan_of(facts.facts_of(loaded), loaded, request)
    loaded = _loaded.get(_key(model, device, dtype))
    known = facts.facts_of(loaded) if loaded is not None else facts.read_facts(model, device, dtype)
    return part.plan_for(known, loaded, sizes, settings)


def load(model: str, device: str, dtype: str) -> Any:
    """The model, loaded if it is not the one loaded last. Raises as `loading.load_model` does."""
    key = _key(model, device, dtype)
    if key not in _loaded:
        release()  # before loading: two models at once may not fit
        _loaded[key] = importlib.import_module(".models.loading", __package__).load_model(model, device, dtype)
    return _loaded[key]


def release() -> None:
    """Forget the loaded model and what is kept in memory, so that others can use it. What is kept on disk stays."""
    _loaded.clear()
    _kept().release()
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_initialized():
        sys.modules["torch"].cuda.empty_cache()


def clear_kept() -> dict[str, int]:
    """Forget everything that is kept of earlier runs, on disk too: {entries, bytes} that were there."""
    return _kept().clear()


def _kept() -> Any:
    return importlib.import_module(".kept", __package__).store()


def _engine(name: str) -> Any:
    if name not in _FOLDERS:
        raise Problem("bad_input", f"There is no engine “{name}”.", f"Choose one of: {', '.join(_FOLDERS)}.")
    return importlib.import_module(f".engines.{_FOLDERS[name]}", __package__)


def _key(model: str, device: str, dtype: str) -> str:
    return f"{model}|{device}|{dtype}"


def _part(folder: str, name: str):
    return importlib.import_module(f".engines.{folder}.{name}", __package__)
