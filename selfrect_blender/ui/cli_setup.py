# SPDX-License-Identifier: GPL-3.0-or-later
"""`blender --command selfrect setup …`: the engine from a shell, for machines that nobody sits at."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import bpy

from .. import extension, setup
from ..host.engine_source import problems
from ..setup import Snapshot, State
from .text import size

_EPILOG = (
    "Without an action it tells what is there and what an installation would do. Downloads need `blender --online-mode` or the "
    "preference; --source needs no network."
)


def add_parser(commands: Any) -> None:
    """Add `setup` to the command's parsers."""
    parser = commands.add_parser("setup", help="install, test or remove the engine", description=__doc__, epilog=_EPILOG)
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--install", action="store_true", help="install it, or update, resume or repair what is there")
    action.add_argument("--test", action="store_true", help="let it make a small picture on its device")
    action.add_argument("--uninstall", action="store_true", help="delete it; models are kept")
    parser.add_argument("--yes", action="store_true", help="consent to the download and the use of disk that are told without it")
    parser.add_argument("--backend", default="auto", help="cuda, cuda-legacy, rocm, xpu, mps or cpu; default: what suits the machine")
    parser.add_argument("--source", default="", metavar="FOLDER", help="install from a folder with the packages (offline bundle)")
    parser.add_argument("--folder", metavar="FOLDER", help="where to; kept in the preferences")
    parser.add_argument("--report", metavar="JSON", help="write a report to this file; - prints it")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, report: dict[str, Any]) -> None:
    """Do it, telling each step on stderr. Raises Problem."""
    if options.folder:
        extension.preferences().engine_folder = options.folder
        bpy.ops.wm.save_userpref()
    if options.uninstall or options.test:
        seen = _follow(lambda: setup.act("uninstall" if options.uninstall else "test"))
    else:
        seen = _follow(lambda: setup.look(options.backend, options.source))
        if seen.plan:
            _tell_plan(seen)
        if options.install:
            seen = _install(options, seen)
    if seen.state is not State.PLANNED:  # the plan has been told
        _say(f"{seen.sentence} {seen.remedy}".strip())
    report.update(state="done", engine=seen.state.value, folder=str(seen.folder), usable=seen.usable)
    report["backend"] = seen.installed.backend if seen.installed else None


def _install(options: argparse.Namespace, seen: Snapshot) -> Snapshot:
    if not options.yes:
        raise problems.Problem("consent_missing", "Nothing is installed without your consent.", "Add --yes to do what is told above.")
    if seen.plan and seen.plan.obstacles:
        raise seen.plan.obstacles[0]
    return _follow(lambda: setup.act("install", consent=True))


def _follow(start: Any) -> Snapshot:
    """Start it and tell its steps until it is done. Raises Problem."""
    start()
    told = ""
    while (seen := setup.snapshot()).busy:
        if seen.state is not State.LOOKING and seen.step_text != told:
            told = seen.step_text
            _say(told)
        time.sleep(0.1)
    return setup.wait()


def _tell_plan(seen: Snapshot) -> None:
    plan = seen.plan
    _say(f"{plan.backend}: {size(plan.download_bytes)} to download, {size(plan.disk_bytes)} of disk in {plan.root}; from {plan.source}")
    for choice in plan.choices:
        _say(f"  {choice.name}: {choice.title}. {choice.reason}")
    for words in (*plan.notes, *map(str, plan.obstacles)):
        _say(f"  {words}")


def _say(text: str) -> None:
    print(f"selfrect: {text}", file=sys.stderr)
