# SPDX-License-Identifier: GPL-3.0-or-later
"""A queue with a fake engine behind it, a request, a way to see that a process is really gone; a small world to install in."""
from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import install_world as world
import numpy as np
import pytest
from hypothesis import settings
from installing import MACHINE, with_uv

from selfrect_blender.host.engine_link import Deadlines
from selfrect_blender.host.install import Installer, fetch
from selfrect_blender.host.job_queue import JobQueue
from selfrect_blender.host.request import RectifyRequest

settings.register_profile("house", deadline=None, database=None)  # test machines are busy
settings.load_profile("house")

FAKE_ENGINE = Path(__file__).with_name("fake_engine.py")


def command(mode: str, *arguments: object) -> str:
    """The location of a fake engine, as an artist would type a command."""
    words = [sys.executable, str(FAKE_ENGINE), mode, *map(str, arguments)]
    return " ".join(f'"{word}"' for word in words) if sys.platform == "win32" else shlex.join(words)


@pytest.fixture
def queue_of() -> Iterator[Callable[..., JobQueue]]:
    """queue_of(mode, *arguments, **deadlines) -> a JobQueue; `queue.mode` can be changed before the next start.

    Deadlines that are not named are those of production, so that a loaded machine fails no healthy engine.
    """
    queues: list[JobQueue] = []

    def make(mode: str, *arguments: object, **deadlines: float) -> JobQueue:
        queue = JobQueue(lambda: command(queue.mode, *arguments), Deadlines(**deadlines))
        queue.mode = mode
        queues.append(queue)
        return queue

    yield make
    for queue in queues:
        queue.close()


def make_request(seed: int = 0, size: int = 32, **changes) -> RectifyRequest:
    random = np.random.default_rng(seed)
    reference, target = random.random((2, size, size, 4), np.float32)
    return RectifyRequest([reference], target, **({"seed": seed} | changes))


@pytest.fixture
def request_of() -> Callable[..., RectifyRequest]:
    return make_request


def is_gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether a process ends within so many seconds. A child of ours must be reaped too; zombies of others count as gone."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if not _our_child(pid) and _is_zombie(pid):
            return True
        time.sleep(0.02)
    return False


def _stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat after the name: state, parent, …"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["?", "0"]


def _our_child(pid: int) -> bool:
    return int(_stat(pid)[1]) == os.getpid()


def _is_zombie(pid: int) -> bool:
    return _stat(pid)[0] == "Z"


@pytest.fixture
def gone() -> Callable[..., bool]:
    return is_gone


@pytest.fixture(scope="session")
def shop(tmp_path_factory) -> Path:
    """The wheels, made once: uv's own is 38 MB. And uv itself, as `program`."""
    import uv

    folder = world.make_shop(tmp_path_factory.mktemp("shop"), Path(uv.find_uv_bin()))
    shutil.copy(uv.find_uv_bin(), folder / "program")
    return folder


@pytest.fixture
def base(tmp_path, shop, monkeypatch) -> Path:
    """tmp_path with index/, wheels/ and server/ in it."""
    monkeypatch.setattr(fetch, "WAIT_SECONDS", 0.01)
    return world.furnish(tmp_path, shop)


@pytest.fixture
def index(base, monkeypatch) -> Iterator[world.Index]:
    server = world.Index(base / "index")
    world.settle(monkeypatch, base, server)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # asking every Python of a developer's machine takes seconds
    yield server
    server.close()
    world.forget()


@pytest.fixture
def bare(base, index) -> Iterator[Installer]:
    """An installer over a folder that does not exist."""
    made = Installer(base / "a root, ünusual", MACHINE)
    yield made
    made.close()


@pytest.fixture
def installer(bare, shop) -> Installer:
    """One that has its uv already: fetching it by pip takes seconds."""
    with_uv(bare.places.root, shop)
    return bare
