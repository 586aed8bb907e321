# SPDX-License-Identifier: GPL-3.0-or-later
"""Models as Blender asks for them: through the host's queue and a real `selfrect serve`, from a hub on loopback."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
import small_catalogue as small
from hub_server import Hub, Slow, Status
from selfrect.models import catalogue
from small_catalogue import FILES, NETWORK, REPOSITORY

from selfrect_blender.host.job import JobState
from selfrect_blender.host.job_queue import JobQueue

DOWNLOAD = {"name": "small", "accepted_licence": True, "precision": "float32"}


@pytest.fixture(scope="module")
def hub():
    with Hub({REPOSITORY: dict(FILES)}) as hub:
        yield hub


@pytest.fixture(scope="module")
def queue(hub, tmp_path_factory):
    """One engine for all of them: it takes seconds to import PyTorch."""
    with pytest.MonkeyPatch.context() as patch:
        small.use(tmp_path_factory.mktemp("wire"), patch, hub.url)
        patch.setenv("SELFRECT_CATALOGUE", str(catalogue.FILE))
        queue = JobQueue(lambda: sys.executable)
        queue.folder = Path(catalogue.FILE).parent / "models" / "small"
        yield queue
        queue.close()


def ask(queue, method, **params):
    job = queue.wait(queue.ask(method, params), timeout=60)
    assert job.finished
    return job


def small_model(queue):
    return next(model for model in ask(queue, "models.list").result["models"] if model["name"] == "small")


def test_a_download_is_cancelled_gone_on_with_verified_and_removed(queue, hub):
    assert not small_model(queue)["installed"]
    hub.faults[NETWORK] = [Slow(1000, 0.01)]
    job = queue.ask("models.download", DOWNLOAD)
    until = time.monotonic() + 60
    while job.step < 5000 and not job.finished and time.monotonic() < until:
        queue.pump()
        time.sleep(0.01)
    assert (job.stage, job.steps) == ("download", sum(map(len, small.needed().values())))
    queue.cancel(job)
    pressed = time.monotonic()
    queue.wait(job, timeout=5)
    assert time.monotonic() - pressed < 1.5
    assert job.state is JobState.CANCELLED
    assert not small_model(queue)["installed"]

    job = ask(queue, "models.download", **DOWNLOAD)
    assert (job.state, job.result) == (JobState.DONE, {"path": str(queue.folder)})
    assert hub.asked_for(NETWORK)[1].startswith("bytes=")
    assert small_model(queue)["installed"]
    assert ask(queue, "models.verify", name="small").result["good"]
    assert ask(queue, "models.remove", name="small").result["freed"] > 0
    assert not queue.folder.exists()


def test_failures_come_whole(queue, hub):
    assert ask(queue, "models.download", name="small").problem.code == "licence_not_accepted"
    hub.faults[NETWORK] = [Status(404)] * 2
    problem = ask(queue, "models.download", **DOWNLOAD).problem
    assert (problem.code, "404" in problem.sentence, "404" in problem.detail) == ("download_failed", True, True)
    assert ask(queue, "models.verify", name="nix").problem.code == "model_missing"
    assert ask(queue, "models.import", path="/nowhere/at/all").problem.code == "bad_input"
    assert ask(queue, "models.where").result["folder"] == str(queue.folder.parent)


def test_an_engine_killed_in_the_middle_costs_only_what_was_on_its_way(queue, hub):
    ask(queue, "models.remove", name="small")
    hub.faults[NETWORK] = [Slow(1000, 0.01)]
    job = queue.ask("models.download", DOWNLOAD)
    until = time.monotonic() + 60
    part = queue.folder / f"{NETWORK}.part"
    while (not part.exists() or part.stat().st_size < 5000) and time.monotonic() < until:
        queue.pump()
        time.sleep(0.01)
    queue._link.process.kill()
    queue.wait(job, timeout=10)
    assert (job.state, job.problem.code) == (JobState.FAILED, "engine_died")
    assert ask(queue, "models.download", **DOWNLOAD).state is JobState.DONE
    assert small_model(queue)["installed"]
