# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that an engine can do wrong: the job fails with words, soon; nothing is left; the next try works."""
from __future__ import annotations

import sys
import time

import numpy as np
import pytest

from selfrect_blender.host.engine_link import Deadlines
from selfrect_blender.host.job import JobState

FAULTS = [
    # mode, code, what the sentence says
    ("no_start", "engine_start", "did not start: it ended with exit code 3"),
    ("no_greeting", "engine_start", "did not greet within 0.7 s"),
    ("banner", "bad_answer", "Welcome to gpu-host"),
    ("wrong_version", "wrong_version", "speaks protocol 99, this extension speaks 3"),
    ("poor_greeting", "bad_answer", "a greeting without a list of engines"),
    ("dies", "engine_died", "ended with exit code 7"),
    ("dies_in_frame", "engine_died", "ended with exit code 1"),
    ("leaves", "engine_died", "ended with exit code 0"),
    ("hangs", "engine_silent", "no sign of life for 0.7 s"),
    ("half_frame", "engine_silent", "no sign of life for 0.7 s"),
    ("garbage", "bad_answer", "Segmentation fault"),
    ("huge_json", "bad_answer", "announces 1099511627776 bytes of JSON, the limit is 4194304"),
    ("huge_array", "bad_answer", "announces 1099511627776 bytes of arrays, the limit is 4294967296"),
    ("closes_stdout", "bad_answer", "closed its output but still runs"),
    ("idle", "bad_answer", "no answer to the request"),
    ("unknown_id", "bad_answer", "an answer to the request 999, which was never made"),
    ("no_image", "bad_answer", "no array “image”"),
    ("no_record", "bad_answer", "a result without its record"),
    ("odd_progress", "bad_answer", "a progress of"),
    ("nan_image", "bad_answer", "not numbers"),
    ("uint8_image", "bad_answer", "shape (32, 32, 3), uint8; expected"),
    ("small_image", "bad_answer", "32 × 16 pixels, expected 32 × 32"),
    ("rgba_image", "bad_answer", "shape (32, 32, 4), float32; expected"),
    ("fails", "out_of_memory", "not enough memory"),
]
if sys.platform != "win32":
    FAULTS.append(("killed", "engine_died", "was killed by signal 9"))


DEADLINES = {  # of the modes that can only be told by waiting
    "no_greeting": {"greeting": 0.7},
    "hangs": {"silence": 0.7},
    "half_frame": {"silence": 0.7},
    "idle": {"idle_answer": 0.7},
}


@pytest.mark.parametrize(("mode", "code", "words"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_the_job_fails_with_words_and_the_next_engine_works(mode, code, words, queue_of, request_of, gone):
    queue = queue_of(mode, **DEADLINES.get(mode, {}))
    job = queue.submit(request_of())
    pid = pid_of(queue)
    started = time.monotonic()
    queue.wait(job, timeout=5)
    assert time.monotonic() - started < 5
    assert job.state is JobState.FAILED
    assert job.problem.code == code
    assert words in job.problem.sentence
    assert job.problem.remedy
    assert job.image is None
    if code != "out_of_memory":  # that one was an answer: the engine is still good
        assert queue.state == "off"
        assert gone(pid)

    queue.mode, queue.deadlines = "good", Deadlines()
    again = queue.wait(queue.submit(request_of(seed=3)), timeout=10)
    if code != "out_of_memory":
        assert again.state is JobState.DONE
        assert again.record["seed"] == 3


def pid_of(queue) -> int:
    """Pump until the engine has been started."""
    while queue._link is None:
        queue.pump()
    return queue._link.process.pid


def test_the_last_words_are_in_sentence_and_detail(queue_of, request_of):
    queue = queue_of("no_start")
    problem = queue.wait(queue.submit(request_of()), timeout=5).problem
    assert problem.sentence.endswith("Its last words: ImportError: libc10.so: cannot open shared object file")
    assert "Traceback (most recent call last):" in problem.detail
    assert "libc10.so" in queue.log[-1]


def test_a_flood_on_stderr_neither_blocks_nor_fills_the_memory(queue_of, request_of):
    queue = queue_of("flood")
    job = queue.wait(queue.submit(request_of()), timeout=20)
    assert job.state is JobState.DONE
    process = queue._link.process
    until = time.monotonic() + 5
    while "warning 998" not in process.stderr_tail() and time.monotonic() < until:
        time.sleep(0.02)
    tail = process.stderr_tail().splitlines()
    assert len(tail) == 60
    assert max(map(len, tail)) <= 4096


def test_a_death_ends_only_the_running_job(queue_of, request_of):
    queue = queue_of("dies")
    first, second = queue.submit(request_of(seed=1)), queue.submit(request_of(seed=2))
    pid_of(queue)
    queue.mode = "good"
    queue.wait(second, timeout=10)
    assert (first.state, first.problem.code) == (JobState.FAILED, "engine_died")
    assert second.state is JobState.DONE


def test_an_engine_that_does_not_start_fails_all_that_wait(queue_of, request_of):
    queue = queue_of("no_start")
    jobs = [queue.submit(request_of(seed=seed)) for seed in range(3)]
    queue.wait(jobs[2], timeout=5)
    assert [job.problem.code for job in jobs] == ["engine_start"] * 3


def test_a_death_between_jobs_is_only_logged(queue_of, request_of, gone):
    queue = queue_of("good")
    queue.wait(queue.submit(request_of()), timeout=5)
    pid = queue._link.process.pid
    queue._link.process.kill()
    assert gone(pid)
    until = time.monotonic() + 5
    while queue.state != "off" and time.monotonic() < until:
        assert queue.pump() == []
    assert queue.state == "off"
    assert "The engine" in queue.log[-1]
    assert queue.wait(queue.submit(request_of()), timeout=5).state is JobState.DONE


def test_a_death_unnoticed_between_jobs_does_not_cost_the_next_one(queue_of, request_of, gone):
    queue = queue_of("good")
    queue.wait(queue.submit(request_of()), timeout=5)
    pid = queue._link.process.pid
    queue._link.process.kill()
    assert gone(pid)  # and nobody pumped
    time.sleep(0.1)
    assert queue.wait(queue.submit(request_of()), timeout=5).state is JobState.DONE


def test_nothing_at_the_location(queue_of, request_of, tmp_path):
    queue = queue_of("good")
    queue.location = lambda: str(tmp_path / "nowhere")
    job = queue.wait(queue.submit(request_of()), timeout=5)
    assert (job.state, job.problem.code) == (JobState.FAILED, "engine_missing")
    assert "nowhere" in job.problem.sentence


def test_a_bad_request_starts_no_engine(queue_of, request_of):
    queue = queue_of("good")
    request = request_of()
    request.target[3, 3, 0] = np.nan
    job = queue.wait(queue.submit(request), timeout=5)
    assert (job.state, job.problem.code) == (JobState.FAILED, "bad_input")
    assert queue.state == "off"
