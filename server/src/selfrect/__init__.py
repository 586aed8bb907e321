# SPDX-License-Identifier: GPL-3.0-or-later
"""selfrect: rough target + reference texture → one coherent texture (self-rectification, arXiv 2401.02847).

Five lines::

    model = selfrect.load_model("mini")
    reference, target = selfrect.read_image("reference.png"), selfrect.read_image("target.png")
    result = selfrect.rectify(model, reference, target, selfrect.Settings(seed=1))
    selfrect.write_image("result.png", result.image)
    print(result.record)

Every name below is imported when it is first used: `import selfrect` costs nothing, and Blender's side reads
`protocol` and `problems` from this package without PyTorch being there at all.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_HOME = {
    "load_model": "models.loading",
    "Model": "models.model",
    "rectify": "engines.self_rectification",
    "Settings": "engines.self_rectification.settings",
    "Result": "engine",
    "Problem": "problems",
    "read_image": "image",
    "read_data": "image",
    "write_image": "image",
    "write_data": "image",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
