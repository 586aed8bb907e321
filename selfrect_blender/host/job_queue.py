# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to the engine: submit requests, pump the messages, follow the jobs.

    queue = JobQueue(location=lambda: "/home/me/selfrect")
    job = queue.submit(RectifyRequest([reference], target))
    queue.wait(job)            # in background mode; in the interface a timer calls queue.pump() instead
    queue.close()

All methods are called from one thread. The engine is started when first needed, serves one job at a time, and is
replaced by a fresh one after any fault; a fault ends the running job only, one before the greeting all that wait.
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
from .request import RectifyRequest


class JobQueue:
    """location: asked at each start of the engine, see `engine_command`. deadlines: shortened by tests."""

    def __init__(self, location: Callable[[], str], deadlines: Deadlines | None = None):
        self.location = location
        self.deadlines = deadlines or Deadlines()
        self.greeting: dict[str, Any] | None = None
        self.devices: list[dict[str, Any]] = []
        self.log: deque[str] = deque(maxlen=200)
        self._link: EngineLink | None = None
        self._ids = itertools.count(1)
        self._jobs: deque[Job] = deque()  # the first one is sent or next
        self._sent: Job | None = None
        self._changed: dict[int, Job] = {}
        self._cancel_watch, self._idle_watch = Watch(), Watch()
        self._busy: Any = None

    @property
    def state(self) -> str:
        """ "off", "starting", "ready" or "working"."""
        if self._link is None:
            return "off"
        if not self._link.greeted:
            return "starting"
        return "working" if self._sent else "ready"

    def submit(self, request: RectifyRequest) -> Job:
        """Queue a request and return at once. Never raises a Problem: a bad request becomes a FAILED job.

        The arrays of the request must not be written to until the job is finished.
        """
        job = Job(next(self._ids), request)
        self._jobs.append(job)
        # checking and clipping 2048² pixels takes longer than the interface may be held
        threading.Thread(target=self._prepare, args=(job,), name="selfrect prepare", daemon=True).start()
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
        if job is self._sent and self._link is not None:
            if not job.cancelling:
                job.cancelling = True
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

    def _prepare(self, job: Job) -> None:
        try:
            job.request.check()
            job.outgoing = job.request.message(job.id)
        except Exception as error:  # noqa: BLE001 - told by the job, whatever it is
            job.outgoing = problems.from_exception(error)

    def _advance(self) -> None:
        """Fail the next job if its request is bad, start the engine if it is needed, send if it is ready."""
        while self._sent is None and self._jobs and self._jobs[0].outgoing is not None:
            job = self._jobs[0]
            if isinstance(job.outgoing, problems.Problem):
                self._end(job, job.outgoing)
            elif self._link is None:
                self._start()
            elif not self._link.greeted:
                return
            else:
                self._send(job, self._link)

    def _start(self) -> None:
        try:
            process = EngineProcess(engine_command(self.location()))
        except problems.Problem as problem:
            return self._lose_engine(problem)
        self._link = EngineLink(process, self.deadlines)
        atexit.register(self.close)

    def _send(self, job: Job, link: EngineLink) -> None:
        link.send(job.outgoing)
        job.outgoing = None  # the pixels are the link's now
        self._sent, job.state = job, JobState.RUNNING
        self._busy, self._cancel_watch, self._idle_watch = job.id, Watch(), Watch()
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
        elif self._sent and self._sent.cancelling and self._cancel_watch.seconds_of("") > self.deadlines.cancel:
            self._lose_engine(problems.Problem("cancelled", "The engine did not stop and was ended.", ""))

    def _useless(self, link: EngineLink) -> problems.Problem | None:
        """The Problem of an engine that is alive but says it does nothing, while we wait for its answer."""
        if self._sent is None or not link.all_sent or self._busy == self._sent.id:
            self._idle_watch = Watch()
        elif self._idle_watch.seconds_of("idle") > self.deadlines.idle_answer:
            return bad_answer("no answer to the request, and says that it is idle")
        return None

    def _take(self, link: EngineLink, message: protocol.Message) -> None:
        """One message. Raises Problem where it shows that the engine is of no use."""
        if message.method is None:
            return self._take_response(message)
        job = self._sent
        about_job = job is not None and message.params.get("id") == job.id
        if message.method == "greeting":
            self._take_greeting(link, message)
        elif message.method == "devices":
            self.devices, link.loaded = _list(message, "devices"), True
        elif message.method == "heartbeat":
            self._busy = message.params.get("busy")
        elif message.method == "log":
            self.log.append(str(message.params.get("text", "")))
        elif about_job and message.method == "progress":
            job.take_progress(message.params)
            self._changed[job.id] = job
        elif about_job and message.method == "preview":
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
        job, problem = self._sent, message.problem
        if problem is not None and message.id is None:
            raise problem  # it could not even read our request
        if job is None or message.id != job.id:
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
        if job is self._sent:
            self._sent = None
        if job in self._jobs:
            self._jobs.remove(job)
        self._changed[job.id] = job

    def _lose_engine(self, problem: problems.Problem) -> None:
        """The engine is of no use any more: end it, fail the job it had; before its greeting, all that wait."""
        useless_from_start = self._link is None or not self._link.greeted
        if self._link is not None:
            self._link.kill()
        self.log.append(f"{problem}\n{problem.detail}".strip())
        lost = list(self._jobs) if useless_from_start else [self._sent] if self._sent else []
        self._forget_engine()
        for job in lost:
            self._end(job, None if job.cancelling else problem)

    def _forget_engine(self) -> None:
        self._link, self._sent, self.greeting, self.devices = None, None, None, []
        atexit.unregister(self.close)


def _list(message: protocol.Message, name: str) -> list[Any]:
    entries = message.params.get(name)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise bad_answer(f"a {message.method} without a list of {name}")
    return entries
