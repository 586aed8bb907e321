# SPDX-License-Identifier: GPL-3.0-or-later
"""`selfrect serve`: the process that Blender talks to, over its stdin and stdout. PROTOCOL.md says what passes.

Four threads: the main one makes the pictures, one request after the other; one reads, one beats the heart, one loads
PyTorch and finds the devices while the artist still looks for the button. The process ends when its stdin does.
"""
from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from . import __version__
from .engine import Request, Result
from .problems import Problem, exit_code, from_exception
from .protocol import PROTOCOL_VERSION, Message, read_message, write_message

HEARTBEAT_SECONDS = 1.0
FAREWELL_SECONDS = 2.0  # from the end of stdin to leaving without waiting for the work
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> int:
    """Serve on the real stdin and stdout until stdin ends, then leave the process."""
    stdin, stdout = _take_standard_streams()
    _end_with_parent()
    code = serve(stdin, stdout, abandon=lambda: os._exit(exit_code(_cancelled())))
    sys.stderr.flush()
    os._exit(code)  # a thread may be in the middle of importing PyTorch: an orderly end would wait for it, or crash


def serve(
    stdin: BinaryIO,
    stdout: BinaryIO,
    synthesize: Callable[..., Result] | None = None,
    describe: Callable[[], dict[str, Any]] | None = None,
    find_devices: Callable[[], list[dict[str, Any]]] | None = None,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
    abandon: Callable[[], None] = lambda: None,
) -> int:
    """Answer messages until `stdin` ends or `shutdown` comes; 0, or 1 where what came was not the protocol.

    synthesize: as `registry.synthesize`. describe: {engines, models} of the greeting. find_devices: as
    `device.devices`. abandon: called when stdin has ended and the work does not stop. Tests hand in their own.
    """
    server = _Server(stdout, synthesize or _synthesize, describe or _describe)
    server.greet()
    devices = _thread("devices", server.tell_devices, find_devices or _find_devices)
    _thread("heartbeat", server.beat, heartbeat_seconds)
    _thread("reader", server.read, stdin, abandon)
    return server.work(devices)


class _Server:
    """What the four threads share."""

    def __init__(self, stdout: BinaryIO, synthesize: Callable[..., Result], describe: Callable[[], dict[str, Any]]):
        self._stdout = stdout
        self._synthesize = synthesize
        self._describe = describe
        self._writing = threading.Lock()
        self._requests: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._pending: set[Any] = set()  # ids asked and not yet answered
        self._cancelled: set[Any] = set()
        self._busy: Any = None
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
            self._send(Message(method="heartbeat", params={"busy": self._busy}))

    def read(self, stdin: BinaryIO, abandon: Callable[[], None]) -> None:
        """Take in messages until stdin ends or `shutdown` comes; then stop the work."""
        try:
            while not self._stop.is_set() and (message := read_message(stdin)) is not None:
                self._take(message)
        except Problem as problem:
            self._code = exit_code(problem)
            self._send(Message.failure(None, problem))
        self._stop.set()
        self._requests.put(None)
        if not self._left.wait(FAREWELL_SECONDS):
            abandon()

    def work(self, devices: threading.Thread) -> int:
        """Answer the requests one by one. `devices` is waited for before the first: one import of PyTorch at a time."""
        while (message := self._requests.get()) is not None and not self._stop.is_set():
            devices.join()
            self._busy = message.id
            answer = self._answer(message)
            self._busy = None
            self._pending.discard(message.id)
            self._cancelled.discard(message.id)
            self._send(answer)
        self._left.set()
        return self._code

    def _take(self, message: Message) -> None:
        id = message.params.get("id") if message.method == "cancel" else message.id
        if message.method == "synthesize" and id is not None and id not in self._pending:
            self._pending.add(id)
            self._requests.put(message)
        elif message.method == "cancel" and id in self._pending:
            self._cancelled.add(id)
        elif message.method == "shutdown":
            self._stop.set()
        elif message.method == "ping":
            self._send(Message(id=message.id, result={}))
        elif message.method == "models.list":
            self._send(Message(id=message.id, result={"models": self._describe()["models"]}))
        elif message.method is not None and message.id is not None:
            sentence = f"The engine cannot take the request “{message.method}” with the id {message.id!r}."
            self._send(Message.failure(message.id, Problem("bad_input", sentence, "Update the engine.")))

    def _answer(self, message: Message) -> Message:
        """The response to `synthesize`, whatever happens."""
        try:
            self._check_cancelled(message.id)
            names = (message.params.get(name, "auto") for name in ("engine", "model", "device", "dtype"))
            result = self._synthesize(*names, _request(message), self._report(message.id))
            image = np.asarray(result.image, np.float32)
            return Message(id=message.id, result={"record": result.record}, arrays={"image": image})
        except BaseException as error:  # noqa: BLE001 - KeyboardInterrupt too: it becomes "cancelled"
            return Message.failure(message.id, from_exception(error))

    def _report(self, id: Any) -> Callable[..., None]:
        """The report (see `engine.Report`) of one request: sends progress, raises Problem cancelled to stop the work."""

        def report(
            stage: str, step: int, steps: int, preview: np.ndarray | None = None, fraction: float = 0.0
        ) -> None:
            self._check_cancelled(id)
            place = {"id": id, "stage": stage, "step": step, "steps": steps, "fraction": float(fraction)}
            self._send(Message(method="progress", params=place))
            if preview is not None:
                picture = np.asarray(preview, np.float32)
                self._send(Message(method="preview", params={"id": id}, arrays={"preview": picture}))

        return report

    def _check_cancelled(self, id: Any) -> None:
        if self._stop.is_set() or id in self._cancelled:
            raise _cancelled()

    def _send(self, message: Message) -> None:
        try:
            with self._writing:
                write_message(self._stdout, message)
        except OSError:
            self._stop.set()  # nobody listens any more
            self._requests.put(None)
        except (TypeError, ValueError) as error:  # an engine's record or picture that the wire does not carry
            if message.method is not None or message.error is not None:
                raise
            self._send(Message.failure(message.id, from_exception(error)))


def _request(message: Message) -> Request:
    count = sum(name.startswith("reference.") for name in message.arrays)
    names = [f"reference.{index}" for index in range(count)]
    missing = [name for name in names if name not in message.arrays]
    seed, settings = message.params.get("seed", 0), message.params.get("settings", {})
    if missing or not isinstance(seed, int) or not isinstance(settings, dict):
        what = f"no array {missing[0]}" if missing else f"seed {seed!r} and settings {str(settings)[:80]}"
        raise Problem("bad_input", f"The request has {what}; see PROTOCOL.md.", "Update the extension and the engine.")
    references = [message.arrays[name] for name in names]
    return Request(references, message.arrays.get("target"), seed, settings)


def _cancelled() -> Problem:
    return Problem("cancelled", "The work was cancelled.", "Start it again when you like.")


def _thread(name: str, target: Callable[..., None], *args: Any) -> threading.Thread:
    thread = threading.Thread(target=target, args=args, name=f"selfrect {name}", daemon=True)
    thread.start()
    return thread


def _describe() -> dict[str, Any]:
    from .models.store import models
    from .registry import engines

    return {"engines": [engine.as_dict() for engine in engines()], "models": models()}


def _synthesize(*args: Any) -> Result:
    from .registry import synthesize

    return synthesize(*args)


def _find_devices() -> list[dict[str, Any]]:
    from .device import devices  # imports PyTorch

    return devices()


def _take_standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """The real stdin and stdout for the wire alone: what others print goes to stderr, what they read is empty."""
    wire_in, wire_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(wire_in, os.O_BINARY)
        msvcrt.setmode(wire_out, os.O_BINARY)
    return os.fdopen(wire_in, "rb"), os.fdopen(wire_out, "wb")


def _end_with_parent() -> None:
    """On Linux: leave when the parent process dies, even where a stranger still holds our stdin open.

    The kernel sends the signal when the parent's *thread* ends that started us, so the handler looks twice.
    """
    if sys.platform != "linux":
        return  # the end of stdin has to do
    import ctypes

    parent = os.getppid()

    def leave_if_orphan(*_: Any) -> None:
        if os.getppid() != parent:
            os._exit(exit_code(_cancelled()))

    signal.signal(signal.SIGUSR2, leave_if_orphan)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGUSR2)
