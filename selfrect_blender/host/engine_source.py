# SPDX-License-Identifier: GPL-3.0-or-later
"""`problems`, `protocol` and `inputs`: the files of the engine that both sides use, loaded from the engine's own source.

The extension's zip ships server/src/selfrect. It is not put on sys.path and `selfrect` itself is not imported: an
empty package inside this one gets that folder as its search path, so the modules live in sys.modules under the
extension's own name and cannot meet another copy of the engine.
"""
from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from pathlib import Path

#: The engine's source, in the repository and in the installed extension alike.
ENGINE_SOURCE = Path(__file__).resolve().parents[2] / "server" / "src" / "selfrect"
#: What `pip install` takes to make an engine of it.
SERVER_FOLDER = ENGINE_SOURCE.parents[1]

_PACKAGE = f"{__package__}.wire"


def _load(name: str):
    if _PACKAGE not in sys.modules:
        spec = importlib.machinery.ModuleSpec(_PACKAGE, loader=None, is_package=True)
        spec.submodule_search_locations = [str(ENGINE_SOURCE)]
        sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f"{_PACKAGE}.{name}")


problems = _load("problems")
protocol = _load("protocol")
inputs = _load("inputs")
