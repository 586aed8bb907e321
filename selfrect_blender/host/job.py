# SPDX-License-Identifier: GPL-3.0-or-later
"""One request on its way: what the panel shows, and what is left when it is over."""
from __future__ import annotations

import enum
import math
import time
from typing import Any

import numpy as np

from .engine_link import Watch
from .engine_source import problems, protocol
from .request import Question, RectifyRequest


class JobState(enum.Enum):
    WAITING = "waiting"  # for the engine to start, or for jobs before it
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job:
    """The life of one request. Only its JobQueue writes to it; all others read.

    stage, step, steps: where the engine stands (step from 1; bytes of a download). fraction: of the whole work, [0, 1],
    never falls. seconds_left: an estimate, None until there is ground for one. speed: bytes a second of a download, or None.
    preview: (h, w, 3) float32 or None. image: (H, W, 3|4) float32, top row first, record: how it was made, and maps: name →
    (h, w, 1|3|4) float32, of those that were sent and of those that were estimated, when a picture is DONE.
    result: what the engine answered to any other question, when DONE.
    problem: why, when FAILED. cancelling: the artist pressed Cancel and the engine has not answered yet.
    outgoing: the message to send, once it is made; a Problem where the request is bad.
    """

    def __init__(self, id: int, request: RectifyRequest | Question):
        self.id = id
        self.request = request
        self.state = JobState.WAITING
        self.stage = ""
        self.step = 0
        self.steps = 0
        self.fraction = 0.0
        self.seconds_left: float | None = None
        self.speed: float | None = None
        self.preview: np.ndarray | None = None
        self.image: np.ndarray | None = None
        self.maps: dict[str, np.ndarray] = {}
        self.record: dict[str, Any] | None = None
        self.result: dict[str, Any] | None = None
        self.problem: problems.Problem | None = None
        self.cancelling = False
        self.cancel_watch: Watch | None = None  # since Cancel was pressed
        self.outgoing: protocol.Message | problems.Problem | None = None
        self._first: tuple[float, float] | None = None  # (time, fraction) of the first progress above 0

    @property
    def finished(self) -> bool:
        return self.state in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)

    @property
    def in_turn(self) -> bool:
        """Whether it uses the engine's loaded model, and so waits for the jobs before it."""
        return self.request.method in protocol.IN_TURN

    def take_progress(self, params: dict[str, Any]) -> None:
        """Take over a `progress` message. Raises Problem("bad_answer") where it makes no sense."""
        stage, step, steps = params.get("stage"), params.get("step"), params.get("steps")
        fraction, speed = params.get("fraction", self.fraction), params.get("speed")
        numbers = all(type(n) is int and n >= 0 for n in (step, steps)) and type(fraction) in (int, float)
        if not isinstance(stage, str) or not numbers or not math.isfinite(fraction):
            raise bad_answer(f"a progress of {str(params)[:120]}")
        self.stage, self.step, self.steps = stage, step, steps
        self.speed = float(speed) if type(speed) in (int, float) else None
        self.fraction = max(self.fraction, min(float(fraction), 1.0))
        self._estimate(time.monotonic())

    def take_preview(self, message: protocol.Message) -> None:
        """Take over a `preview` message. Raises Problem("bad_answer") where it carries no picture."""
        self.preview = _picture(message, "preview")

    def take_result(self, message: protocol.Message) -> None:
        """Take over the response: DONE. Raises Problem("bad_answer") where it does not carry what was asked for."""
        if isinstance(self.request, Question):
            self._take_answer(message.result)
        else:
            self._take_picture(message)
        self.fraction, self.seconds_left = 1.0, 0.0
        self.state = JobState.DONE

    def _take_answer(self, result: Any) -> None:
        if not isinstance(result, dict):
            raise bad_answer(f"{str(result)[:80]!r} where the answer to {self.request.method} was expected")
        self.result = result

    def _take_picture(self, message: protocol.Message) -> None:
        record = message.result.get("record") if isinstance(message.result, dict) else None
        if not isinstance(record, dict):
            raise bad_answer("a result without its record")
        image = _picture(message, "image", (3,) if self.request.mask is None else (3, 4))  # 4: the target's alpha outside the mask
        target = self.request.target
        if target is not None and image.shape[:2] != target.shape[:2]:
            raise bad_answer(f"a picture of {_size(image)} pixels, expected {_size(target)}")
        self.maps = {name[4:]: _picture(message, name, (1, 3, 4)) for name in message.arrays if name.startswith("map.")}
        if missing := sorted(set(self.request.maps) - set(self.maps)):
            raise bad_answer(f"a result without the map “{missing[0]}”")
        self.image, self.record = image, record

    def fail(self, problem: problems.Problem) -> None:
        self.state, self.problem, self.seconds_left = JobState.FAILED, problem, None

    def end_cancelled(self) -> None:
        self.state, self.seconds_left = JobState.CANCELLED, None

    def _estimate(self, now: float) -> None:
        if self.speed:
            self.seconds_left = max(self.steps - self.step, 0) / self.speed
            return
        if self._first is None:
            self._first = (now, self.fraction) if self.fraction > 0 else None
            return
        started, before = self._first
        if self.fraction > before:
            self.seconds_left = (now - started) * (1 - self.fraction) / (self.fraction - before)


def bad_answer(what: str) -> problems.Problem:
    """The Problem for a well-formed message that makes no sense."""
    return problems.Problem(
        "bad_answer",
        f"The engine sent {what}.",
        "Update the engine and the extension so that both are of one release, and try again.",
    )


def _picture(message: protocol.Message, name: str, channels: tuple[int, ...] = (3,)) -> np.ndarray:
    picture = message.arrays.get(name)
    if picture is None:
        raise bad_answer(f"no array “{name}” where a picture was expected")
    if picture.dtype != np.float32 or picture.ndim != 3 or picture.shape[2] not in channels or picture.size == 0:
        expected = " or ".join(str(count) for count in channels)
        raise bad_answer(f"a picture of shape {picture.shape}, {picture.dtype}; expected rows × columns × {expected}, float32")
    if not np.isfinite(picture).all():
        raise bad_answer("a picture with values that are not numbers (NaN); float32 as dtype may help")
    return picture


def _size(picture: np.ndarray) -> str:
    return f"{picture.shape[1]} × {picture.shape[0]}"
