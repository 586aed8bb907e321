# SPDX-License-Identifier: GPL-3.0-or-later
"""Self-rectification (arXiv 2401.02847), one file per step, in the order of the data:

`method` (the story) · `preparation` (pictures → `Work`, with `inputs`, `background`, `plan`, `room`) · `ddim` · `network` ·
`kv_injection` · `windows` · `inversion` (with `latents`) · `structure` · `sampling` (with `previews`) · `finish` (patches, after the
network or instead) · `record`. `keeping` says what later runs find again, `dry_plan` what a run would take. The
codec and the loaded network live in `selfrect.models`.

What is below is imported when first used, because `description` and `settings` must be readable without PyTorch.
"""

from __future__ import annotations

import importlib

_HOME = {
    "rectify": "method",
    "synthesize": "method",
    "check": "inputs",
    "plan_for": "dry_plan",
    "plan_of": "dry_plan",
    "without_network": "finish",
    "synthesize_without": "finish",
}


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
