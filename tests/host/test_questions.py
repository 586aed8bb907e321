# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to the engine besides pictures: beside them or in turn, with progress, cancel and faults."""
from __future__ import annotations

import time

import pytest
from test_job_queue import pump_until

from selfrect_blender.host.job import Job, JobState
from selfrect_blender.host.request import Question


def test_a_question_is_answered(queue_of):
    queue = queue_of("good")
    job = queue.wait(queue.ask("models.where"), timeout=10)
    assert job.state is JobState.DONE
    assert job.result == {"method": "models.where", "params": {}}
    assert (job.image, job.problem, queue.unfinished) == (None, None, [])


def test_a_download_runs_beside_a_picture(queue_of, request_of):
    queue = queue_of("good")
    download = queue.ask("models.download", {"name": "sd-1.4", "steps": 10_000, "seconds": 0.01})
    pump_until(queue, lambda: download.step > 2)
    assert queue.state == "ready"
    picture = queue.wait(queue.submit(request_of()), timeout=10)
    assert picture.state is JobState.DONE
    assert download.state is JobState.RUNNING
    assert (download.stage, download.steps, download.speed) == ("download", 10_000, 2000.0)
    assert 4 < download.seconds_left < 5  # (10 000 − step) bytes at 2000 bytes a second
    queue.cancel(download)
    queue.wait(download, timeout=5)
    assert (download.state, download.problem) == (JobState.CANCELLED, None)
    assert queue.wait(queue.ask("models.list"), timeout=5).state is JobState.DONE


def test_what_uses_the_model_waits_its_turn(queue_of, request_of):
    queue = queue_of("slow")
    picture = queue.submit(request_of())
    release = queue.ask("release")
    after = queue.ask("models.list")
    queue.wait(after, timeout=10)
    assert (after.state, release.state) == (JobState.DONE, JobState.WAITING)
    assert [job.id for job in queue.unfinished] == [picture.id, release.id]
    queue.mode = "good"
    pump_until(queue, lambda: picture.step >= 1)
    queue.cancel(picture)
    queue.wait(picture, timeout=5)
    queue.pump()
    assert release.state is JobState.RUNNING
    queue.close()
    assert release.state is JobState.CANCELLED


def test_a_question_asked_after_a_picture_that_is_being_prepared_does_not_overtake_it(queue_of, request_of):
    queue = queue_of("good")
    queue.wait(queue.ask("models.list"), timeout=10)
    picture, release = queue.submit(request_of(size=512)), queue.ask("release")
    finished = []
    pump_until(queue, lambda: finished.extend(job for job in queue.pump() if job.finished) or len(finished) == 2)
    assert finished == [picture, release]


def test_a_problem_comes_back_whole(queue_of):
    job = queue_of("fails")
    job = job.wait(job.ask("models.verify", {"name": "x"}), timeout=10)
    assert (job.state, job.problem.code) == (JobState.FAILED, "out_of_memory")


def test_params_that_cannot_be_sent_start_no_engine(queue_of):
    queue = queue_of("good")
    job = queue.wait(queue.ask("models.list", {"odd": object()}), timeout=5)
    assert (job.problem.code, queue.state) == ("bad_input", "off")
    assert "models.list" in job.problem.sentence


def test_an_answer_that_is_none_ends_the_engine(queue_of):
    queue = queue_of("good")
    job = queue.wait(queue.ask("models.list", {"odd": True}), timeout=10)
    assert (job.state, job.problem.code, queue.state) == (JobState.FAILED, "bad_answer", "off")


def test_a_death_ends_all_that_run_and_none_that_wait(queue_of, request_of):
    queue = queue_of("dies")
    download = queue.ask("models.download", {"steps": 10_000, "seconds": 0.01})
    pump_until(queue, lambda: download.step > 0)
    first, second = queue.submit(request_of()), queue.submit(request_of())
    pump_until(queue, lambda: first.state is JobState.RUNNING)
    queue.mode = "good"
    queue.wait(second, timeout=10)
    assert [job.problem.code for job in (download, first)] == ["engine_died"] * 2
    assert second.state is JobState.DONE


def test_a_download_deaf_to_cancel_costs_no_picture_and_its_late_answer_is_no_fault(queue_of, request_of):
    queue = queue_of("ignores_cancel", cancel=0.3)
    download = queue.ask("models.download", {"steps": 60, "seconds": 0.02})
    pump_until(queue, lambda: download.step > 0)
    pid = queue._link.process.pid
    picture = queue.submit(request_of())
    queue.cancel(download)
    queue.wait(download, timeout=5)
    assert download.state is JobState.CANCELLED
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        queue.pump()
        time.sleep(0.01)
    assert picture.state is JobState.RUNNING
    assert queue._link.process.pid == pid
    assert not queue._given_up


def test_an_engine_that_forgets_a_question_is_told(queue_of):
    queue = queue_of("idle", idle_answer=0.5)
    job = queue.wait(queue.ask("release"), timeout=5)
    assert (job.problem.code, "idle" in job.problem.sentence) == ("bad_answer", True)


@pytest.mark.parametrize("speed", [None, "fast", True])
def test_a_speed_that_is_none_is_not_shown(speed):
    job = Job(1, Question("models.download"))
    job.take_progress({"stage": "download", "step": 5, "steps": 10, "fraction": 0.5, "speed": speed})
    assert job.speed is None
