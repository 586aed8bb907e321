# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests besides `synthesize`: beside the pictures or in turn with them, with progress, cancel and words."""
from __future__ import annotations

import threading
import time

import pytest
from selfrect import registry
from selfrect.engine import Result
from selfrect.models import manage
from selfrect.protocol import IN_TURN, Message
from selfrect.serve_requests import table
from test_serve import PICTURE, SYNTHESIZE, Host


@pytest.fixture
def busy_host():
    """A host whose engine makes a picture until `go` is set."""
    host = Host(lambda *_: host.go.wait(5) and Result(PICTURE, {}))
    host.go = threading.Event()
    host.say(SYNTHESIZE)
    while host.hear("heartbeat").params["busy"] != [1]:
        pass
    yield host
    host.go.set()
    host.out.close()
    assert host.exit_code() == 0


def test_every_method_of_the_document_is_there():
    assert set(table()) == {
        "synthesize", "load", "release", "cache.clear", "plan", "models.list", "models.where", "models.download",
        "models.verify", "models.remove", "models.import",
    }  # fmt: skip
    assert set(IN_TURN) <= set(table())


def test_a_download_runs_beside_a_picture_with_progress_and_is_cancelled_alone(busy_host, monkeypatch):
    def download(name, report, accepted, mirror, precision):
        assert (name, accepted, mirror, precision) == ("sd-1.4", True, "", "auto")
        for step in range(10_000):
            report("download", step, 10_000, fraction=step / 10_000, speed=5.5, file="unet")
            time.sleep(0.005)

    monkeypatch.setattr(manage, "download", download)
    busy_host.say(Message("models.download", {"name": "sd-1.4", "accepted_licence": True}, 2))
    told = busy_host.hear("progress").params
    assert told["id"] == 2
    assert {"stage", "step", "steps", "fraction", "speed", "file"} < set(told)
    while set(busy_host.hear("heartbeat").params["busy"]) != {1, 2}:
        pass
    busy_host.say(Message("ping", id=3))
    assert busy_host.hear(None).id == 3
    busy_host.say(Message("cancel", {"id": 2}))
    answer = busy_host.hear(None)
    assert (answer.id, answer.problem.code) == (2, "cancelled")
    busy_host.go.set()
    answer = busy_host.hear(None)
    assert (answer.id, answer.problem) == (1, None)


def test_what_uses_the_loaded_model_waits_for_the_picture(busy_host, monkeypatch):
    done = []
    monkeypatch.setattr(registry, "release", lambda: done.append("release"))
    monkeypatch.setattr(registry, "clear_kept", lambda: done.append("clear") or {"bytes": 5}, raising=False)
    busy_host.say(Message("release", {}, 2))
    busy_host.say(Message("cache.clear", {}, 3))
    busy_host.say(Message("ping", {}, 4))
    assert busy_host.hear(None).id == 4
    assert not done
    busy_host.go.set()
    answers = [busy_host.hear(None) for _ in range(3)]
    assert [(answer.id, answer.result) for answer in answers[1:]] == [(2, {}), (3, {"bytes": 5})]
    assert done == ["release", "clear"]


def test_a_model_is_loaded_ahead(busy_host, monkeypatch):
    monkeypatch.setattr(registry, "load", lambda *names: names, raising=False)  # what it returns is not for the wire
    busy_host.go.set()
    busy_host.say(Message("load", {"model": "m"}, 2))
    answers = [busy_host.hear(None) for _ in range(2)]
    assert (answers[1].id, answers[1].result) == (2, {})


def test_a_plan_is_answered_at_once_with_what_was_asked(busy_host, monkeypatch):
    monkeypatch.setattr(registry, "plan", lambda *args: {"asked": list(args)}, raising=False)
    sizes = {"references": [[64, 64]], "target": [64, 32]}
    busy_host.say(Message("plan", {"engine": "e", "model": "m", "sizes": sizes, "settings": {"steps": 2}}, 2))
    assert busy_host.hear(None).result == {"asked": ["e", "m", "auto", "auto", sizes, {"steps": 2}]}


@pytest.mark.parametrize(
    ("method", "params", "words"),
    [
        ("plan", {"engine": "e", "model": "m"}, "needs sizes"),
        ("plan", {"model": "m", "sizes": {}}, "needs “engine” as text"),
        ("models.download", {"name": 5}, "needs “name” as text, got 5"),
        ("models.verify", {}, "needs “name”"),
        ("models.remove", {"name": ""}, "needs “name”"),
        ("models.import", {}, "needs “path”"),
        ("load", {}, "needs “model”"),
        ("synthesize", {"preview": "yes"}, "preview 'yes'"),
    ],
)
def test_a_request_of_wrong_types_is_refused(busy_host, method, params, words):
    busy_host.go.set()
    busy_host.say(Message(method, params, 2))
    answers = {answer.id: answer for answer in (busy_host.hear(None), busy_host.hear(None))}
    assert answers[2].problem.code == "bad_input"
    assert words in answers[2].problem.sentence


def test_an_engine_that_lacks_a_function_says_so(busy_host, monkeypatch):
    monkeypatch.delattr(registry, "plan", raising=False)
    busy_host.say(Message("plan", {"engine": "e", "model": "m", "sizes": {}}, 2))
    problem = busy_host.hear(None).problem
    assert (problem.code, "plan" in problem.sentence) == ("bad_input", True)


def test_an_id_that_is_still_worked_on_is_refused(busy_host):
    busy_host.say(Message("models.where", {}, 1))
    assert busy_host.hear(None).problem.code == "bad_input"


def test_previews_can_be_declined():
    seen = []
    host = Host(lambda *args: seen.append(args[4].preview) or Result(PICTURE, {}))
    for id, params in ((1, {}), (2, {"preview": False})):
        host.say(Message("synthesize", SYNTHESIZE.params | params, id, arrays=SYNTHESIZE.arrays))
        assert host.hear(None).id == id
    assert seen == [True, False]


def test_what_runs_beside_stops_when_the_host_leaves(monkeypatch):
    def verify(name, report):
        while True:
            report("verify", 1, 2)
            time.sleep(0.005)

    monkeypatch.setattr(manage, "verify", verify, raising=False)
    host = Host()
    host.say(Message("models.verify", {"name": "m"}, 1))
    host.hear("progress")
    host.out.close()
    assert host.hear(None).problem.code == "cancelled"
    assert host.exit_code() == 0
