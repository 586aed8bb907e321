# SPDX-License-Identifier: GPL-3.0-or-later
"""The real engine with `mini`, killed, stopped and starved at every stage; then two hundred jobs in a row."""
from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
if sys.platform != "linux":
    pytest.skip("looks into /proc and sends signals", allow_module_level=True)

from selfrect_blender.host.job import Job, JobState
from selfrect_blender.host.job_queue import JobQueue
from selfrect_blender.host.request import RectifyRequest

READY_WITHIN = 5.0  # seconds from the fault
LONGEST = 120  # seconds for one job, start of the engine and import of PyTorch included
SIZE = 32


@pytest.fixture
def queue(tmp_path, monkeypatch):
    monkeypatch.setenv("SELFRECT_CACHE", str(tmp_path))
    queue = JobQueue(lambda: f"{sys.executable} -I -m selfrect serve")
    yield queue
    queue.close()


def request(steps: int = 4, seed: int = 0) -> RectifyRequest:
    reference, target = np.random.default_rng(seed).random((2, SIZE, SIZE, 4), np.float32)
    settings = {"patches": "off", "steps": steps, "p1": 1, "s1": 1, "p2": 1, "s2": 1}
    return RectifyRequest([reference], target, seed=seed, settings=settings)


def pump_until(queue: JobQueue, condition, seconds: float) -> float:
    """Pump until the condition holds; the seconds it took, as the artist would wait."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() < begun + seconds, f"waited {seconds} s in vain; the log: {list(queue.log)[-1:]}"
        queue.pump()
        time.sleep(0.005)
    return time.monotonic() - begun


def works(queue: JobQueue, **changes) -> None:
    job = queue.wait(queue.submit(request(**changes)), timeout=LONGEST)
    assert job.state is JobState.DONE, job.problem


#: stage → whether it has been reached
STAGES = {
    "start": lambda queue, job: queue._link is not None,
    "greeting": lambda queue, job: queue.greeting is not None,
    "loading": lambda queue, job: job.state is JobState.RUNNING,  # PyTorch is being imported, then the model is loaded
    "inversion": lambda queue, job: "inver" in job.stage and job.step > 2,
    "sampling": lambda queue, job: "sampling" in job.stage and job.step > 2,
}


def reach(stage: str, queue: JobQueue) -> Job:
    """A long job that stands at this stage."""
    job = queue.submit(request(steps=60))
    pump_until(queue, lambda: STAGES[stage](queue, job) or job.finished, LONGEST)
    assert not job.finished, job.problem
    return job


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_signals_at_every_stage(number, queue):
    for stage in STAGES:
        job = reach(stage, queue)
        pid = queue._link.process.pid
        os.kill(pid, number)
        assert pump_until(queue, lambda job=job: job.finished, 30) < READY_WITHIN, stage
        assert (job.state, job.problem.code in ("engine_died", "engine_silent", "engine_start")) == (JobState.FAILED, True), stage
        assert not Path(f"/proc/{pid}").exists() or pump_until(queue, lambda pid=pid: not Path(f"/proc/{pid}").exists(), 2) < 2
    works(queue)
    os.kill(queue._link.process.pid, number)
    assert pump_until(queue, lambda: queue.state == "off", 30) < READY_WITHIN
    works(queue)


def test_memory_runs_out_and_comes_back(queue):
    """The system refuses more memory in the middle of the work: the engine says so, lives, and works again."""
    import resource

    works(queue)
    pid = queue._link.process.pid
    job = reach("inversion", queue)
    before = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (virtual_memory(pid), before[1]))
    big = np.random.default_rng(0).random((1024, 1024, 4), np.float32)
    queue.cancel(job)
    pump_until(queue, lambda: job.finished, LONGEST)
    starved = queue.wait(queue.submit(RectifyRequest([big], big, settings={"patches": "off", "steps": 4})), timeout=LONGEST)
    assert (starved.state, starved.problem.code) == (JobState.FAILED, "out_of_memory")
    assert queue._link.process.pid == pid, "the engine lives"
    resource.prlimit(pid, resource.RLIMIT_AS, before)
    works(queue, seed=1)


def test_two_hundred_jobs(queue):
    """Random cancels and kills: memory, files, threads and processes are where they began."""
    chance = random.Random(1)
    for seed in range(20):
        works(queue, seed=seed % 3)
    host, engine = own(), own(queue._link.process.pid)
    kills, cancels = set(chance.sample(range(20, 150), 6)), set(chance.sample(range(200), 50))
    for number in range(20, 200):
        job = queue.submit(request(steps=chance.choice([4, 8]), seed=number % 3))
        pump_until(queue, lambda job=job: queue._link is not None or job.finished, 20)
        queue.wait(job, timeout=chance.uniform(0, 0.3) if number in kills | cancels else LONGEST)
        if number in kills and queue._link:
            queue._link.process.kill()
        elif number in cancels:
            queue.cancel(job)
        queue.wait(job, timeout=LONGEST)
        assert job.finished
        assert job.state is not JobState.FAILED or number in kills, job.problem
    works(queue)
    now, engine_now = own(), own(queue._link.process.pid)
    assert now["files"] <= host["files"] + 2
    assert now["threads"] <= host["threads"] + 1
    assert now["children"] == host["children"], "one engine; other tests may have left a helper of PyTorch beside it"
    assert now["memory"] < host["memory"] + 64 * 2**20
    assert engine_now["files"] <= engine["files"] + 2
    assert engine_now["threads"] <= engine["threads"] + 2
    assert engine_now["memory"] < engine["memory"] + 96 * 2**20


def own(pid: int | str = "self") -> dict[str, int]:
    """What a process holds: open files, threads, resident bytes, children."""
    folder = Path(f"/proc/{pid}")
    pages = int((folder / "statm").read_text().split()[1])
    children = sum(len((task / "children").read_text().split()) for task in folder.glob("task/*"))
    threads = len(list(folder.glob("task/*"))) if pid != "self" else threading.active_count()
    return {"files": len(list(folder.glob("fd/*"))), "threads": threads, "children": children, "memory": pages * resource_page()}


def resource_page() -> int:
    return os.sysconf("SC_PAGE_SIZE")


def virtual_memory(pid: int) -> int:
    """Bytes of address space in use."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource_page()
