# SPDX-License-Identifier: GPL-3.0-or-later
"""However Blender ends, the engine does not stay behind."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HOST = """
import sys, time
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from conftest import command, make_request
from selfrect_blender.host.job_queue import JobQueue
queue = JobQueue(lambda: command("slow"))
job = queue.submit(make_request())
while job.step < 2:
    queue.pump()
print(queue._link.process.pid, flush=True)
if sys.argv[3] == "stays":
    time.sleep(60)
if sys.argv[3] == "raises":
    raise RuntimeError("a script of the artist failed")
"""


def host(ending: str) -> tuple[subprocess.Popen, int]:
    """A host process with a working engine, and the engine's pid."""
    command = [sys.executable, "-c", HOST, str(ROOT), str(HERE), ending]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


def test_killing_the_host_ends_the_engine(gone):
    process, engine = host("stays")
    with process:
        process.kill()
    assert gone(engine)


@pytest.mark.parametrize(("ending", "code"), [("leaves", 0), ("raises", 1)])
def test_a_host_that_forgets_to_close_ends_the_engine(ending, code, gone):
    process, engine = host(ending)
    with process:
        assert process.wait(10) == code
        assert "Fatal Python error" not in process.stderr.read()
    assert gone(engine)
