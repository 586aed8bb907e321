# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one program of the installation to its end: tied to our life, watched, ended at once when the user cancels."""
from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .. import child
from ..engine_source import problems
from .control import Control
from .faults import of_file

_LONGEST_OUTPUT = 1 << 20


def run(
    command: Sequence[object],
    environment: dict[str, str],
    control: Control,
    watch: Callable[[], None] = lambda: None,
    limit: float = 3600.0,
    folder: Path | None = None,
) -> tuple[int, str, str]:
    """(exit code, stdout, stderr). watch: called a few times a second. limit: seconds; folder: to run it in.

    Raises Problem (install_failed where it takes longer, no_permission where it cannot be started) or Cancelled.
    """
    words = [str(word) for word in command]
    control.say("$ " + " ".join(words))
    pipe = subprocess.PIPE
    try:
        process = child.start(
            child.tied(words), environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, cwd=folder or tempfile.gettempdir()
        )
    except OSError as error:
        raise of_file(error) from error
    texts = [bytearray(), bytearray()]
    readers = [
        threading.Thread(target=_read, args=(stream, text), daemon=True)
        for stream, text in zip((process.stdout, process.stderr), texts, strict=True)
    ]
    for reader in readers:
        reader.start()
    until = time.monotonic() + limit
    try:
        while process.poll() is None:
            control.pause(0.1)
            watch()
            if time.monotonic() > until:
                sentence = f"{Path(words[0]).name} did not end within {limit:.0f} s."
                raise problems.Problem("install_failed", sentence, "Try again; see the log.")
    finally:
        if process.poll() is None:
            child.kill(process)
            process.wait()
        for reader in readers:
            reader.join(1.0)
    out, err = (bytes(text).decode("utf-8", "replace") for text in texts)
    control.say(err)
    return process.returncode, out, err


def _read(stream, text: bytearray) -> None:
    with stream:
        while block := stream.read1(1 << 14):
            if len(text) < _LONGEST_OUTPUT:
                text += block
