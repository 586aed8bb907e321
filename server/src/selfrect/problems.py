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
    "consent_missing": 1,  # nothing is fetched before the user has said yes to the plan
    "offline": 1,  # the network is needed, but not allowed or not there
    "download_failed": 1,  # the server refused, was not found, or sent nothing any more
    "hash_mismatch": 1,  # a file is not the one that was asked for
    "no_permission": 1,  # a folder or program that we may not write to or start
    "path_too_long": 1,  # Windows allows 259 letters
    "bad_machine": 1,  # this machine cannot run the engine in this way
    "install_busy": 1,  # another Blender installs, or the files are in use
    "install_failed": 1,  # a step of the installation failed for a reason without a code of its own
    "check_failed": 1,  # installed, but the test on the device failed
    "licence_not_accepted": 2,  # a model's licence was shown and not agreed to
    "internal": 1,  # a mistake of ours; the traceback is in the detail
}

#: Code -> (what it means, what to do about it), for the page of all problems (`selfrect problems --markdown`).
EXPLANATIONS = {
    "bad_input": (
        "A picture, a setting, a name or an option cannot be used. The sentence says which, what was expected and what came.",
        "Change what the sentence names.",
    ),
    "pickle_refused": (
        "The model is a .ckpt, .bin, .pt or .pth file. Such files can run programs when they are opened, so none is.",
        "Get the model's .safetensors files; nearly every model has them.",
    ),
    "bad_model": (
        "The folder or file is there but is not a model that this engine can run, or it is damaged.",
        "`selfrect models verify NAME` tells whether files are damaged. Use models of the Stable Diffusion 1.x, 2.x or XL family.",
    ),
    "model_missing": (
        "The model is not on this machine, neither in the models folder nor in those of other tools.",
        "Download it in the Models panel or with `selfrect models download NAME`, or give the path of a file. “mini” is always there.",
    ),
    "out_of_memory": (
        "The picture and the model do not fit into the memory of the device.",
        "Use a smaller picture, fewer references or half precision, close other programs, or choose the CPU as device.",
    ),
    "cancelled": ("You, or a program that you ended, stopped the work.", "Start it again when you like; downloads go on where they were."),
    "disk_full": (
        "There is no room for the file that is being written. What was written of it is kept if it is a download.",
        "Free some space, or choose another folder. Drives formatted as FAT32 hold no files above 4 GB.",
    ),
    "engine_missing": ("There is no engine at its location.", "Install it from the panel, or set its location in the preferences."),
    "engine_start": (
        "The engine is there but does not come up. Its last words are in the sentence, all of them in the log.",
        "Repair it in the preferences. On Windows, Microsoft's Visual C++ runtime may be missing.",
    ),
    "engine_died": (
        "The engine's process ended in the middle of its work; nothing in Blender was lost. With “signal 9” the memory ran out.",
        "Press Rectify again: a new engine starts. If it dies again, use a smaller picture, and report the log.",
    ),
    "engine_silent": (
        "The engine gave no sign of life for so long that it was ended.",
        "Press Rectify again. If it happens again, the log tells what it was doing; over ssh the line may have broken.",
    ),
    "bad_answer": (
        "What came from the engine is not what the two sides agreed on: another program's words, or another release.",
        "Check the engine's location: the command must print nothing of its own. Update both sides to one release.",
    ),
    "wrong_version": ("Engine and extension are of different releases.", "Update the engine: the panel offers it."),
    "consent_missing": ("Something would have to be fetched, and nobody has agreed to it yet.", "Look at what will be fetched, and agree."),
    "offline": (
        "The network is needed and is not there, or going online is switched off.",
        "Check the network; behind a proxy set HTTPS_PROXY; in Blender allow online access (Preferences, System). "
        "Everything can also be brought on a disk.",
    ),
    "download_failed": (
        "The server refused, has the file no more, has trouble of its own, or sent nothing any more.",
        "Start the download again: it goes on where it was. Or take another source: `--mirror`, HF_ENDPOINT.",
    ),
    "hash_mismatch": (
        "A file is not the one that it should be: damaged on the way or on the disk, or changed at its source. It was not used.",
        "Start the download again; only what is wrong is fetched. If a network asks for a login in the browser, do that first.",
    ),
    "no_permission": (
        "We may not write to the folder, or not start the program. Virus scanners do this, too.",
        "Choose another folder, or ask who looks after this one. A models folder that is only read needs no permission.",
    ),
    "path_too_long": ("Windows allows 259 letters in a path.", "Choose a folder with a short path, such as C:\\selfrect."),
    "bad_machine": ("This machine cannot run the engine in this way.", "Choose another backend; CPU runs on every 64-bit machine."),
    "install_busy": (
        "Another Blender installs the engine or downloads the model just now, or the files are in use.",
        "Wait for it, or cancel it there; close the other Blenders.",
    ),
    "install_failed": (
        "A step of the installation failed. The log has its whole output.",
        "Try again; what was fetched is not fetched again.",
    ),
    "check_failed": (
        "The engine was installed, but a test on the device failed.",
        "Update the graphics driver, or choose another backend and repair.",
    ),
    "licence_not_accepted": (
        "A model's licence has to be accepted before it is downloaded.",
        "Read it at the link that is shown; accept it in the panel or with `--accept-licence`.",
    ),
    "internal": (
        "Something happened that should not: a mistake of ours.",
        "Please report it with the log, or with what `--json` prints, and with the settings you used.",
    ),
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
    if isinstance(exception, OSError) and exception.errno == errno.EFBIG:
        sentence = f"The drive takes no file so large as {exception.filename or 'this one'!r}."
        return Problem("disk_full", sentence, "Choose a folder on another drive; FAT32 holds no files above 4 GB.", detail)
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
