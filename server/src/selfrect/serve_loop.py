# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's side of the conversation: which thread reads, works, beats and answers. `serve` starts it."""
from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from . import __version__
from .problems import Problem, exit_code, from_exception
from .protocol import IN_TURN, PROTOCOL_VERSION, Message, read_message, write_message
from .serve_requests import NEED_PYTORCH, Answerer

FAREWELL_SECONDS = 2.0  # from the end of stdin to leaving without waiting for the work


class Server:
    """What the threads share. answers: method → what answers it. describe: as in `serve.serve`."""

    def __init__(self, stdout: BinaryIO, answers: dict[str, Answerer], describe: Callable[[], dict[str, Any]]):
        self._stdout = stdout
        self._answers = answers
        self._describe = describe
        self._writing = threading.Lock()
        self._in_turn: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._beside: list[threading.Thread] = []
        self._pending: set[Any] = set()  # ids asked and not yet answered
        self._cancelled: set[Any] = set()
        self._busy: set[Any] = set()
        self._stop = threading.Event()
        self._left = threading.Event()
        self._code = 0

    def greet(self) -> None:
        greeting = {"protocol": PROTOCOL_VERSION, "engine_version": __version__, "pid": os.getpid()}
        self._send(Message(method="greeting", params=greeting | self._describe()))

    def tell_devices(self, find_devices: Callable[[], list[dict[str, Any]]]) -> None:
        found: list[dict[str, Any]] = []
        try:
            found = find_devices()
        except Exception as error:  # noqa: BLE001 - told in the log; the first request will fail with its own words
            problem = from_exception(error)
            self._send(Message(method="log", params={"text": f"{problem}\n{problem.detail}"}))
        self._send(Message(method="devices", params={"devices": found}))

    def beat(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            self._send(Message(method="heartbeat", params={"busy": list(self._busy.copy())}))

    def read(self, stdin: BinaryIO, abandon: Callable[[], None], devices: threading.Thread) -> None:
        """Take in messages until stdin ends or `shutdown` comes; then stop the work."""
        try:
            while not self._stop.is_set() and (message := read_message(stdin)) is not None:
                self._take(message, devices)
        except Problem as problem:
            self._code = exit_code(problem)
            self._send(Message.failure(None, problem))
        self._stop.set()
        self._in_turn.put(None)
        if not self._left.wait(FAREWELL_SECONDS):
            abandon()

    def work(self, devices: threading.Thread) -> int:
        """Answer what goes in turn. `devices` is waited for before the first: one import of PyTorch at a time."""
        while (message := self._in_turn.get()) is not None and not self._stop.is_set():
            self._answer(message, devices)
        for thread in self._beside:
            thread.join()
        self._left.set()
        return self._code

    def _take(self, message: Message, devices: threading.Thread) -> None:
        if message.method == "cancel":
            if (id := message.params.get("id")) in self._pending:
                self._cancelled.add(id)
        elif message.method == "shutdown":
            self._stop.set()
        elif message.method == "ping":
            self._send(Message(id=message.id, result={}))
        elif message.method in self._answers and message.id is not None and message.id not in self._pending:
            self._pending.add(message.id)
            if message.method in IN_TURN:
                self._in_turn.put(message)
            else:
                wait_for = devices if message.method in NEED_PYTORCH else None
                self._beside = [thread for thread in self._beside if thread.is_alive()]
                self._beside.append(start_thread(message.method, self._answer, message, wait_for))
        elif message.method is not None and message.id is not None:
            sentence = f"The engine cannot take the request “{message.method}” with the id {message.id!r}."
            self._send(Message.failure(message.id, Problem("bad_input", sentence, "Update the engine.")))

    def _answer(self, message: Message, devices: threading.Thread | None) -> None:
        """Send the response, whatever happens. devices: waited for first."""
        self._busy.add(message.id)
        try:
            self._check_cancelled(message.id)
            while devices is not None and devices.is_alive():
                devices.join(0.1)
                self._check_cancelled(message.id)
            result, arrays = self._answers[message.method](message, self._report(message.id))
            answer = Message(id=message.id, result=result, arrays=arrays)
        except BaseException as error:  # noqa: BLE001 - KeyboardInterrupt too: it becomes "cancelled"
            answer = Message.failure(message.id, from_exception(error))
        for ids in (self._busy, self._pending, self._cancelled):
            ids.discard(message.id)
        self._send(answer)

    def _report(self, id: Any) -> Callable[..., None]:
        """The report (see `engine.Report`) of one request: sends progress, raises Problem cancelled to stop the work."""

        def report(
            stage: str, step: int, steps: int, preview: np.ndarray | None = None, fraction: float = 0.0, **more: Any
        ) -> None:
            self._check_cancelled(id)
            place = {"id": id, "stage": stage, "step": step, "steps": steps, "fraction": float(fraction), **more}
            self._send(Message(method="progress", params=place))
            if preview is not None:
                picture = np.asarray(preview, np.float32)
                self._send(Message(method="preview", params={"id": id}, arrays={"preview": picture}))

        return report

    def _check_cancelled(self, id: Any) -> None:
        if self._stop.is_set() or id in self._cancelled:
            raise cancelled()

    def _send(self, message: Message) -> None:
        try:
            with self._writing:
                write_message(self._stdout, message)
        except OSError:
            self._stop.set()  # nobody listens any more
            self._in_turn.put(None)
        except (TypeError, ValueError) as error:  # an engine's record or picture that the wire does not carry
            if message.method is not None or message.error is not None:
                raise
            self._send(Message.failure(message.id, from_exception(error)))


def cancelled() -> Problem:
    """What stops a request, and what it is answered with."""
    return Problem("cancelled", "The work was cancelled.", "Start it again when you like.")


def start_thread(name: str, target: Callable[..., None], *args: Any) -> threading.Thread:
    """A running thread that does not keep the process alive."""
    thread = threading.Thread(target=target, args=args, name=f"selfrect {name}", daemon=True)
    thread.start()
    return thread
