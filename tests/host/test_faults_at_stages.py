# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault at every stage: soon the panel is ready again, a sentence says what happened, nothing stays, the next one works."""
from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_faults import FAULTS, STAGES

from selfrect_blender.host import engine_link
from selfrect_blender.host.job import JobState
from selfrect_blender.host.job_queue import JobQueue

HERE = Path(__file__).parent
READY_WITHIN = 5.0  # seconds from the fault
START_UP = 5.0  # until all the engines have come to their stage, on a busy machine
CODES = {
    "killed": "engine_died",
    "stopped": "engine_silent",
    "out_of_memory": "out_of_memory",
    "closes_stdout": "bad_answer",
    "garbage": "bad_answer",
    "garbage_without_end": "engine_silent",
    "half_frame": "engine_silent",
    "huge_frame": "bad_answer",
    "unknown_answer": "bad_answer",
}
#: where the same fault has another name: an engine that ends before its greeting did not start; one without a request cannot answer it
CODES_AT = {("killed", "start"): "engine_start", ("out_of_memory", "start"): "engine_start", ("out_of_memory", "greeting"): "engine_died"}
POSIX_ONLY = ("killed", "stopped")
TRIED = [fault for fault in CODES if sys.platform != "win32" or fault not in POSIX_ONLY]


class StagedQueue(JobQueue):
    """A queue whose next engine has this fault at this stage."""

    def __init__(self, fault: str, stage: str):
        super().__init__(self.command)
        self.fault, self.stage, self.starts = fault, stage, 0

    def command(self) -> str:
        self.starts += 1
        join = subprocess.list2cmdline if sys.platform == "win32" else shlex.join
        return join([sys.executable, str(HERE / "fake_faults.py"), self.fault, self.stage])


@pytest.fixture
def queue_at():
    """queue_at(fault, stage) -> StagedQueue"""
    queues = []
    yield lambda fault, stage: queues.append(StagedQueue(fault, stage)) or queues[-1]
    for queue in queues:
        queue.close()


@pytest.mark.parametrize("fault", TRIED)
def test_the_panel_is_ready_again_and_the_next_one_works(fault, queue_at, request_of, gone):
    """All stages beside each other: most of the time is waiting."""
    queues = {stage: queue_at(fault, stage) for stage in STAGES}
    jobs = {stage: queue.submit(request_of()) for stage, queue in queues.items()}
    pids = {stage: started(queue) for stage, queue in queues.items()}
    begun, ready = time.monotonic(), {}
    while len(ready) < len(STAGES) and time.monotonic() < begun + 30:
        for stage, queue in queues.items():
            queue.pump()
            if is_ready(queue, jobs[stage], stage):
                ready.setdefault(stage, time.monotonic() - begun)
        time.sleep(0.01)
    assert set(ready) == set(STAGES)
    assert max(ready.values()) < START_UP + READY_WITHIN
    for stage, queue in queues.items():
        check_end(fault, stage, jobs[stage], queue)
        assert queue.state != "off" or gone(pids[stage])
        queue.fault = "none"
        assert queue.wait(queue.submit(request_of(seed=3)), timeout=15).state is JobState.DONE, stage
        queue.close()


def is_ready(queue: JobQueue, job, stage: str) -> bool:
    """Whether the job is over; after a fault while idle, whether that was noticed."""
    return job.finished and (stage != "idle" or queue.state == "off")


def check_end(fault: str, stage: str, job, queue: JobQueue) -> None:
    if stage == "idle":
        assert job.state is JobState.DONE, "it had been answered before"
        assert "engine" in queue.log[-1]
    else:
        assert (job.state, job.problem.code) == (JobState.FAILED, CODES_AT.get((fault, stage), CODES[fault])), stage
        assert job.image is None
        assert job.problem.sentence
        assert job.problem.remedy


def test_each_fault_is_tried():
    assert set(FAULTS) == set(CODES) | {"floods_stderr", "wrong_version"}


def test_a_wrong_version_in_the_greeting(queue_at, request_of):
    queue = queue_at("wrong_version", "greeting")
    job = queue.wait(queue.submit(request_of()), timeout=READY_WITHIN)
    assert job.problem.code == "wrong_version"
    queue.fault = "none"
    assert queue.wait(queue.submit(request_of()), timeout=15).state is JobState.DONE


@pytest.mark.parametrize("stage", STAGES)
def test_a_flood_on_stderr_changes_nothing(stage, queue_at, request_of):
    queue = queue_at("floods_stderr", stage)
    for seed in range(2):
        assert queue.wait(queue.submit(request_of(seed=seed)), timeout=20).state is JobState.DONE


def test_an_engine_that_dies_after_each_greeting_is_not_started_for_ever(queue_at, request_of):
    queue = queue_at("out_of_memory", "greeting")
    job = queue.wait(queue.submit(request_of()), timeout=20)
    assert (job.state, job.problem.code) == (JobState.FAILED, "engine_died")
    assert queue.starts <= 3


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 1e9])
def test_a_clock_that_jumps(jump, queue_at, request_of, monkeypatch):
    """The time of day is set anew, or the computer slept: neither harms a healthy engine."""
    queue, shift = queue_at("none", "start"), 0.0
    real_time, real_monotonic = time.time, time.monotonic
    monkeypatch.setattr(time, "time", lambda: real_time() + shift)
    monkeypatch.setattr(engine_link.time, "monotonic", lambda: real_monotonic() + max(shift, 0.0))
    first = queue.submit(request_of(seed=1))
    started(queue)
    shift = jump
    until = real_monotonic() + 15
    while not first.finished and real_monotonic() < until:
        queue.pump()
    assert first.state is JobState.DONE
    assert queue.wait(queue.submit(request_of(seed=2))).state is JobState.DONE


def test_a_hundred_restarts(queue_at, request_of, gone):
    """Engines killed at all ages, one after the other: no process and no thread stays."""
    queue, pids = queue_at("none", "start"), []
    for number in range(100):
        job = queue.submit(request_of(seed=number))
        pids.append(started(queue))
        queue.wait(job, timeout=0.004 * (number % 25))
        queue._link.process.kill() if queue._link else None
        queue.cancel(job)
        until_off(queue)
    assert all(gone(pid) for pid in pids)
    assert queue.wait(queue.submit(request_of()), timeout=15).state is JobState.DONE


def started(queue: JobQueue) -> int:
    """Pump until the engine has been started; its pid."""
    while queue._link is None:
        queue.pump()
    return queue._link.process.pid


def until_off(queue: JobQueue) -> None:
    until = time.monotonic() + 10
    while queue.state != "off" and time.monotonic() < until:
        queue.pump()
        time.sleep(0.002)
