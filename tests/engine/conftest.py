# SPDX-License-Identifier: GPL-3.0-or-later
"""For all tests of the engine: Ctrl-C works, whoever started them; nothing is left in the user's cache, nor taken from it."""

from __future__ import annotations

import signal

import pytest
from selfrect import kept


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
