# SPDX-License-Identifier: GPL-3.0-or-later
"""`selfrect serve`: the process that Blender talks to, over its stdin and stdout. PROTOCOL.md says what passes.

The main thread makes the pictures, one request after the other; one reads, one beats the heart, one loads PyTorch and
finds the devices while the artist still looks for the button. What does not use the loaded model, such as a download,
has a thread of its own. The process ends when its stdin does.
"""
from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from .engine import Result
from .problems import exit_code
from .serve_loop import Server, cancelled, start_thread
from .serve_requests import Answerer, imported, pictures, table

HEARTBEAT_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> int:
    """Serve on the real stdin and stdout until stdin ends, then leave the process."""
    stdin, stdout = _take_standard_streams()
    _end_with_parent()
    code = serve(stdin, stdout, abandon=lambda: os._exit(exit_code(cancelled())))
    sys.stderr.flush()
    os._exit(code)  # a thread may be in the middle of importing PyTorch: an orderly end would wait for it, or crash


def serve(
    stdin: BinaryIO,
    stdout: BinaryIO,
    synthesize: Callable[..., Result] | None = None,
    describe: Callable[[], dict[str, Any]] | None = None,
    find_devices: Callable[[], list[dict[str, Any]]] | None = None,
    answers: dict[str, Answerer] | None = None,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
    abandon: Callable[[], None] = lambda: None,
) -> int:
    """Answer messages until `stdin` ends or `shutdown` comes; 0, or 1 where what came was not the protocol.

    synthesize: as `registry.synthesize`. describe: {engines, models} of the greeting. find_devices: as
    `device.devices`. answers: by method, over those of `serve_requests`. abandon: called when stdin has ended and the
    work does not stop. Tests hand in their own.
    """
    answers = table() | ({"synthesize": pictures(synthesize)} if synthesize else {}) | (answers or {})
    server = Server(stdout, answers, describe or _describe)
    server.greet()
    devices = start_thread("devices", _while_the_artist_edits, server, find_devices)
    start_thread("heartbeat", server.beat, heartbeat_seconds)
    start_thread("reader", server.read, stdin, abandon, devices)
    return server.work(devices)


def _describe() -> dict[str, Any]:
    """Of models only our own: other tools' folders may lie on a drive that is slow to answer, and a greeting is urgent."""
    from .models.store import models
    from .registry import engines

    return {"engines": [engine.as_dict() for engine in engines()], "models": models(elsewhere=False)}


def _while_the_artist_edits(server: Server, find_devices: Callable[[], list[dict[str, Any]]] | None) -> None:
    """Tell the devices; then let a thread import what the first picture will need."""
    if find_devices is None:
        imported.clear()
    server.tell_devices(find_devices or _find_devices)
    if find_devices is None:
        start_thread("imports", _import_engine)


def _import_engine() -> None:
    """Should it fail, the first request says why."""
    try:
        from .models.loading import warm_up

        warm_up()
    except Exception as error:  # noqa: BLE001
        print(f"selfrect: imports ahead of need failed: {error}", file=sys.stderr)
    finally:
        imported.set()


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
            os._exit(exit_code(cancelled()))

    signal.signal(signal.SIGUSR2, leave_if_orphan)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGUSR2)
