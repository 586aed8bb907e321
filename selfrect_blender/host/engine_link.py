# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages to and from one engine process, and the judgement whether it still lives.

A reader thread and a writer thread do all that can block; `receive`, `send`, `fault` never do. Time is counted only
while somebody watches (calls `fault`): a computer that slept, or a Blender that was busy for a minute, does not make a
healthy engine look silent.
"""
from __future__ import annotations

import contextlib
import io
import queue
import signal
import threading
import time
from dataclasses import dataclass

from .engine_process import EngineProcess
from .engine_source import problems, protocol
from .vital_signs import Observer

_LONGEST_UNWATCHED = 1.0  # seconds counted at most between two calls of `fault`
_WORTH_A_LOOK = 1.0  # seconds of silence after which the system is asked what the process does
_LATEST_ONLY = ("progress", "preview", "heartbeat")  # only the newest of each is worth keeping
_RESTART = "Press Rectify to start it again; the log has its last words."


@dataclass
class Deadlines:
    """Seconds. Tests shorten them."""

    greeting: float = 60.0  # from the start of the process to its first message
    loading: float = 60.0  # without a single byte before `devices`: importing PyTorch can stop every thread for long
    silence: float = 10.0  # without a single byte after that; the engine's heart beats at least every 2 s
    half_frame: float = 4.0  # without a single byte in the middle of a message, which is written in one go
    standstill: float = 3.0  # without a single byte from a process that the system says does nothing at all
    last_bytes: float = 0.5  # from the exit to the end of its output, or the other way round
    cancel: float = 10.0  # from Cancel to the engine's answer; then it is killed
    idle_answer: float = 30.0  # the engine says it is idle while we wait for its answer
    farewell: float = 2.0  # from `shutdown` to being killed


class EngineLink:
    """The conversation with one engine. Construct it with a fresh process; end it with `close` or `kill`."""

    def __init__(self, process: EngineProcess, deadlines: Deadlines | None = None):
        self.process = process
        self.deadlines = deadlines or Deadlines()
        self.greeted = False
        self.loaded = False  # PyTorch, in the engine
        self.arrived = threading.Event()  # set whenever there is something new to receive
        self._inbox: dict[object, protocol.Message] = {}  # in order of arrival
        self._lock = threading.Lock()
        self._outbox: queue.SimpleQueue[protocol.Message | None] = queue.SimpleQueue()
        self._queued = self._sent = 0  # messages; the second counts in the writer thread
        self._in_frame = False  # between the first and the last byte of a message
        self._heard = 0  # counts reads from the engine: any byte is a sign of life
        self._reader_problem: problems.Problem | None = None
        self._writer_problem: problems.Problem | None = None
        self.pid: int | None = None  # the engine's own, from its greeting; behind ssh or a launcher not our child's
        self._silence = Watch()
        self._standstill = Watch()
        self._observer = Observer(process.pid)
        self._ending = Watch()
        self._reader = self._thread("reader", self._read)
        self._writer = self._thread("writer", self._write)

    def send(self, message: protocol.Message) -> None:
        """Queue a message; the writer thread sends it."""
        self._queued += 1
        self._outbox.put(message)

    @property
    def all_sent(self) -> bool:
        """Whether every message has gone into the pipe."""
        return self._queued == self._sent

    def receive(self) -> list[protocol.Message]:
        """What arrived since the last call, in order; of progress, preview and heartbeat only the latest."""
        with self._lock:
            messages, self._inbox = list(self._inbox.values()), {}
            self.arrived.clear()
        return messages

    def fault(self) -> problems.Problem | None:
        """Why this engine is of no use any more, or None. Call it regularly, after `receive`."""
        heard, exit_code, reading = self._heard, self.process.exit_code, self._reader.is_alive()
        silent = self._silence.seconds_of(heard)
        if self._writer_problem is not None:
            return self._writer_problem
        if reading and exit_code is None:
            return self._silent(silent, heard)
        if self._inbox:
            return None  # what it said before its end comes first
        garbage = self._reader_problem is not None and not isinstance(self._reader_problem, protocol.TruncatedFrame)
        if not reading and garbage:
            return self._with_log(self._reader_problem)
        # exit and end of output follow each other closely; wait for the second to tell the whole story
        if (reading or exit_code is None) and self._ending.seconds_of("ending") < self.deadlines.last_bytes:
            return None
        if exit_code is None:
            sentence = "The engine closed its output but still runs."
            return self._with_log(problems.Problem("bad_answer", sentence, _RESTART))
        return self._died(exit_code)

    def kill(self) -> None:
        """End the process now. Does not wait; the threads end by themselves."""
        self.process.kill()
        self._outbox.put(None)

    def close(self) -> None:
        """Ask the engine to end, wait a little, then end it. Blocks for at most the farewell's seconds and one more."""
        self.send(protocol.Message(method="shutdown"))
        self._outbox.put(None)
        if not self.process.wait(self.deadlines.farewell):
            self.process.kill()
            self.process.wait(1.0)
        self.process.kill()  # its children too, if it left any

    def _silent(self, seconds: float, heard: int) -> problems.Problem | None:
        deadlines, local = self.deadlines, not self.greeted or self.pid == self.process.pid
        if not self.greeted and seconds > deadlines.greeting:
            sentence = f"The engine was started but did not greet within {deadlines.greeting:g} s."
            return self._with_log(problems.Problem("engine_start", sentence, "See its last words in the log."))
        if self._in_frame and local and seconds > deadlines.half_frame:  # over ssh, a line may well hang for so long
            sentence = f"The engine fell silent in the middle of a message for {deadlines.half_frame:g} s and was ended."
            return self._with_log(problems.Problem("engine_silent", sentence, _RESTART))
        deadline = deadlines.silence if self.loaded else deadlines.loading
        if self.greeted and seconds > deadline:
            sentence = f"The engine gave no sign of life for {deadline:g} s and was ended."
            return self._with_log(problems.Problem("engine_silent", sentence, _RESTART))
        if seconds > _WORTH_A_LOOK and self._stands_still(heard):
            sentence = f"The engine stood still for {deadlines.standstill:g} s and was ended."
            return self._with_log(problems.Problem("engine_silent", sentence, _RESTART))
        return None

    def _stands_still(self, heard: int) -> bool:
        """Stopped by a signal, or, once PyTorch is loaded, asleep with all its threads: it will not come back by itself."""
        signs = self._observer.signs()
        asleep = signs is not None and signs.state == "asleep" and self.loaded and self.pid == self.process.pid
        still = asleep or (signs is not None and signs.state == "stopped")
        return self._standstill.seconds_of((heard, signs) if still else object()) > self.deadlines.standstill

    def _died(self, exit_code: int) -> problems.Problem:
        how = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
        if not self.greeted:
            sentence = f"The engine did not start: it {how} before its greeting."
            return self._with_log(problems.Problem("engine_start", sentence, "See its last words in the log."))
        memory = " The system may have run out of memory." if exit_code == -9 else ""
        return self._with_log(problems.Problem("engine_died", f"The engine {how} during its work.{memory}", _RESTART))

    def _with_log(self, problem: problems.Problem) -> problems.Problem:
        """The problem with the last lines of the engine's stderr; the very last one goes into the sentence."""
        if self.process.exit_code is not None:
            self.process.last_words(0.2)
        tail = self.process.stderr_tail()
        detail = "\n".join(part for part in (problem.detail, str(self._reader_problem or ""), tail) if part)
        lines = [line for line in tail.splitlines() if line.strip()]
        last = f" Its last words: {lines[-1].strip()[:200]}" if lines else ""
        return problems.Problem(problem.code, problem.sentence + last, problem.remedy, detail)

    def _read(self) -> None:
        stream = io.BufferedReader(_Listened(self), 1 << 16)
        try:
            while stream.peek(1):  # waits for the first byte of a message
                self._in_frame = True
                self._keep(protocol.read_message(stream))
                self._in_frame = False
        except problems.Problem as problem:
            self._reader_problem = problem
        except OSError as error:  # the pipe broke, which on Windows is how a death looks
            self._reader_problem = protocol.TruncatedFrame("bad_answer", f"Reading failed: {error}.", "")
        except MemoryError as error:
            self._reader_problem = problems.from_exception(error)
        finally:
            self.process.stdout.close()
            self.arrived.set()

    def _keep(self, message: protocol.Message) -> None:
        with self._lock:
            key: object = (message.method, message.params.get("id")) if message.method in _LATEST_ONLY else object()
            self._inbox.pop(key, None)
            self._inbox[key] = message
            self.arrived.set()

    def _write(self) -> None:
        if hasattr(signal, "pthread_sigmask"):  # writing to a dead engine must be an OSError, not the end of Blender
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
        stream = io.BufferedWriter(self.process.stdin)
        try:
            while message := self._outbox.get():
                protocol.write_message(stream, message)
                self._sent += 1
        except OSError:
            pass  # the engine is gone; `fault` tells why
        except (TypeError, ValueError) as error:  # what the wire does not carry: a mistake on our side
            self._writer_problem = problems.from_exception(error)
        finally:
            with contextlib.suppress(OSError):  # closing flushes what is left to a dead engine
                stream.close()

    def _thread(self, name: str, target) -> threading.Thread:
        thread = threading.Thread(target=target, name=f"selfrect link {name}", daemon=True)
        thread.start()
        return thread


class Watch:
    """Seconds for which something has stayed the same, counting only the time that somebody looked."""

    def __init__(self) -> None:
        self._what: object = None
        self._seconds = 0.0
        self._looked = time.monotonic()

    def seconds_of(self, what: object) -> float:
        now = time.monotonic()
        if what == self._what:
            self._seconds += min(now - self._looked, _LONGEST_UNWATCHED)
        else:
            self._what, self._seconds = what, 0.0
        self._looked = now
        return self._seconds


class _Listened(io.RawIOBase):
    """The engine's stdout; notes every read, so that a long picture over a slow line counts as a sign of life."""

    def __init__(self, link: EngineLink):
        self._link = link

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        count = self._link.process.stdout.readinto(buffer)
        self._link._heard += 1
        return count
