# SPDX-License-Identifier: GPL-3.0-or-later
"""The child process: which command, in which environment, its last words, and its certain end.

No shell, no select: two threads follow the child, one its stderr and one its exit, so that it is always reaped.
"""
from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from . import child
from .engine_source import SERVER_FOLDER, problems

STDERR_LINES = 60
_LONGEST_LINE = 4096  # bytes; a child that writes without line ends must not fill our memory
_WINDOWS = sys.platform == "win32"
_SET_LOCATION = "Set the engine's location in the extension's preferences."


def engine_command(location: str) -> list[str]:
    """The command that starts the engine's `serve`.

    location: a folder of a Python environment with selfrect installed, a Python executable of one, a `selfrect`
    executable, or a command such as `ssh host selfrect serve`. Raises Problem("engine_missing") where nothing is there.
    """
    location = location.strip()
    if not location:
        raise problems.Problem("engine_missing", "No engine is set up.", _SET_LOCATION)
    path = Path(location).expanduser()
    if path.is_dir():
        return [str(_in_environment(path)), "serve"]
    if path.is_file():
        return _serve_of(str(path))
    words = _words(location)
    program = shutil.which(words[0])
    if program is None:
        sentence = f"There is no engine at “{location}”: neither a folder, nor a file, nor a command of this machine."
        raise problems.Problem("engine_missing", sentence, _SET_LOCATION)
    return [program, *words[1:]] if len(words) > 1 else _serve_of(program)


def _in_environment(folder: Path) -> Path:
    """The `selfrect` command of a Python environment's folder."""
    executable = folder / ("Scripts/selfrect.exe" if _WINDOWS else "bin/selfrect")
    if executable.is_file():
        return executable
    python = folder / ("Scripts/python.exe" if _WINDOWS else "bin/python")
    if python.exists():
        install = f"Install it there: {python} -m pip install {SERVER_FOLDER}"
        raise problems.Problem("engine_missing", f"The Python environment “{folder}” has no engine in it.", install)
    sentence = f"The folder “{folder}” is not a Python environment: {executable} is missing."
    raise problems.Problem("engine_missing", sentence, _SET_LOCATION)


def _words(location: str) -> list[str]:
    """A command line as words. On Windows backslashes are part of paths, so only the quotes are taken off."""
    try:
        return [word.strip('"') for word in shlex.split(location, posix=False)] if _WINDOWS else shlex.split(location)
    except ValueError as error:  # a quote that is not closed
        raise problems.Problem("engine_missing", f"“{location}” is not a command: {error}.", _SET_LOCATION) from error


def _serve_of(executable: str) -> list[str]:
    if Path(executable).name.lower().startswith("python"):
        return [executable, "-I", "-m", "selfrect", "serve"]  # -I: nothing of the current folder is imported
    return [executable, "serve"]


def engine_environment(more: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Our environment without what would send the engine's Python to Blender's or the user's packages. more: added to it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "__PYVENV"))}
    return kept | {"PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": "1"} | dict(more)


class EngineProcess:
    """A running child. `stdin` and `stdout` are its unbuffered pipes; each belongs to one thread of the link.

    environment: variables beside those of `engine_environment`.

    Raises Problem("engine_start") where the system refuses to start the command.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str] = MappingProxyType({})):
        self.command = command
        self._last_lines: deque[str] = deque(maxlen=STDERR_LINES)
        self._popen = _start(command, environment)
        self.stdin, self.stdout = self._popen.stdin, self._popen.stdout
        self._exited = threading.Event()
        self._listener = _thread("stderr", self._listen)
        _thread("exit", self._await_exit)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal on Unix."""
        return self._popen.returncode if self._exited.is_set() else None

    def stderr_tail(self) -> str:
        """The last lines that the child wrote to stderr."""
        return "\n".join(self._last_lines.copy())

    def wait(self, seconds: float) -> bool:
        """Whether it has exited and been reaped, waiting at most so long."""
        return self._exited.wait(seconds)

    def last_words(self, seconds: float) -> None:
        """Wait, at most so long, until its stderr has been read to the end."""
        self._listener.join(seconds)

    def kill(self) -> None:
        """End it and whatever it started, now. Does not wait; calling it again does no harm."""
        child.kill(self._popen)

    def _listen(self) -> None:
        with io.BufferedReader(self._popen.stderr) as stderr:
            while line := stderr.readline(_LONGEST_LINE):
                self._last_lines.append(line.decode("utf-8", "replace").rstrip())

    def _await_exit(self) -> None:
        self._popen.wait()
        self._exited.set()


def _start(command: list[str], environment: Mapping[str, str]) -> subprocess.Popen:
    pipe = subprocess.PIPE
    try:
        # unbuffered: the link puts its own buffers around stdin and stdout
        return child.start(command, engine_environment(environment), bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and Path(command[0]).exists():
            why = "it exists, but the interpreter that its first line names does not; was its folder moved?"
        else:
            why = error.strerror or str(error)
        sentence = f"The engine “{command[0]}” could not be started: {why}."
        raise problems.Problem("engine_start", sentence, "Install the engine again, or set another location.") from error


def _thread(name: str, target) -> threading.Thread:
    thread = threading.Thread(target=target, name=f"selfrect engine {name}", daemon=True)
    thread.start()
    return thread
