# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system tells of processes that work, sleep and are stopped."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from selfrect_blender.host import vital_signs
from selfrect_blender.host.vital_signs import Observer, look

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@pytest.fixture
def python():
    """python(code) -> a child that has printed a line."""
    children = []

    def start(code: str) -> subprocess.Popen:
        child = subprocess.Popen([sys.executable, "-c", f"print(flush=True)\n{code}"], stdout=subprocess.PIPE)
        children.append(child)
        child.stdout.readline()
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()
        child.stdout.close()


def soon(condition) -> bool:
    until = time.monotonic() + 5
    while time.monotonic() < until and not condition():
        time.sleep(0.02)
    return condition()


def test_work_uses_time(python):
    child = python("while True: pass")
    first = look(child.pid).cpu_seconds
    assert soon(lambda: look(child.pid).cpu_seconds > first + 0.05)


def test_sleep_uses_none(python):
    child = python("import time; time.sleep(60)")
    assert soon(lambda: look(child.pid).state == "asleep")
    first = look(child.pid)
    time.sleep(0.3)
    assert look(child.pid) == first


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of each thread")
def test_one_thread_at_work_is_enough(python):
    child = python("import threading, time\ndef f():\n  while True: pass\nthreading.Thread(target=f, daemon=True).start(); time.sleep(60)")
    assert soon(lambda: look(child.pid).state == "other")


@POSIX
def test_stopped_and_going_on(python):
    child = python("while True: pass")
    os.kill(child.pid, signal.SIGSTOP)
    assert soon(lambda: look(child.pid).state == "stopped")
    os.kill(child.pid, signal.SIGCONT)
    assert soon(lambda: look(child.pid).state == "other")


def test_a_process_that_is_not_there():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert look(child.pid) is None


@pytest.mark.skipif(not os.path.exists("/bin/ps"), reason="no ps here; only macOS needs it")
def test_ps_tells_the_same(python):
    child = python("import time; time.sleep(60)")
    assert soon(lambda: vital_signs._ps(child.pid).state == "asleep")
    os.kill(child.pid, signal.SIGSTOP)
    assert soon(lambda: vital_signs._ps(child.pid).state == "stopped")


@pytest.mark.parametrize(("clock", "seconds"), [("0:00.25", 0.25), ("01:02:03", 3723), ("2-00:00:01", 172801), ("1:30,50", 90.5)])
def test_clocks_of_ps(clock, seconds):
    assert vital_signs._seconds(clock) == seconds


def test_looks_are_rare(monkeypatch):
    looks = []
    monkeypatch.setattr(vital_signs, "look", looks.append)
    observer = Observer(7)
    threading.Event().wait(0.01)
    for _ in range(100):
        observer.signs()
    assert looks == [7]
