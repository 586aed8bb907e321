# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to the engine: submit requests, pump the messages, follow the jobs.

    queue = JobQueue(location=lambda: "/home/me/selfrect")
    job = queue.submit(RectifyRequest([reference], target))
    queue.wait(job)            # in background mode; in the interface a timer calls queue.pump() instead
    models = queue.wait(queue.ask("models.list")).result["models"]
    queue.close()

All methods are called from one thread. The engine is started when first needed and replaced by a fresh one after any
fault; a fault ends the running jobs only, one before the greeting all that wait. Jobs that use the engine's loaded model
are sent one after the other; the others, such as a download, at once: they run beside them.
"""
from __future__ import annotations

import atexit
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from .engine_link import Deadlines, EngineLink, Watch
from .engine_process import EngineProcess, engine_command
from .engine_source import problems, protocol
from .job import Job, JobState, bad_answer
from .request import Question, RectifyRequest


class JobQueue:
    """location, environment: asked at each start of the engine, see `engine_command` and `engine_environment`.

    deadlines: shortened by tests.
    """

    def __init__(
        self, location: Callable[[], str], deadlines: Deadlines | None = None, environment: Callable[[], dict[str, str]] = dict
    ):
        self.location = location
        self.environment = environment
        self.deadlines = deadlines or Deadlines()
        self.greeting: dict[str, Any] | None = None
        self.devices: list[dict[str, Any]] = []
        self.log: deque[str] = deque(maxlen=200)
        self._link: EngineLink | None = None
        self._ids = itertools.count(1)
        self._jobs: deque[Job] = deque()  # all that are not finished, in order
        self._sent: dict[int, Job] = {}
        self._lost_unused = False  # the last engine, before it was sent anything
        self._given_up: set[int] = set()  # cancelled ones whose answer did not come and may come yet
        self._changed: dict[int, Job] = {}
        self._idle_watch = Watch()
        self._busy: set[Any] = set()

    @property
    def state(self) -> str:
        """ "off", "starting", "ready" or "working" (on a picture; a download leaves it "ready")."""
        if self._link is None:
            return "off"
        if not self._link.greeted:
            return "starting"
        return "working" if any(job.in_turn for job in self._sent.values()) else "ready"

    @property
    def unfinished(self) -> list[Job]:
        """The jobs that wait or run, in the order of their submission: while there are any, `pump` often."""
        return list(self._jobs)

    def submit(self, request: RectifyRequest) -> Job:
        """Queue a request and return at once. Never raises a Problem: a bad request becomes a FAILED job.

        The arrays of the request must not be written to until the job is finished.
        """
        job = Job(next(self._ids), request)
        self._jobs.append(job)
        # checking 2048² pixels takes longer than the interface may be held
        threading.Thread(target=self._prepare, args=(job,), name="selfrect prepare", daemon=True).start()
        return job

    def ask(self, method: str, params: dict[str, Any] | None = None) -> Job:
        """Queue any other request of PROTOCOL.md and return at once; the answer will be in the job's `result`."""
        job = Job(next(self._ids), Question(method, params or {}))
        self._jobs.append(job)
        self._prepare(job)
        return job

    def pump(self) -> list[Job]:
        """Take in what arrived, start and send what is next. Never blocks. Returns the jobs that changed."""
        if self._link is not None:
            self._listen(self._link)
        self._advance()
        changed, self._changed = list(self._changed.values()), {}
        return changed

    def cancel(self, job: Job) -> None:
        """Ask a running job to stop, or take a waiting one out at once. A finished one stays as it is."""
        if job.id in self._sent and self._link is not None:
            if not job.cancelling:
                job.cancelling, job.cancel_watch = True, Watch()
                self._link.send(protocol.Message(method="cancel", params={"id": job.id}))
        elif job in self._jobs:
            self._end(job, None)

    def wait(self, job: Job, on_change: Callable[[Job], None] | None = None, timeout: float | None = None) -> Job:
        """Pump until the job is finished, or `timeout` seconds have passed (then it is returned unfinished)."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            if job in self.pump() and on_change is not None:
                on_change(job)
            if job.finished or (until is not None and time.monotonic() > until):
                return job
            if self._link is not None:
                self._link.arrived.wait(0.05)
            else:
                time.sleep(0.01)

    def close(self) -> None:
        """Cancel everything and end the engine: politely, then by force. Blocks for 3 s at most. Can be used again."""
        for job in list(self._jobs):
            self._end(job, None)
        if self._link is not None:
            self._link.close()
        self._forget_engine()

    def retire(self) -> threading.Thread | None:
        """End an engine that has nothing to do and return at once; what it said in its greeting stays known.

        Returns the thread that waits for its end (`Deadlines.farewell` and one second at most), None where there is none to end.
        """
        if self._link is None or self._jobs:
            return None
        farewell = threading.Thread(target=self._link.close, name="selfrect farewell", daemon=True)
        greeting, devices = self.greeting, self.devices
        self._forget_engine()
        self.greeting, self.devices = greeting, devices
        farewell.start()
        return farewell

    def _prepare(self, job: Job) -> None:
        try:
            job.request.check()
            job.outgoing = job.request.message(job.id)
        except Exception as error:  # noqa: BLE001 - told by the job, whatever it is
            job.outgoing = problems.from_exception(error)

    def _advance(self) -> None:
        """Fail the jobs whose request is bad, start the engine if it is needed, send what it can take."""
        occupied = any(job.in_turn for job in self._sent.values())
        for job in [job for job in self._jobs if job.id not in self._sent]:
            if isinstance(job.outgoing, problems.Problem):
                self._end(job, job.outgoing)
            elif job.outgoing is not None and self._link is None:
                return self._start()
            elif job.outgoing is not None and self._link.greeted and not (job.in_turn and occupied):
                self._send(job, self._link)
            occupied |= job.in_turn and not job.finished  # those that follow wait for it, even while it is being prepared

    def _start(self) -> None:
        try:
            process = EngineProcess(engine_command(self.location()), self.environment())
        except problems.Problem as problem:
            return self._lose_engine(problem)
        self._link = EngineLink(process, self.deadlines)
        atexit.register(self.close)

    def _send(self, job: Job, link: EngineLink) -> None:
        link.send(job.outgoing)
        job.outgoing = None  # the pixels are the link's now
        self._sent[job.id], job.state = job, JobState.RUNNING
        self._busy.add(job.id)
        self._changed[job.id] = job

    def _listen(self, link: EngineLink) -> None:
        try:
            for message in link.receive():
                self._take(link, message)
        except problems.Problem as problem:
            return self._lose_engine(problem)
        fault = link.fault() or self._useless(link)
        if fault is not None:
            self._lose_engine(fault)
        else:
            self._give_up_on_deaf_jobs()

    def _give_up_on_deaf_jobs(self) -> None:
        """Cancelled jobs whose answer does not come: a picture's engine is ended; what runs beside is left to itself."""
        for job in [job for job in self._sent.values() if job.cancelling]:
            if job.cancel_watch.seconds_of("") <= self.deadlines.cancel:
                continue
            if job.in_turn:
                return self._lose_engine(problems.Problem("cancelled", "The engine did not stop and was ended.", ""))
            self._given_up.add(job.id)
            self._end(job, None)

    def _useless(self, link: EngineLink) -> problems.Problem | None:
        """The Problem of an engine that is alive but says it does nothing, while we wait for its answer."""
        neglected = tuple(id for id in self._sent if id not in self._busy)
        if not neglected or not link.all_sent:
            self._idle_watch = Watch()
        elif self._idle_watch.seconds_of(neglected) > self.deadlines.idle_answer:
            return bad_answer("no answer to the request, and says that it is idle")
        return None

    def _take(self, link: EngineLink, message: protocol.Message) -> None:
        """One message. Raises Problem where it shows that the engine is of no use."""
        if message.method is None:
            return self._take_response(message)
        id = message.params.get("id")
        job = self._sent.get(id) if isinstance(id, int) else None
        if message.method == "greeting":
            self._take_greeting(link, message)
        elif message.method == "devices":
            self.devices, link.loaded = _list(message, "devices"), True
        elif message.method == "heartbeat":
            self._busy = set(_busy(message))
        elif message.method == "log":
            self.log.append(str(message.params.get("text", "")))
        elif job and message.method == "progress":
            job.take_progress(message.params)
            self._changed[job.id] = job
        elif job and message.method == "preview":
            job.take_preview(message)
            self._changed[job.id] = job

    def _take_greeting(self, link: EngineLink, message: protocol.Message) -> None:
        version = message.params.get("protocol")
        if version != protocol.PROTOCOL_VERSION:
            raise problems.Problem(
                "wrong_version",
                f"The engine speaks protocol {version!r}, this extension speaks {protocol.PROTOCOL_VERSION}.",
                "Install the engine that belongs to this extension.",
            )
        _list(message, "engines"), _list(message, "models")
        self.greeting, link.greeted, link.pid = message.params, True, message.params.get("pid")

    def _take_response(self, message: protocol.Message) -> None:
        job, problem = self._sent.get(message.id), message.problem
        if problem is not None and message.id is None:
            raise problem  # it could not even read our request
        if message.id in self._given_up:
            return self._given_up.remove(message.id)
        if job is None:
            raise bad_answer(f"an answer to the request {message.id!r}, which was never made")
        if job.cancelling or (problem is not None and problem.code == "cancelled"):
            return self._end(job, None)
        if problem is None:
            job.take_result(message)
        self._end(job, problem)

    def _end(self, job: Job, problem: problems.Problem | None) -> None:
        """Take a job out: FAILED with a problem; without one it stays DONE, or else becomes CANCELLED."""
        if problem is not None:
            job.fail(problem)
        elif not job.finished:
            job.end_cancelled()
        self._sent.pop(job.id, None)
        if job in self._jobs:
            self._jobs.remove(job)
        self._changed[job.id] = job

    def _lose_engine(self, problem: problems.Problem) -> None:
        """The engine is of no use any more: end it, fail the jobs it had; before its greeting, all that wait.

        One that is lost between its greeting and the first request costs nobody a job, but only once in a row: the next
        one may do the same, for ever.
        """
        unused = bool(self._jobs) and not self._sent
        useless_from_start = self._link is None or not self._link.greeted or (unused and self._lost_unused)
        self._lost_unused = unused and not useless_from_start
        if self._link is not None:
            self._link.kill()
        self.log.append(f"{problem}\n{problem.detail}".strip())
        lost = list(self._jobs) if useless_from_start else list(self._sent.values())
        self._forget_engine()
        for job in lost:
            self._end(job, None if job.cancelling else problem)

    def _forget_engine(self) -> None:
        self._link, self.greeting, self.devices = None, None, []
        self._sent, self._given_up, self._busy = {}, set(), set()
        atexit.unregister(self.close)


def _busy(message: protocol.Message) -> list[Any]:
    ids = message.params.get("busy")
    if not isinstance(ids, list) or not all(type(id) in (int, str) for id in ids):
        raise bad_answer(f"a heartbeat of {str(message.params)[:80]}")
    return ids


def _list(message: protocol.Message, name: str) -> list[Any]:
    entries = message.params.get(name)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise bad_answer(f"a {message.method} without a list of {name}")
    return entries
