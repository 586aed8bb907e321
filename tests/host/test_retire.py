# SPDX-License-Identifier: GPL-3.0-or-later
"""An idle engine is sent away without anybody waiting; what it is started with."""
from __future__ import annotations

import os
import sys
import time

from selfrect_blender.host.engine_process import EngineProcess


def test_it_ends_without_being_waited_for(queue_of, gone):
    queue = queue_of("good")
    queue.wait(queue.ask("models.list"))
    pid, greeting = queue.greeting["pid"], queue.greeting
    started = time.monotonic()
    farewell = queue.retire()
    assert time.monotonic() - started < 0.05
    assert (queue.state, queue.greeting) == ("off", greeting)
    farewell.join(5.0)
    assert gone(pid)


def test_one_that_does_not_listen_is_ended_all_the_same(queue_of, gone):
    queue = queue_of("stubborn", farewell=0.2)
    queue.wait(queue.ask("models.list"))
    pid = queue.greeting["pid"]
    queue.retire().join(5.0)
    assert gone(pid)


def test_work_is_not_taken_from_it(queue_of):
    queue = queue_of("good")
    assert queue.retire() is None
    job = queue.ask("plan", {"steps": 5})
    assert queue.retire() is None
    queue.wait(job)
    assert job.result


def test_variables_reach_the_engine():
    code = "import os; print(os.environ['SELFRECT_MODELS'], os.environ.get('PYTHONPATH'))"
    process = EngineProcess([sys.executable, "-c", code], {"SELFRECT_MODELS": "/net/models"})
    assert process.stdout.readall().decode().split() == ["/net/models", "None"]
    assert process.wait(5.0)
    assert "SELFRECT_MODELS" not in os.environ
