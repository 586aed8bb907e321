# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's place in this Blender: which one is used, and the one Installer that panel, preferences and operators share.

The Installer (`host.install`) works in threads and on disk, so what it does outlives a closed window, and several
Blenders see the same. Here are only the questions that need Blender: where, may it go online, who has to be redrawn.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from pathlib import Path

import bpy

from . import extension
from .host.engine_source import problems
from .host.install import Installer, Snapshot, State, root_in
from .scene import editors

_BUSY = 0.1  # seconds between two looks at a busy installer
_LOG_END = 20_000  # letters

#: actions that replace or delete the engine's files; nothing may run from them meanwhile
CHANGES = ("install", "resume", "retry", "repair", "update", "uninstall")
NEED_CONSENT = ("install", "resume", "retry", "repair", "update")

_installer: Installer | None = None
_picked = ""  # the preference that _installer was made for
_to_look = False
_looked = False


def engine_location() -> str:
    """What the queue starts: the preference, else the environment variable SELFRECT_ENGINE, else the installed engine.

    Empty where there is none of them. What a location may be is told by `host.engine_process.engine_command`.
    """
    return custom_location() or (str(snapshot().folder) if snapshot().usable else "")


def custom_location() -> str:
    """The engine that the artist named instead of an installed one, or empty."""
    return extension.preferences().engine_location.strip() or os.environ.get("SELFRECT_ENGINE", "").strip()


def engine_environment() -> dict[str, str]:
    """Variables that the engine is started with: what the preferences say and the command line says by variables."""
    folder = extension.preferences().models_folder.strip()
    return {"SELFRECT_MODELS": bpy.path.abspath(folder)} if folder else {}


def reason() -> str:
    """Why the installed engine cannot be used, in a sentence; empty where it can, or where another one was named."""
    return "" if custom_location() or snapshot().usable else snapshot().sentence


def root() -> Path:
    """The folder of the installed engine: the one that was picked, else one that all of this user's Blenders share."""
    picked = extension.preferences().engine_folder.strip()
    return root_in(Path(bpy.path.abspath(picked))) if picked else extension.shared_folder() / "engine"


def installer() -> Installer:
    """The one Installer. It is replaced when another folder is picked, but never while it works."""
    global _installer, _picked, _looked
    picked = extension.preferences().engine_folder
    if _installer is None or (picked != _picked and not _busy_here(_installer)):
        if _installer is not None:
            _installer.close()
        _installer, _picked, _looked = Installer(root()), picked, False
    return _installer


def snapshot() -> Snapshot:
    """What is true now. Cheap enough for drawing."""
    return installer().snapshot()


def online() -> bool:
    """Whether Blender's own preference allows the network; asked at each start."""
    return bpy.app.online_access


def act(action: str, consent: bool = False) -> None:
    """Do what one of `Snapshot.actions` says and return at once; `snapshot` tells what comes of it.

    consent: the artist has seen what will happen and pressed the button. The engine has to be ended before CHANGES.
    """
    method = getattr(installer(), action)
    if action in NEED_CONSENT:
        method(consent=consent, online=online())
    else:
        method()
    watch()


def look(backend: str = "auto", source: str = "") -> None:
    """Find out what would be installed, and return at once. source: a folder with the packages, instead of the network."""
    global _looked
    _looked = True
    installer().look(backend=backend, source=Path(bpy.path.abspath(source)) if source else None)
    watch()


def look_soon() -> None:
    """For drawing, which must not start anything itself: let the timer look once, so that the plan is there to be read."""
    global _to_look
    if not _looked and not bpy.app.background:
        _to_look = True
        watch()


def details() -> str:
    """What a person who helps wants to read: state, problem, plan, machine, the end of the log."""
    seen = snapshot()
    parts = [f"{seen.state.value}: {seen.sentence} {seen.remedy}", f"engine {seen.folder}, installed {seen.installed}", f"plan {seen.plan}"]
    if seen.problem:
        parts.append(f"{seen.problem.code}: {seen.problem}\n{seen.problem.detail}")
    with contextlib.suppress(OSError):
        parts.append(seen.log.read_text("utf-8", "replace")[-_LOG_END:])
    return "\n\n".join(parts)


def wait() -> Snapshot:
    """Block until the installer is done, for background mode and scripts. Raises Problem where it failed; Ctrl-C cancels."""
    try:
        seen = installer().wait()
    except KeyboardInterrupt:
        installer().cancel()
        installer().wait(5.0)
        raise problems.Problem("cancelled", "The installation was cancelled.", "Start it again; what was fetched is kept.") from None
    if seen.state is State.FAILED:
        raise seen.problem
    return seen


def watch() -> None:
    """Let the timer run while there is something to see. In background mode there is nobody to see it."""
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=_BUSY, persistent=True)


def redraw() -> None:
    """Our panels, and the preferences."""
    editors.redraw()
    for area in editors.areas("PREFERENCES"):
        area.tag_redraw()


def _tick() -> float | None:
    global _to_look
    if _to_look:
        _to_look = False
        if not _looked and snapshot().state is State.NOT_INSTALLED:
            look()
    redraw()
    return _BUSY if snapshot().busy else None


def _busy_here(installer: Installer) -> bool:
    seen = installer.snapshot()
    return seen.busy and seen.mine


def register() -> None:
    """Nothing is looked at, made or started until somebody asks."""
    atexit.register(_stop)


def unregister() -> None:
    """Stop an installation under way; what was fetched is kept on disk."""
    atexit.unregister(_stop)
    _stop()


def _stop() -> None:
    global _installer, _to_look
    _to_look = False
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if _installer is not None:
        _installer.close()
        _installer = None
