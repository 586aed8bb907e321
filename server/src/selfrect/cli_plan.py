# SPDX-License-Identifier: GPL-3.0-or-later
"""`selfrect rectify --plan`: what a run would take, without running it."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engine import Request


def tell(given: argparse.Namespace, engine: str, request: Request) -> None:
    """Print it: one line for a person, or the whole as data. Raises Problem as running would."""
    from . import registry

    with contextlib.redirect_stdout(sys.stderr):  # whatever the libraries print
        plan = registry.plan(engine, given.model, given.device, given.dtype, {}, {}, request)
    print(json.dumps(plan, indent=2) if given.json else line(plan))


def line(plan: dict[str, Any]) -> str:
    """`351 network calls (263 for another target), about 0:43, at most 1.2 GB of memory, 9 windows`; `no network calls, about 0:05`"""
    from .cli_cache import size
    from .console import minutes

    parts = [f"{plan['calls']} network calls ({plan['calls_if_kept']} for another target with the same reference)"]
    if plan["calls"] == 0:
        parts = ["no network calls"]
    if plan["seconds"] is not None:
        parts.append(f"about {minutes(plan['seconds'])}")
    if plan["peak_memory"] is not None:
        parts.append(f"at most {size(plan['peak_memory'])} of memory")
    if plan["windows"]["count"] > 1:
        parts.append(f"{plan['windows']['count']} windows")
    return ", ".join(parts)
