# SPDX-License-Identifier: GPL-3.0-or-later
"""One file from the first source that has the right one: resumed at any byte, tried again, checked. No PyTorch."""

from __future__ import annotations

import hashlib
import os
import time
import urllib.error
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from ...problems import Problem
from ..cache import keep_hash
from ..catalogue import File
from .fetch import TICK, WrongSize, fetch
from .fetch_problems import trouble
from .progress import Bytes

PART = ".part"
_REHASH_BLOCK = 1 << 20


@dataclass(frozen=True)
class Patience:
    """stall: seconds without a byte. attempts: without a byte more, each after twice the pause. longest: seconds to wait."""

    stall: float = 30.0
    attempts: int = 6
    pause: float = 1.0
    longest: float = 120.0


PATIENCE = Patience()  # what is used where nothing else is said


def get_from_any(sources: list[str], file: File, target: Path, progress: Bytes, patience: Patience) -> None:
    """From the first source that has the right file; it is then the first to be asked for the next one."""
    failures: list[Problem] = []
    before = progress.done
    for source in list(sources):
        progress.done = before
        try:
            _get(f"{source}/{quote(file.path)}", file, target, progress, patience)
        except Problem as problem:
            if problem.code not in ("download_failed", "hash_mismatch", "offline"):
                raise
            failures.append(problem)
        else:
            sources.remove(source)
            return sources.insert(0, source)
    first = failures[0]
    raise Problem(first.code, first.sentence, first.remedy, "\n".join(f"{problem.sentence} {problem.detail}" for problem in failures))


def _get(url: str, file: File, target: Path, progress: Bytes, patience: Patience) -> None:
    """Fetch one file, check it, give it its name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part, progress.file = part_of(target), file.path
    for last in (False, True):
        resumed = size_of(part) > 0
        try:
            digest = _fetch_whole(url, file, part, progress, patience)
        finally:
            if size_of(part) == 0:
                part.unlink(missing_ok=True)
        if digest == file.sha256:
            part.replace(target)
            return keep_hash(target, digest)
        part.unlink(missing_ok=True)
        progress.done -= file.size
        if last or not resumed:  # what lay here from before may be at fault: then once more from the start
            break
    sentence = f"{urlsplit(url).hostname} sent another “{file.path}” than the catalogue names; it was thrown away."
    raise Problem("hash_mismatch", sentence, "Try again later, or another source: --mirror, or HF_ENDPOINT in the environment.")


def _fetch_whole(url: str, file: File, part: Path, progress: Bytes, patience: Patience) -> str:
    """Bring the part to its full size, however often the connection breaks; returns its SHA-256."""
    if size_of(part) > file.size:
        part.unlink()
    digest = hashlib.sha256()
    with part.open("a+b") as out:
        have = _reread(out, digest, progress)
        failures = 0
        while have < file.size:
            before = have
            try:
                for offset, block in fetch(url, have, file.size, progress.tick, patience.stall):
                    if offset == 0 and have:  # the server does not know how to begin in the middle
                        progress.done -= have
                        out.truncate(0)
                        have, digest = 0, hashlib.sha256()
                    if have + len(block) > file.size:
                        raise WrongSize(have + len(block))
                    out.write(block)
                    digest.update(block)
                    have += len(block)
                    progress.add(len(block))
            except Exception as error:  # noqa: BLE001 - what has nothing to do with the network is raised again
                failures = 0 if have > before else failures + 1
                if isinstance(error, urllib.error.HTTPError) and error.code == 416 and have and failures < patience.attempts:
                    progress.done -= have
                    out.truncate(0)
                    have, digest = 0, hashlib.sha256()
                    continue
                _wait_or_raise(error, url, file, failures, progress, patience)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def _wait_or_raise(error: Exception, url: str, file: File, failures: int, progress: Bytes, patience: Patience) -> None:
    found = trouble(error, url, file.path, file.size)
    if found is None:
        raise error
    again = found.again or (found.problem.code == "offline" and progress.arrived)  # it was there a moment ago
    if not again or failures >= patience.attempts or found.wait > patience.longest:
        raise found.problem from error
    until = time.monotonic() + max(found.wait, min(patience.pause * 2 ** max(failures - 1, 0), patience.longest))
    while time.monotonic() < until:
        progress.tell("wait for the server")
        time.sleep(min(TICK, patience.pause))


def _reread(out, digest, progress: Bytes) -> int:
    """Take in what an earlier attempt left; returns its length."""
    out.seek(0)
    have = 0
    while block := out.read(_REHASH_BLOCK):
        digest.update(block)
        have += len(block)
        progress.done += len(block)
        progress.tick()
    return have


def part_of(target: Path) -> Path:
    """Where a file lies until it is whole and checked."""
    return target.with_name(target.name + PART)


def size_of(path: Path) -> int:
    """Bytes; 0 where there is no such file."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
