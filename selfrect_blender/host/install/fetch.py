# SPDX-License-Identifier: GPL-3.0-or-later
"""Download many files into a folder: several at once, each resumed where it was cut, each checked by its SHA-256.

The threads that wait for servers are abandoned when the user cancels: their files are closed under their hands, so a
server that says nothing cannot hold anybody up.
"""
from __future__ import annotations

import hashlib
import http.client
import re
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..engine_source import problems
from .control import Cancelled, Control
from .faults import Passing, hash_mismatch, of_file, of_network
from .web import Web

AT_ONCE = 3
TRIES = 6  # in a row, without a single byte in between
WAIT_SECONDS, LONGEST_WAIT = 0.5, 60.0
_BLOCK = 1 << 16


@dataclass(frozen=True)
class File:
    """One wheel. hashes: the SHA-256 values that are right for it, in hexadecimal. size: bytes, 0 for unknown."""

    package: str
    version: str
    url: str
    hashes: frozenset[str]
    size: int = 0

    @property
    def name(self) -> str:
        return urllib.parse.unquote(urllib.parse.urlsplit(self.url).path.rpartition("/")[2])

    @property
    def local(self) -> Path | None:
        """Where it lies, if it need not be downloaded at all."""
        parts = urllib.parse.urlsplit(self.url)
        return Path(urllib.request.url2pathname(parts.path)) if parts.scheme == "file" else None


def fetch_all(files: list[File], folder: Path, control: Control, web: Web | None = None) -> dict[str, Path]:
    """Every file, verified: name → path. Those of this disk stay where they are.

    Raises Problem (download_failed, offline, hash_mismatch, disk_full, no_permission) or Cancelled; what has been fetched is kept.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise of_file(error) from error
    work = _Work(files, folder, control, web or Web())
    threads = [threading.Thread(target=work.run, name="selfrect download", daemon=True) for _ in range(min(AT_ONCE, len(files)))]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            control.pause(0.1)
            work.tell()
        work.tell()
    finally:
        work.stop()
    if work.problem is not None:
        raise work.problem
    control.check()
    return {file.name: file.local or folder / file.name for file in files}


class _Work:
    """What the threads share. `done` counts verified bytes and those on the way."""

    def __init__(self, files: list[File], folder: Path, control: Control, web: Web):
        self.folder, self.control, self.web = folder, control, web
        self.problem: problems.Problem | None = None
        self._waiting = sorted(files, key=lambda file: file.size, reverse=True)
        self._sizes = {file.name: file.size for file in files}
        self._counts = dict.fromkeys(self._sizes, 0)
        self._guard = threading.Lock()
        self._open: set[_Part] = set()
        self._stopped = False

    @property
    def done(self) -> int:
        return sum(self._counts.values())

    @property
    def total(self) -> int:
        """0 while a size is not known yet."""
        return 0 if 0 in self._sizes.values() else sum(self._sizes.values())

    def tell(self) -> None:
        self.control.part(self.done / self.total if self.total else 0.0, self.done, self.total)

    def run(self) -> None:
        try:
            while not self._stopped:
                with self._guard:
                    if not self._waiting:
                        return
                    file = self._waiting.pop(0)
                self._one(file)
        except Cancelled:
            return
        except Exception as error:  # noqa: BLE001 - told by the worker, whatever it is
            told = of_file(error) if isinstance(error, OSError) else problems.from_exception(error)
            with self._guard:
                self.problem = self.problem or told
                self._waiting.clear()
            self.stop()

    def stop(self) -> None:
        """No byte is written any more after this."""
        self._stopped = True
        with self._guard:
            parts = list(self._open)
        for part in parts:
            part.close()

    def _one(self, file: File) -> None:
        whole = file.local or self.folder / file.name
        if whole.is_file() and self._right(whole, file):
            self._know(file, whole.stat().st_size)
            self._counts[file.name] = whole.stat().st_size
            return
        if file.local is not None:
            raise hash_mismatch(file.name, str(whole)) if whole.is_file() else of_file(FileNotFoundError(2, "it is gone", str(whole)))
        part = self.folder / f"{file.name}.part"
        resumed = part.exists()
        self._download(file, part)
        if not self._right(part, file):
            part.unlink()
            if resumed:  # the beginning may have come from another file: once more from the start
                self._download(file, part)
            if not resumed or not self._right(part, file):
                part.unlink(missing_ok=True)
                raise hash_mismatch(file.name, file.url)
        part.replace(whole)
        self.control.say(f"{file.name}: {whole.stat().st_size >> 10} KiB, verified")

    def _download(self, file: File, path: Path) -> None:
        """Until the last byte, however often it is cut."""
        failures = 0
        while True:
            before = path.stat().st_size if path.exists() else 0
            try:
                return self._attempt(file, path, before)
            except Passing as problem:
                now = path.stat().st_size if path.exists() else 0
                failures = 1 if now > before else failures + 1
                self.control.say(f"{file.name}: {problem.sentence} ({now} bytes so far, try {failures})")
                if failures >= TRIES:
                    raise
                self._pause(min(problem.wait or WAIT_SECONDS * 2**failures, LONGEST_WAIT))

    def _attempt(self, file: File, path: Path, start: int) -> None:
        try:
            response = self.web.open(file.url, start)
        except problems.Problem as problem:
            if start and "answered 416" in problem.sentence:  # asked for bytes behind the end: it is whole, or wrong
                return
            raise
        with response, _Part(path, self) as part:
            size = _size(response, start)
            if response.status != 206 and start:
                part.restart()
            self._know(file, size)
            self._counts[file.name] = part.size
            for block in _blocks(response, file.url):
                part.write(block)
                self._counts[file.name] = part.size
            if size and part.size < size:
                raise of_network(ConnectionResetError(), file.url)

    def _know(self, file: File, size: int) -> None:
        self._sizes[file.name] = size or self._sizes[file.name]

    def _right(self, path: Path, file: File) -> bool:
        digest = hashlib.sha256()
        with path.open("rb") as data:
            while block := data.read(1 << 20):
                digest.update(block)
                if self._stopped:
                    raise Cancelled
        return digest.hexdigest() in file.hashes

    def _pause(self, seconds: float) -> None:
        self.control.pause(seconds)
        if self._stopped:
            raise Cancelled

    def opened(self, part: _Part) -> None:
        with self._guard:
            self._open.add(part)
        if self._stopped:
            part.close()

    def closed(self, part: _Part) -> None:
        with self._guard:
            self._open.discard(part)


class _Part:
    """A file that grows at its end, and that another thread may close."""

    def __init__(self, path: Path, work: _Work):
        self._work, self._guard = work, threading.Lock()
        self._file = path.open("ab", buffering=0)
        self.size = self._file.tell()

    def __enter__(self) -> _Part:
        self._work.opened(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._work.closed(self)
        self.close()

    def write(self, block: bytes) -> None:
        with self._guard:
            if self._file.closed:
                raise Cancelled
            view = memoryview(block)
            while view:  # a nearly full disk takes a part of it first
                view = view[self._file.write(view) :]
            self.size += len(block)

    def restart(self) -> None:
        with self._guard:
            if not self._file.closed:
                self._file.truncate(0)
                self.size = 0

    def close(self) -> None:
        with self._guard:
            self._file.close()


def _blocks(response: http.client.HTTPResponse, url: str) -> Iterator[bytes]:
    while True:
        try:
            block = response.read1(_BLOCK)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise of_network(error, url) from error
        if not block:
            return
        yield block


def _size(response: http.client.HTTPResponse, start: int) -> int:
    """Of the whole file; 0 where the server does not say."""
    told = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", "").strip())
    if response.status == 206 and told:
        if int(told[1]) != start:
            raise of_network(ConnectionResetError(), response.url)
        return int(told[2])
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else 0
