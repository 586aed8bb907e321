# SPDX-License-Identifier: GPL-3.0-or-later
"""For all tests of the engine: Ctrl-C works, whoever started them; nothing is left in the user's cache, nor taken from it.

For those of the models' files: folders and a hub of the test's own. For those of the command line: a folder to stand in, and an engine
that does no work.
"""

from __future__ import annotations

import signal

import numpy as np
import pytest
import small_catalogue as small
from commands import FakeEngine
from hub_server import Hub
from models_world import get
from selfrect import kept, registry
from selfrect.image import write_image
from selfrect.models import offline
from selfrect.models.files import foreign


@pytest.fixture(scope="session", autouse=True)
def interrupts_arrive():
    """A background job of a shell starts with SIGINT ignored, and hands that on; `selfrect` honours it, as nohup wants."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Of this session, for child processes too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SELFRECT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def store(tmp_path_factory):
    """What is kept of inversions: nothing to begin with, in each test."""
    yield kept.use(folder=tmp_path_factory.mktemp("kept"))
    kept.use(folder=tmp_path_factory.mktemp("kept"))


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Folders of the test's own for models, with the small catalogue; no server to be reached."""
    small.use(tmp_path, monkeypatch)
    monkeypatch.setattr(offline, "_users_own", None)
    monkeypatch.setattr(foreign, "SMALLEST_CHECKPOINT", 100)
    return tmp_path


@pytest.fixture
def hub(own, monkeypatch):
    """The same with a hub that has the small model."""
    with Hub({small.REPOSITORY: dict(small.FILES)}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


@pytest.fixture
def folder(own):
    """Where the small model is to lie."""
    return own / "models" / "small"


@pytest.fixture
def downloaded(hub, folder):
    """It lies there."""
    get()
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with two references and a target, as a user would stand in it."""
    noise = np.random.default_rng(0)
    write_image(tmp_path / "r.png", noise.random((40, 40, 3)))
    write_image(tmp_path / "r2.png", noise.random((40, 40, 3)))
    write_image(tmp_path / "t.png", noise.random((48, 40, 4)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def engine(monkeypatch):
    fake = FakeEngine()
    monkeypatch.setattr(registry, "synthesize", fake)
    return fake
