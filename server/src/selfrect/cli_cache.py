# SPDX-License-Identifier: GPL-3.0-or-later
"""`selfrect cache`: what is kept of earlier runs on this machine, and how to be rid of it. No PyTorch."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .interrupt import Interrupt


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clear", action="store_true", help="delete it all; the next run takes longer once")
    parser.add_argument("--json", action="store_true", help="print as data")


def run(given: argparse.Namespace, interrupt: Interrupt) -> None:
    """Tell, after clearing if that is asked for."""
    from . import kept

    store = kept.store()
    cleared = store.clear() if given.clear else None
    disk = store.usage()["disk"]
    if given.json:
        print(json.dumps(disk | ({"cleared": cleared} if cleared else {}), indent=2))
    elif cleared:
        print(f"{files(cleared['entries'])} deleted ({size(cleared['bytes'])}) in {disk['folder']}")
    else:
        print(f"{files(disk['entries'])}, {size(disk['bytes'])} of {size(disk['budget'])}, in {disk['folder']}")


def add_budgets(parser: argparse.ArgumentParser) -> None:
    """The flags of a process that keeps things for long."""
    from .kept import budgets

    parser.add_argument("--keep-memory", metavar="SIZE", help="memory for what later runs can use again: 2G, 500M, 0 for "
                        f"nothing (default: {budgets.MEMORY_VARIABLE}, or a quarter)")  # fmt: skip
    parser.add_argument("--keep-disk", metavar="SIZE", help=f"the same on disk (default: {budgets.DISK_VARIABLE}, or 4G)")


def use_budgets(given: argparse.Namespace) -> None:
    """Raises Problem bad_input for what is no size."""
    from . import kept
    from .kept import budgets

    memory, disk = (budgets.parse(text) if text else None for text in (given.keep_memory, given.keep_disk))
    kept.use(memory=memory, disk=disk)


def size(count: int) -> str:
    """`3.2 GB`, `12 MB`, `0 MB`"""
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"


def files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
