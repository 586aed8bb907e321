# SPDX-License-Identifier: GPL-3.0-or-later
"""For all tests of the engine: Ctrl-C works, whoever started them."""

from __future__ import annotations

import signal

import pytest


@pytest.fixture(scope="session", autouse=True)
def interrupts_arrive():
    """A background job of a shell starts with SIGINT ignored, and hands that on; `selfrect` honours it, as nohup wants."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
