# SPDX-License-Identifier: GPL-3.0-or-later
"""The server in memory: real threads and pipes, a synthesis of our own instead of PyTorch."""
from __future__ import annotations

import contextlib
import os
import threading
import time

import numpy as np
import pytest
from selfrect.engine import Result
from selfrect.problems import Problem
from selfrect.protocol import PROTOCOL_VERSION, Message, read_message, write_message
from selfrect.serve import serve

PICTURE = np.linspace(0, 1, 4 * 6 * 3, dtype=np.float32).reshape(4, 6, 3)
SYNTHESIZE = Message(
    method="synthesize",
    params={"engine": "e", "model": "m", "device": "cpu", "dtype": "float32", "seed": 5, "settings": {"steps": 3}},
    id=1,
    arrays={"reference.0": PICTURE, "reference.1": PICTURE[:2], "target": PICTURE[::-1]},
)


def describe():
    return {"engines": [{"name": "e"}], "models": [{"name": "m", "title": "M", "licence": "L", "installed": True}]}


def in_three_steps(engine, model, device, dtype, request, report):
    for step in (1, 2, 3):
        report("draw", step, 3, request.target[:1] if step == 2 else None, step / 3)
    record = {"engine": engine, "model": model, "device": device, "dtype": dtype, "seed": request.seed}
    return Result(request.target, record | {"settings": request.settings, "references": len(request.references)})


class Host:
    """The other side: `say` messages, `hear` the next one that is no heartbeat."""

    def __init__(self, synthesize=in_three_steps, **options):
        (engine_in, out), (incoming, engine_out) = os.pipe(), os.pipe()
        self.out, self.incoming = os.fdopen(out, "wb"), os.fdopen(incoming, "rb")
        streams = os.fdopen(engine_in, "rb"), os.fdopen(engine_out, "wb")
        options = {"describe": describe, "find_devices": lambda: [{"name": "cpu"}], "heartbeat_seconds": 0.05} | options
        self.code = None
        self.thread = threading.Thread(target=self._serve, args=(streams, synthesize, options), daemon=True)
        self.thread.start()

    def _serve(self, streams, synthesize, options):
        self.code = serve(*streams, synthesize, **options)
        with contextlib.suppress(BrokenPipeError):  # closing flushes
            streams[1].close()

    def say(self, message: Message) -> None:
        write_message(self.out, message)

    def hear(self, *methods: str | None) -> Message:
        """The next message; with methods, the next one of those (None: a response)."""
        while (message := read_message(self.incoming)) is not None:
            if message.method in methods if methods else message.method != "heartbeat":
                return message
        pytest.fail("the engine closed its output")

    def exit_code(self) -> int | None:
        self.thread.join(5)
        return self.code


@pytest.fixture
def host():
    host = Host()
    yield host
    host.out.close()
    assert host.exit_code() is not None
    host.incoming.close()


def test_it_greets_with_everything_the_panel_needs(host):
    greeting = host.hear()
    assert greeting.method == "greeting"
    assert greeting.params["protocol"] == PROTOCOL_VERSION
    assert greeting.params["pid"] == os.getpid()
    assert greeting.params["engine_version"]
    assert greeting.params["engines"] == describe()["engines"]
    assert greeting.params["models"] == describe()["models"]
    assert host.hear("devices").params == {"devices": [{"name": "cpu"}]}


def test_a_request_is_answered_with_progress_preview_and_picture(host):
    host.say(SYNTHESIZE)
    stages = [host.hear("progress").params for _ in range(2)]
    assert stages[0] == {"id": 1, "stage": "draw", "step": 1, "steps": 3, "fraction": 1 / 3}
    preview = host.hear()
    assert (preview.method, preview.params) == ("preview", {"id": 1})
    np.testing.assert_array_equal(preview.arrays["preview"], PICTURE[-1:])
    answer = host.hear(None)
    assert answer.id == 1
    assert answer.result["record"] == {
        "engine": "e", "model": "m", "device": "cpu", "dtype": "float32", "seed": 5, "settings": {"steps": 3},
        "references": 2,
    }  # fmt: skip
    np.testing.assert_array_equal(answer.arrays["image"], PICTURE[::-1])


def test_mask_weights_regions_and_maps_travel_there_and_back():
    def synthesize(engine, model, device, dtype, request, report):
        maps = {name: of_each[1] for name, of_each in request.maps.items()}
        none = [region is None for region in request.regions]
        return Result(request.target, {"weights": request.weights, "mask": request.mask.tolist(), "none": none}, maps=maps)

    host = Host(synthesize)
    maps = {"map.normal.0": PICTURE, "map.normal.1": PICTURE[::-1], "map.light 2.0": PICTURE, "map.light 2.1": PICTURE[:1] * 9}
    more = {"mask": PICTURE[..., 0], "region.1": PICTURE[..., 1]}
    host.say(Message("synthesize", SYNTHESIZE.params | {"weights": [1, 2.5]}, 1, arrays=SYNTHESIZE.arrays | maps | more))
    answer = host.hear(None)
    assert answer.result["record"] == {"weights": [1, 2.5], "mask": PICTURE[..., 0].tolist(), "none": [True, False]}
    assert set(answer.arrays) == {"image", "map.normal", "map.light 2"}
    np.testing.assert_array_equal(answer.arrays["map.normal"], PICTURE[::-1])
    np.testing.assert_array_equal(answer.arrays["map.light 2"], PICTURE[:1] * 9)
    host.out.close()


@pytest.mark.parametrize("name", ["region.2", "map.ao.2", "map.ao", "region.first"])
def test_what_belongs_to_no_reference_is_refused(host, name):
    host.say(Message("synthesize", SYNTHESIZE.params, 1, arrays=SYNTHESIZE.arrays | {name: PICTURE}))
    problem = host.hear(None).problem
    assert problem.code == "bad_input"
    assert name in problem.sentence


def test_ping_and_models_are_answered_while_it_works():
    go = threading.Event()
    host = Host(lambda *_: go.wait(5) and Result(PICTURE, {}))
    host.say(SYNTHESIZE)
    host.say(Message(method="ping", id="p"))
    assert host.hear(None).id == "p"
    host.say(Message(method="models.list", id=2))
    assert host.hear(None).result["models"][0]["name"] == "mini"
    go.set()
    assert host.hear(None).id == 1


def test_the_heart_beats_and_says_what_it_works_on():
    go = threading.Event()
    host = Host(lambda *_: go.wait(5) and Result(PICTURE, {}))
    assert host.hear("heartbeat").params == {"busy": []}
    host.say(SYNTHESIZE)
    while host.hear("heartbeat").params["busy"] == []:
        pass
    assert host.hear("heartbeat").params == {"busy": [1]}
    go.set()
    assert host.hear(None).id == 1
    host.hear("heartbeat")  # may have been on its way
    assert host.hear("heartbeat").params == {"busy": []}


def endless(engine, model, device, dtype, request, report):
    for step in range(1, 10_000):
        report("draw", step, 10_000)
        time.sleep(0.005)


def test_cancel_stops_the_work_within_a_step_and_the_next_request_is_served():
    host = Host(lambda *args: endless(*args) if args[4].seed == 5 else in_three_steps(*args))
    host.say(SYNTHESIZE)
    host.hear("progress")
    host.say(Message(method="cancel", params={"id": 1}))
    answer = host.hear(None)
    assert (answer.id, answer.problem.code) == (1, "cancelled")
    host.say(Message("synthesize", SYNTHESIZE.params | {"seed": 6}, 2, arrays=SYNTHESIZE.arrays))
    assert host.hear(None).result["record"]["seed"] == 6


def test_a_request_that_waits_can_be_cancelled_and_strange_ids_do_nothing():
    host = Host(lambda *args: endless(*args) if args[4].seed == 5 else in_three_steps(*args))
    host.say(SYNTHESIZE)
    host.say(Message("synthesize", SYNTHESIZE.params, 2, arrays=SYNTHESIZE.arrays))
    for id in (77, None, "x", 2, 1):
        host.say(Message(method="cancel", params={"id": id}))
    answers = [host.hear(None), host.hear(None)]
    assert [(answer.id, answer.problem.code) for answer in answers] == [(1, "cancelled"), (2, "cancelled")]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Problem("model_missing", "The model “x” is not on this machine.", "Get it."), "model_missing"),
        (MemoryError(), "out_of_memory"),
        (KeyboardInterrupt(), "cancelled"),
        (ZeroDivisionError("division by zero"), "internal"),
    ],
)
def test_whatever_goes_wrong_is_an_answer_and_the_server_goes_on(error, code):
    def fail(*args):
        raise error

    host = Host(fail)
    for id in (1, 2):
        host.say(Message("synthesize", SYNTHESIZE.params, id, arrays=SYNTHESIZE.arrays))
        answer = host.hear(None)
        assert (answer.id, answer.problem.code) == (id, code)
        assert answer.error["message"] == str(answer.problem)


@pytest.mark.parametrize("record", [{"seconds": float("nan")}, {"device": object()}])
def test_a_record_that_cannot_travel_is_an_answer_too(record):
    host = Host(lambda *_: Result(PICTURE, record))
    host.say(SYNTHESIZE)
    assert host.hear(None).problem.code == "internal"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": "5"}, "seed '5'"),
        ({"settings": [1]}, r"settings \[1\]"),
    ],
)
def test_a_request_of_wrong_types_is_refused(host, change, words):
    host.say(Message("synthesize", SYNTHESIZE.params | change, 1, arrays=SYNTHESIZE.arrays))
    with pytest.raises(Problem, match=words) as caught:
        raise host.hear(None).problem
    assert caught.value.code == "bad_input"


def test_a_missing_reference_and_a_strange_request_are_refused(host):
    host.say(Message("synthesize", SYNTHESIZE.params, 1, arrays={"reference.1": PICTURE}))
    assert "no array reference.0" in host.hear(None).problem.sentence
    host.say(Message("dance", {}, 2))
    assert "“dance”" in host.hear(None).problem.sentence
    host.say(Message("dance"))  # a notification that nobody knows is no reason to answer
    host.say(Message("ping", {}, 3))
    assert host.hear(None).id == 3


def test_nonsense_on_stdin_is_answered_and_ends_the_server():
    host = Host()
    host.out.write(b"GET / HTTP/1.1\r\n\r\n")
    host.out.flush()
    answer = host.hear(None)
    assert (answer.id, answer.problem.code) == (None, "bad_answer")
    assert "GET / HTTP" in answer.problem.sentence
    assert host.exit_code() == 1


@pytest.mark.parametrize("ending", ["end of stdin", "shutdown"])
def test_the_work_stops_when_the_host_leaves(ending):
    host = Host(endless)
    host.say(SYNTHESIZE)
    host.hear("progress")
    if ending == "shutdown":
        host.say(Message(method="shutdown"))
    else:
        host.out.close()
    assert host.hear(None).problem.code == "cancelled"
    assert host.exit_code() == 0


def test_work_that_does_not_stop_is_abandoned():
    abandoned, go = threading.Event(), threading.Event()
    host = Host(lambda *_: go.wait(20) and Result(PICTURE, {}), abandon=abandoned.set)
    host.say(SYNTHESIZE)
    host.hear("heartbeat")
    host.out.close()
    assert abandoned.wait(5)
    go.set()
    assert host.exit_code() == 0


def test_a_host_that_stops_listening_ends_it():
    host = Host(endless)
    host.say(SYNTHESIZE)
    host.hear("progress")
    host.incoming.close()
    assert host.exit_code() == 0


def test_devices_that_cannot_be_found_are_told_and_none():
    def broken():
        raise ImportError("DLL load failed")

    host = Host(find_devices=broken)
    assert "DLL load failed" in host.hear("log").params["text"]
    assert host.hear("devices").params == {"devices": []}


def test_a_request_is_cancelled_while_pytorch_is_still_being_imported():
    go = threading.Event()
    host = Host(find_devices=lambda: go.wait(10) and [])
    host.say(SYNTHESIZE)
    while host.hear("heartbeat").params["busy"] != [1]:
        pass
    host.say(Message(method="cancel", params={"id": 1}))
    assert host.hear(None).problem.code == "cancelled"
    go.set()
    host.out.close()
    assert host.exit_code() == 0
