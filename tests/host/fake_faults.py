# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake engine with one fault at one stage: `python fake_faults.py FAULT STAGE`. `none` as the fault: it works."""
from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # the engine's environment takes nothing from a script's folder

from fake_engine import OUT, RECORD, FakeEngine, greet
from selfrect.problems import Problem
from selfrect.protocol import Message, write_message

#: in the order in which an engine passes through them
STAGES = ("start", "greeting", "loading", "inversion", "sampling", "result", "idle")


class FaultyEngine(FakeEngine):
    """Answers with the target; on its way each stage calls `at`, and where that is the chosen one the fault happens."""

    def __init__(self, fault: str, stage: str):
        super().__init__(fault, None)
        self.stage = stage
        self.request: Message | None = None

    def at(self, stage: str) -> None:
        if stage == self.stage and self.mode != "none":
            fault, self.mode = FAULTS[self.mode], "none"  # once
            fault(self)

    def start(self) -> None:
        self.at("start")
        greet(self, **({"version": 99} if (self.mode, self.stage) == ("wrong_version", "greeting") else {}))
        self.at("greeting")

    def work(self, act, request: Message) -> None:
        with contextlib.suppress(MemoryError):
            super().work(type(self).answer, request)

    def answer(self, request: Message) -> None:
        self.request = request
        for step, stage in enumerate(("loading", "inversion", "sampling"), start=1):
            self.progress(request.id, step, 3)
            self.at(stage)
        response = io.BytesIO()
        image = request.arrays["target"][..., :3]
        write_message(response, Message(id=request.id, result={"record": RECORD}, arrays={"image": image}))
        frame = response.getvalue()
        if self.stage == "result" and self.mode in IN_THE_MIDDLE:
            self.lock.acquire()  # for good: nothing follows
            self.write(frame[: len(frame) // 2])
        self.at("result")
        with self.lock:
            self.write(frame)
        time.sleep(0.1)  # so that the answer has been taken in before
        self.at("idle")

    def write(self, data: bytes) -> None:
        OUT.write(data)
        OUT.flush()


def stops(engine):
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(60)


def runs_out_of_memory(engine):
    if engine.request is None or engine.stage == "idle":
        sys.stderr.write("MemoryError: Unable to allocate 7.50 GiB\n")
        sys.stderr.flush()
        os._exit(1)
    engine.send(Message.failure(engine.request.id, Problem("out_of_memory", "There was not enough memory.", "Use less.")))
    raise MemoryError


def closes_stdout(engine):
    engine.lock.acquire(blocking=False)  # the heart stands still, too
    os.close(1)
    time.sleep(60)


def floods_stderr(engine):
    for _ in range(100):
        sys.stderr.write("y" * 50_000 + "\n")
    sys.stderr.flush()


def writes(data: bytes):
    def fault(engine):
        with engine.lock:
            engine.write(data)
            time.sleep(60)

    return fault


def answers_a_stranger(engine):
    engine.send(Message(id=4711, result={}))


FAULTS = {
    "killed": lambda engine: os.kill(os.getpid(), signal.SIGKILL),
    "stopped": stops,
    "out_of_memory": runs_out_of_memory,
    "closes_stdout": closes_stdout,
    "floods_stderr": floods_stderr,
    "garbage": writes(b"Segmentation fault (core dumped)\n"),
    "garbage_without_end": writes(b"\x00" * 100),
    "half_frame": writes(b'Content-Length: 500\r\n\r\n{"jsonrpc"'),
    "huge_frame": writes(b"Content-Length: 1099511627776\r\n\r\n"),
    "unknown_answer": answers_a_stranger,
    "wrong_version": lambda engine: None,
}
#: those that can also happen between two bytes of the answer
IN_THE_MIDDLE = ("killed", "stopped", "closes_stdout")

if __name__ == "__main__":
    FaultyEngine(*sys.argv[1:]).run()
