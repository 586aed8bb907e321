# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing goes online but a download that was asked for: the libraries' own ways are closed. No PyTorch."""

from __future__ import annotations

import os

_SWITCHES = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_XET": "1",
}
_users_own: dict[str, str] | None = None


def close() -> None:
    """For a process of ours, before any of the libraries is imported. What the user had set is remembered."""
    global _users_own
    if _users_own is None:
        _users_own = {name: os.environ[name] for name in _SWITCHES if name in os.environ}
    os.environ.update(_SWITCHES)


def asked_for_by_user() -> bool:
    """Whether the user, not we, set HF_HUB_OFFLINE."""
    before = os.environ if _users_own is None else _users_own
    return before.get("HF_HUB_OFFLINE", "").strip().lower() in ("1", "on", "yes", "true")
