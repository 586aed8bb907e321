# SPDX-License-Identifier: GPL-3.0-or-later
"""What an earlier run left that a later one can use: `keys` (what it is of), `in_memory`, `on_disk`, `store` (both together).

Everything here may vanish at any time and only costs time. Values are dictionaries of tensors by name; nothing here knows
what they mean.
"""

from __future__ import annotations

from pathlib import Path

from .store import Store

_current: Store | None = None


def store() -> Store:
    """The store of this process, made when it is first asked for."""
    global _current
    if _current is None:
        _current = Store()
    return _current


def use(folder: Path | None = None, memory: int | None = None, disk: int | None = None) -> Store:
    """Begin anew with another folder or other budgets in bytes; None takes the environment's, or the default. 0 keeps nothing."""
    global _current
    _current = Store(folder, memory, disk)
    return _current
