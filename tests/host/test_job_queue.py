# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs from submit to the end: progress, several at once, cancel, close, and never holding the interface."""
from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from selfrect_blender.host.job import Job, JobState


def pump_until(queue, condition, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        queue.pump()
        time.sleep(0.005)


def test_a_request_becomes_a_picture(queue_of, request_of):
    queue = queue_of("good")
    request = request_of(seed=4)
    assert queue.state == "off"
    seen = []
    job = queue.submit(request)
    assert job.state is JobState.WAITING
    queue.wait(job, on_change=lambda job: seen.append((job.state, job.step, job.fraction)), timeout=10)
    assert job.state is JobState.DONE
    assert job.finished
    np.testing.assert_array_equal(job.image, request.target[..., :3])
    assert job.image.dtype == np.float32
    assert job.record["seed"] == 4
    assert (job.stage, job.step, job.steps, job.fraction, job.seconds_left) == ("draw", 5, 5, 1.0, 0.0)
    assert job.preview.shape == (2, 2, 3)
    assert job.problem is None
    assert seen[0][0] is JobState.RUNNING
    assert seen[-1][0] is JobState.DONE
    assert [fraction for *_, fraction in seen] == sorted(fraction for *_, fraction in seen)
    assert len(seen) >= 3


def test_the_state_follows_the_engine(queue_of, request_of):
    queue = queue_of("slow")
    job = queue.submit(request_of())
    states = [queue.state]
    while job.step < 2:
        queue.pump()
        if queue.state != states[-1]:
            states.append(queue.state)
    assert states == ["off", "starting", "working"]
    assert queue.greeting["engine_version"] == "fake"
    assert queue.devices == [{"name": "cpu", "title": "CPU", "memory": None}]
    queue.cancel(job)
    queue.wait(job, timeout=5)
    assert queue.state == "ready"
    queue.close()
    assert (queue.state, queue.greeting, queue.devices) == ("off", None, [])


def test_several_jobs_are_served_in_order_by_one_engine(queue_of, request_of):
    queue = queue_of("good")
    jobs = [queue.submit(request_of(seed=seed)) for seed in range(4)]
    order, pids = [], set()
    until = time.monotonic() + 10
    while not jobs[-1].finished and time.monotonic() < until:
        order += [job.request.seed for job in queue.pump() if job.finished]
        pids |= {queue._link.process.pid} if queue._link else set()
        assert sum(job.state is JobState.RUNNING for job in jobs) <= 1
    assert order == [0, 1, 2, 3]
    assert len(pids) == 1
    for job in jobs:
        np.testing.assert_array_equal(job.image, job.request.target[..., :3])


def test_a_change_is_told_once(queue_of, request_of):
    queue = queue_of("good")
    job = queue.wait(queue.submit(request_of()), timeout=10)
    assert job.finished
    assert all(queue.pump() == [] for _ in range(5))


def test_cancel_takes_effect_and_the_engine_stays(queue_of, request_of):
    queue = queue_of("slow")
    job = queue.submit(request_of())
    pump_until(queue, lambda: job.step >= 2)
    pid = queue._link.process.pid
    queue.cancel(job)
    assert job.cancelling
    queue.cancel(job)  # an artist who presses twice
    started = time.monotonic()
    queue.wait(job, timeout=5)
    assert time.monotonic() - started < 1
    assert (job.state, job.image, job.problem) == (JobState.CANCELLED, None, None)
    assert queue._link.process.pid == pid
    assert queue.state == "ready"


def test_cancel_that_is_ignored_ends_the_engine(queue_of, request_of, gone):
    queue = queue_of("ignores_cancel", cancel=0.5)
    job = queue.submit(request_of())
    pump_until(queue, lambda: job.step >= 2)
    pid = queue._link.process.pid
    queue.cancel(job)
    queue.wait(job, timeout=5)
    assert job.state is JobState.CANCELLED
    assert queue.state == "off"
    assert gone(pid)


def test_cancel_of_an_engine_that_hangs_is_a_cancel(queue_of, request_of, gone):
    queue = queue_of("hangs", silence=0.5, cancel=9)
    job = queue.submit(request_of())
    pump_until(queue, lambda: job.step >= 1)
    pid = queue._link.process.pid
    queue.cancel(job)
    queue.wait(job, timeout=5)
    assert (job.state, job.problem) == (JobState.CANCELLED, None)
    assert gone(pid)


def test_cancel_of_waiting_jobs_is_at_once(queue_of, request_of):
    queue = queue_of("slow")
    running, waiting = queue.submit(request_of()), queue.submit(request_of())
    pump_until(queue, lambda: running.step >= 1)
    queue.cancel(waiting)
    assert waiting.state is JobState.CANCELLED
    assert waiting in queue.pump()
    assert running.state is JobState.RUNNING
    queue.cancel(running)
    queue.wait(running, timeout=5)
    queue.cancel(running)  # over already
    assert running.state is JobState.CANCELLED
    assert queue.state == "ready"


def test_cancel_before_the_engine_has_greeted_sends_nothing(queue_of, request_of):
    queue = queue_of("good")
    first = queue.submit(request_of(seed=1))
    queue.cancel(first)
    assert first.state is JobState.CANCELLED
    second = queue.wait(queue.submit(request_of(seed=2)), timeout=10)
    assert second.record["seed"] == 2


@pytest.mark.parametrize("mode", ["slow", "stubborn", "no_greeting"])
def test_close_leaves_no_process_and_no_open_job(mode, queue_of, request_of, gone):
    queue = queue_of(mode, farewell=0.5)
    jobs = [queue.submit(request_of()), queue.submit(request_of())]
    pump_until(queue, lambda: queue._link is not None and (mode == "no_greeting" or queue.state == "working"))
    pid = queue._link.process.pid
    started = time.monotonic()
    queue.close()
    assert time.monotonic() - started < 2
    assert gone(pid, 0.1)
    assert all(job.finished for job in jobs)
    queue.close()  # twice is no harm


def test_a_closed_queue_can_be_used_again(queue_of, request_of):
    queue = queue_of("good")
    queue.wait(queue.submit(request_of()), timeout=10)
    queue.close()
    assert queue.wait(queue.submit(request_of()), timeout=10).state is JobState.DONE


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_what_the_engine_started_ends_with_it(queue_of, request_of, gone, tmp_path):
    note = tmp_path / "pid"
    queue = queue_of("grandchild", note)
    job = queue.submit(request_of())
    pump_until(queue, lambda: job.step >= 1)
    queue.close()
    assert gone(int(note.read_text()))


def test_wait_gives_up_at_its_timeout(queue_of, request_of):
    queue = queue_of("slow")
    job = queue.submit(request_of())
    started = time.monotonic()
    assert queue.wait(job, timeout=0.3) is job
    assert 0.3 <= time.monotonic() - started < 1
    assert not job.finished


def test_the_interface_is_never_held(queue_of, request_of):
    """The calls of the interface thread, with the largest picture allowed: 16 ms of work each, and nothing waited for.

    The loaded machine of a test may suspend us at any time, so the clock on the wall gets more room than the work.
    """
    queue = queue_of("good")
    request = request_of(size=2048)
    slow_calls = calls = 0
    longest = 0.0
    job = None
    until = time.monotonic() + 30
    while (job is None or not job.finished) and time.monotonic() < until:
        started, work_started = time.perf_counter(), time.thread_time()
        if job is None:
            job = queue.submit(request)
        else:
            queue.pump()
        slow_calls += time.thread_time() - work_started > 0.016
        longest = max(longest, time.perf_counter() - started)
        calls += 1
        time.sleep(0.01)
    assert job.state is JobState.DONE
    assert slow_calls <= 1
    assert longest < 0.3
    assert calls > 10


def test_an_estimate_of_the_time_left():
    job = Job(1, None)
    for fraction in (0.0, 0.25, 0.5):
        job.take_progress({"stage": "draw", "step": 1, "steps": 2, "fraction": fraction})
        time.sleep(0.1)
    assert 0.15 < job.seconds_left < 0.3  # 0.1 s for a quarter, a half is left
    job.take_progress({"stage": "draw", "step": 2, "steps": 2, "fraction": 0.1})
    assert job.fraction == 0.5  # a bar that runs backwards is no comfort


def test_no_threads_and_no_pipes_are_left(queue_of, request_of):
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")

    def once():
        queue = queue_of("good")
        queue.wait(queue.submit(request_of()), timeout=10)
        queue.close()
        time.sleep(0.2)
        return len(list(Path("/proc/self/fd").iterdir())), len(list(Path("/proc/self/task").iterdir()))

    once()
    before = once()
    assert once() == before
