# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything of an installed engine lies. All of it is below one folder that is ours alone."""
from __future__ import annotations

import os
import shutil
import stat
import sys
import time
from pathlib import Path

from ..engine_source import SERVER_FOLDER, problems

WINDOWS = sys.platform == "win32"
#: The lists of packages, in the repository and in the installed extension alike; an offline bundle lies there, too.
LISTS_FOLDER = SERVER_FOLDER.parent / "wheels"
OWN_FOLDER = "selfrect-engine"
WINDOWS_LONGEST_PATH = 259


class Places:
    """env: the environment in use; new: the next one, until its test has passed; old: the former, while they change places."""

    def __init__(self, root: Path):
        self.root = root
        self.env, self.new, self.old = root / "env", root / "env.new", root / "env.old"
        self.downloads, self.tools, self.pythons = root / "downloads", root / "tools", root / "python"
        self.cache, self.temp = root / "cache", root / "tmp"
        self.log, self.progress, self.lock, self.order = (
            root / name for name in ("install.log", "install.json", "install.lock", "order.json")
        )

    def everything(self) -> list[Path]:
        """What uninstalling deletes. The lock stays to the last: it is held meanwhile."""
        return [self.env, self.new, self.old, self.downloads, self.tools, self.pythons, self.cache, self.temp,
                self.log, self.progress, self.order]  # fmt: skip


def engine_folder(root: Path) -> Path:
    """The environment's folder, as `engine_process.engine_command` takes it."""
    return Places(root).env


def root_in(picked: Path) -> Path:
    """The root for a folder that the user picked: itself where it is empty, not there yet, or ours; else a folder in it."""
    picked = picked.expanduser()
    try:
        taken = any(picked.iterdir())
    except OSError:
        taken = False  # not there, or not readable: told when it is written to
    ours = any(place.exists() for place in (Places(picked).order, Places(picked).env, Places(picked).lock))
    return picked / OWN_FOLDER if taken and not ours else picked


def python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if WINDOWS else "bin/python")


def site_packages(environment: Path) -> Path | None:
    """The folder of an environment that packages go to; None where there is none."""
    found = [environment / "Lib" / "site-packages"] if WINDOWS else sorted(environment.glob("lib/python3.*/site-packages"))
    return found[0] if found and found[0].is_dir() else None


def existing(path: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def free_bytes(path: Path) -> int:
    try:
        return shutil.disk_usage(existing(path)).free
    except OSError:
        return 0


def writing_obstacle(root: Path) -> problems.Problem | None:
    """Why nothing can be written below root; None where it can. Leaves nothing behind."""
    probe = existing(root) / f".selfrect-{os.getpid()}"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        sentence = f"Nothing can be written to {existing(root)}: {error.strerror or error}."
        return problems.Problem("no_permission", sentence, "Choose another folder for the engine in the preferences.")
    return None


def length_obstacle(root: Path, longest: int, long_paths: bool) -> problems.Problem | None:
    """Windows only: why the longest path of the engine would not fit. longest: letters below the environment."""
    too_many = len(str(Places(root).new)) + 1 + longest - WINDOWS_LONGEST_PATH
    if long_paths or too_many <= 0:
        return None
    return problems.Problem(
        "path_too_long",
        f"The engine's files would get paths of up to {WINDOWS_LONGEST_PATH + too_many} letters in {root}; "
        f"Windows allows {WINDOWS_LONGEST_PATH}.",
        "Choose a folder with a shorter path in the preferences, such as C:\\selfrect.",
    )


def remove(path: Path, patience: float = 2.0) -> None:
    """Delete a file or folder, also one that is marked read-only; a virus scanner may hold a file for a moment.

    Raises OSError where something is left.
    """
    until = time.monotonic() + patience
    while True:
        try:
            if path.is_dir() and not path.is_symlink():
                _make_writable(path)
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            return
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def move(source: Path, target: Path, patience: float = 2.0) -> None:
    """Rename, with patience for a virus scanner. Raises OSError."""
    until = time.monotonic() + patience
    while True:
        try:
            return source.rename(target) and None
        except PermissionError:
            if not WINDOWS or time.monotonic() > until:
                raise
            time.sleep(0.1)


def _make_writable(folder: Path) -> None:
    """Files of some packages are read-only, which Windows refuses to delete; a folder without w refuses on Unix."""
    for place, folders, files in os.walk(folder):
        for name in [".", *folders] + (files if WINDOWS else []):
            path = os.path.join(place, name)
            mode = os.lstat(path).st_mode
            if not stat.S_ISLNK(mode) and not mode & stat.S_IWUSR:
                os.chmod(path, mode | stat.S_IWUSR)
