# SPDX-License-Identifier: GPL-3.0-or-later
"""The link's own promises: what is kept, what is counted, and that nothing of it blocks."""
from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from selfrect_blender.host import engine_link
from selfrect_blender.host.engine_link import Deadlines, EngineLink, Watch
from selfrect_blender.host.engine_process import EngineProcess
from selfrect_blender.host.engine_source import protocol

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_production_deadlines_are_the_published_ones():
    deadlines = Deadlines()
    assert (deadlines.greeting, deadlines.silence, deadlines.cancel, deadlines.farewell) == (60, 10, 10, 2)


def test_time_counts_only_while_somebody_looks(monkeypatch):
    now = 100.0
    monkeypatch.setattr(engine_link.time, "monotonic", lambda: now)
    watch = Watch()
    assert watch.seconds_of(1) == 0
    now += 0.5
    assert watch.seconds_of(1) == 0.5
    now += 3600  # the computer slept, or Blender rendered
    assert watch.seconds_of(1) == 1.5
    now += 0.5
    assert watch.seconds_of(2) == 0  # something new was heard
    now += 0.25
    assert watch.seconds_of(2) == 0.25


def test_of_progress_only_the_latest_is_kept_and_the_order_stays():
    link = EngineLink(EngineProcess(SLEEPER))
    message = protocol.Message
    for step in (1, 2):
        link._keep(message(method="progress", params={"id": 1, "step": step}))
        link._keep(message(method="log", params={"text": str(step)}))
    link._keep(message(id=1, result={}))
    assert link.arrived.is_set()
    kept = [(m.method, m.params) for m in link.receive()]
    assert kept == [
        ("log", {"text": "1"}), ("progress", {"id": 1, "step": 2}), ("log", {"text": "2"}), (None, {}),
    ]  # fmt: skip
    assert link.receive() == []
    assert not link.arrived.is_set()
    link.kill()


def test_sending_to_an_engine_that_does_not_read_never_blocks(gone):
    link = EngineLink(EngineProcess(SLEEPER))
    picture = np.zeros((2048, 2048, 4), np.float32)  # 64 MiB, far more than a pipe holds
    started = time.monotonic()
    link.send(protocol.Message(method="synthesize", id=1, arrays={"target": picture}))
    assert time.monotonic() - started < 0.016
    time.sleep(0.1)
    assert not link.all_sent
    assert link.fault() is None
    link.kill()
    assert gone(link.process.pid)
    link._writer.join(5)
    link._reader.join(5)
    assert not link._writer.is_alive()
    assert not link._reader.is_alive()


def test_a_message_that_cannot_travel_is_a_fault_with_words(gone):
    link = EngineLink(EngineProcess(SLEEPER))
    link.send(protocol.Message(method="synthesize", id=1, params={"settings": {"a": {1, 2}}}))
    link._writer.join(5)
    assert link.fault().code == "internal"
    assert "set is not JSON serializable" in link.fault().sentence
    link.kill()
    assert gone(link.process.pid)


def test_closing_a_stubborn_engine_takes_the_grace_and_no_more(gone):
    link = EngineLink(EngineProcess(SLEEPER), Deadlines(farewell=0.3))
    started = time.monotonic()
    link.close()
    assert 0.3 <= time.monotonic() - started < 5  # SLEEPER would take a minute
    assert gone(link.process.pid)


BLENDER = """
import signal, sys, time
signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as in a program that embeds Python without its signal handlers
sys.path.insert(0, sys.argv[1])
from selfrect_blender.host.engine_link import EngineLink
from selfrect_blender.host.engine_process import EngineProcess
from selfrect_blender.host.engine_source import protocol
link = EngineLink(EngineProcess([sys.executable, "-c", "import sys; sys.stdin.close(); sys.exit(4)"]))
while (fault := link.fault()) is None:
    link.send(protocol.Message(method="log", params={"text": "x" * 100_000}))
    time.sleep(0.01)
link.send(protocol.Message(method="log", params={"text": "x"}))  # the ones before may have gone into the pipe of one that was not dead yet
link._writer.join(5)
print(link._writer.is_alive(), fault.code)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_writing_to_a_dead_engine_does_not_end_the_host():
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", BLENDER, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["False", "engine_start"]), done.stderr
