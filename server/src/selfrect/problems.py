# SPDX-License-Identifier: GPL-3.0-or-later
"""Every failure that a user can meet: a code, one sentence with the numbers, and a remedy.

Standard library only: the engine imports this file as `selfrect.problems`, Blender's side loads the same file through
`selfrect_blender.host.engine_source`.
"""
from __future__ import annotations

import errno
import traceback

#: Code of a problem -> exit code of a command line that ends with it.
EXIT_CODES = {
    "bad_input": 2,  # the pictures or settings handed in cannot be used
    "pickle_refused": 2,  # a .ckpt/.bin/.pt file: opening it would run code
    "bad_model": 2,  # a folder or file that is not a model the engine can run
    "model_missing": 3,
    "out_of_memory": 4,
    "cancelled": 5,
    "disk_full": 1,
    "engine_missing": 1,  # nothing at the engine's location
    "engine_start": 1,  # it is there, but does not come up: no greeting, or a package that cannot be loaded
    "engine_died": 1,
    "engine_silent": 1,  # no heartbeat
    "bad_answer": 1,  # bytes that are not the protocol, or an answer that makes no sense
    "wrong_version": 1,  # engine and extension speak different protocol versions
    "internal": 1,  # a mistake of ours; the traceback is in the detail
}


class Problem(Exception):
    """A failure in words for the user. `str(problem)` is the sentence followed by the remedy.

    code: a key of EXIT_CODES. sentence: what was expected and what came. remedy: what to do now.
    detail: for the log only (traceback, last lines of the engine), may be long or empty.
    """

    def __init__(self, code: str, sentence: str, remedy: str, detail: str = ""):
        if code not in EXIT_CODES:
            raise ValueError(f"unknown problem code {code!r}, expected one of {', '.join(EXIT_CODES)}")
        super().__init__(code, sentence, remedy, detail)
        self.code = code
        self.sentence = sentence
        self.remedy = remedy
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.sentence} {self.remedy}".strip()

    def as_dict(self) -> dict[str, str]:
        """The form that travels in the `data` of a JSON-RPC error."""
        return {"code": self.code, "sentence": self.sentence, "remedy": self.remedy, "detail": self.detail}

    @classmethod
    def from_dict(cls, data: dict) -> Problem:
        """The inverse of `as_dict`. A code of a newer engine that this side does not know becomes "internal"."""
        code = data.get("code")
        known = code if isinstance(code, str) and code in EXIT_CODES else "internal"
        sentence = str(data.get("sentence") or "The engine reported a problem without words.")
        return cls(known, sentence, str(data.get("remedy") or ""), str(data.get("detail") or ""))


def exit_code(problem: Problem) -> int:
    """The exit code of a command that ends with this problem (0 is reserved for success)."""
    return EXIT_CODES[problem.code]


def from_exception(exception: BaseException) -> Problem:
    """Any exception as a Problem; what is not recognised becomes "internal" with its traceback in the detail.

    torch is not imported: its out-of-memory errors are known by class name and by their words.
    """
    if isinstance(exception, Problem):
        return exception
    detail = "".join(traceback.format_exception(type(exception), exception, exception.__traceback__))
    if isinstance(exception, KeyboardInterrupt):
        return Problem("cancelled", "The work was cancelled.", "Start it again when you like.", detail)
    if _is_out_of_memory(exception):
        return Problem(
            "out_of_memory",
            "There was not enough memory for this picture and model.",
            "Use a smaller picture, fewer references, half precision, or close other programs.",
            detail,
        )
    if isinstance(exception, ImportError):
        return Problem(
            "engine_start",
            f"A package of the engine could not be loaded: {_one_line(exception)}.",
            "Install the engine again; on Windows, install Microsoft's Visual C++ runtime as well.",
            detail,
        )
    if isinstance(exception, OSError) and exception.errno in _DISK_FULL:
        where = f" while writing {exception.filename!r}" if exception.filename else ""
        return Problem("disk_full", f"The disk is full{where}.", "Free some space, or choose another folder.", detail)
    return Problem(
        "internal",
        f"Something went wrong that should not: {_one_line(exception)}.",
        "Please report it with the log; the settings you used help.",
        detail,
    )


_DISK_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "cublas_status_alloc_failed", "not enough memory")


def _is_out_of_memory(exception: BaseException) -> bool:
    if isinstance(exception, MemoryError) or type(exception).__name__ == "OutOfMemoryError":
        return True
    text = str(exception).lower()  # torch's CPU and MPS allocators raise a plain RuntimeError
    return isinstance(exception, RuntimeError) and any(words in text for words in _OUT_OF_MEMORY_WORDS)


def _one_line(exception: BaseException) -> str:
    first = (str(exception).strip().splitlines() or [""])[0].rstrip(".")
    return f"{type(exception).__name__}: {first}"[:300] if first else type(exception).__name__
