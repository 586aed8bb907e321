# SPDX-License-Identifier: GPL-3.0-or-later
"""uv, the program that resolves and installs: taken out of its own wheel, whose SHA-256 stands in wheels/uv.txt.

The wheel comes from the offline bundle, or from the user's index through the pip that every official Blender's Python
carries within `ensurepip`; pip is run from there and installed nowhere, and knows its index, proxies and certificates itself.
"""
from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from .. import child
from ..engine_source import problems
from .control import Control
from .faults import hash_mismatch, of_file, of_output
from .places import LISTS_FOLDER, Places
from .run import run
from .settings import clean_environment, pip_environment, uv_environment

_PROGRAM = "uv.exe" if child.WINDOWS else "uv"
SIZE = 20 << 20  # of its wheel, about


def pinned() -> tuple[str, frozenset[str]]:
    """Its version and the SHA-256 of all its wheels."""
    text = (LISTS_FOLDER / "uv.txt").read_text("utf-8")
    return re.search(r"^uv==([\w.]+)", text, re.MULTILINE)[1], frozenset(re.findall(r"sha256:([0-9a-f]{64})", text))


class Uv:
    """The program, ready to be run. source: a folder that may hold its wheel. online: whether it may be fetched, and may fetch."""

    def __init__(self, places: Places, control: Control, online: bool, source: Path | None = None):
        self.places, self.control, self.online = places, control, online
        self.program = places.tools / f"uv-{pinned()[0]}" / _PROGRAM
        if not self.program.is_file():
            wheel = _wheel_in(source) or _wheel_in(places.downloads) or self._fetch()
            try:
                self._unpack(wheel)
            except OSError as error:
                raise of_file(error) from error

    def __call__(self, *arguments: object, doing: str, watch: Callable[[], None] = lambda: None, online: bool | None = None) -> str:
        """Run it; its stdout. Raises Problem by its last words, or Cancelled."""
        network = self.online if online is None else online
        command = [self.program, *arguments, *_configuration(), "--no-progress", "--color", "never", *([] if network else ["--offline"])]
        environment = (uv_environment() if network else clean_environment()) | self._folders()
        for name in ("cache", "temp"):
            getattr(self.places, name).mkdir(parents=True, exist_ok=True)
        code, out, err = run(command, environment, self.control, watch, folder=self.places.temp)
        if code != 0:
            raise of_output(err or out, doing)
        return out

    def _folders(self) -> dict[str, str]:
        return {
            "UV_CACHE_DIR": str(self.places.cache),
            "UV_PYTHON_INSTALL_DIR": str(self.places.pythons),
            "UV_PYTHON_INSTALL_BIN": "0",
            "UV_PYTHON_INSTALL_REGISTRY": "0",
            "UV_CONCURRENT_DOWNLOADS": "4",
            "TMPDIR": str(self.places.temp),
            "TEMP": str(self.places.temp),
            "TMP": str(self.places.temp),
        } | {name: value for name, value in {"UV_HTTP_TIMEOUT": "20"}.items() if name not in os.environ}

    def _fetch(self) -> Path:
        """Its wheel, by pip. The hash is checked by pip, and once more by us."""
        if not self.online:
            raise problems.Problem(
                "offline",
                "The installer's own tool (uv) is not here, and the network may not be used.",
                "Allow online access in Blender's preferences (System), or install from an offline bundle.",
            )
        environment = pip_environment() | {"TMPDIR": str(self.places.temp), "TEMP": str(self.places.temp)}
        self.places.temp.mkdir(parents=True, exist_ok=True)
        self.places.downloads.mkdir(parents=True, exist_ok=True)
        command = [*_pip(self.control), "download", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--no-cache-dir",
                   "--progress-bar", "off", "--timeout", "20", "--retries", "3", "-r", LISTS_FOLDER / "uv.txt",
                   "-d", self.places.downloads]  # fmt: skip
        code, out, err = run(command, environment, self.control, self._measure, limit=1800, folder=self.places.temp)
        wheel = _wheel_in(self.places.downloads)
        if code != 0 or wheel is None:
            raise of_output(err or out, "Fetching uv")
        return wheel

    def _measure(self) -> None:
        found = (os.path.join(place, name) for place, _, names in os.walk(self.places.temp) for name in names if name.endswith(".whl"))
        done = sum(map(_size, found))
        self.control.part(done / SIZE, done, SIZE)

    def _unpack(self, wheel: Path) -> None:
        if hashlib.sha256(wheel.read_bytes()).hexdigest() not in pinned()[1]:
            raise hash_mismatch(wheel.name, str(wheel))
        with zipfile.ZipFile(wheel) as archive:
            name = next(name for name in archive.namelist() if name.endswith(f".data/scripts/{_PROGRAM}"))
            self.program.parent.mkdir(parents=True, exist_ok=True)
            unfinished = self.program.with_suffix(".part")
            with archive.open(name) as source, unfinished.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        unfinished.chmod(0o755)
        unfinished.replace(self.program)


def _wheel_in(folder: Path | None) -> Path | None:
    """uv's wheel of the pinned version for this machine; several may lie there."""
    found = sorted(folder.glob(f"uv-{pinned()[0]}-*.whl")) if folder is not None else []
    return next((wheel for wheel in found if _fits(wheel.name)), None)


def _fits(wheel: str) -> bool:
    arch = {"amd64": ("x86_64", "amd64"), "x86_64": ("x86_64", "amd64")}.get(platform.machine().lower(), ("aarch64", "arm64"))
    system = {"win32": "win_", "darwin": "macosx_"}.get(sys.platform, "linux")
    return system in wheel and any(word in wheel for word in arch)


def _configuration() -> list[str]:
    """The user's own uv.toml, and no project's that happens to lie above the folder we work in."""
    if child.WINDOWS:
        own = Path(os.environ.get("APPDATA", "")) / "uv" / "uv.toml"
    else:
        own = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "uv" / "uv.toml"
    return ["--config-file", str(own)] if own.is_file() else ["--no-config"]


def _pip(control: Control) -> list[str]:
    """A pip that runs without being installed: from `ensurepip`, the distribution's wheels, or a Python that has one."""
    spec = importlib.util.find_spec("ensurepip")
    bundled = Path(spec.origin).parent / "_bundled" if spec is not None and spec.origin else Path("/nowhere")
    for folder in (bundled, Path("/usr/share/python-wheels")):
        wheel = next(iter(sorted(folder.glob("pip-*.whl"), reverse=True)), None)
        if wheel is not None:
            return [own_python(), "-I", f"{wheel}/pip"]
    candidates = [own_python(), *filter(None, map(shutil.which, ("python3", "python", "py")))]
    for python in candidates:
        if run([python, "-I", "-m", "pip", "--version"], clean_environment(), control, limit=30)[0] == 0:
            return [python, "-I", "-m", "pip"]
    raise problems.Problem(
        "install_failed",
        "No pip was found to fetch the installer with: this Blender's Python comes without one.",
        "Install pip for the system's Python (Debian: apt install python3-pip), use Blender from blender.org, or an offline bundle.",
    )


def own_python() -> str:
    """The Python that we run in, as a program: Blender says sys.executable for it."""
    if Path(sys.executable).name.lower().startswith("python"):
        return sys.executable
    beside = Path(sys.prefix) / ("bin/python.exe" if child.WINDOWS else f"bin/python{sys.version_info[0]}.{sys.version_info[1]}")
    return str(beside) if beside.is_file() else (shutil.which("python3") or sys.executable)


def _size(path: str) -> int:
    """Bytes; 0 of what pip has moved or removed meanwhile."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
