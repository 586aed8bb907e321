# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-C and a polite kill, at any moment of a command."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class Interrupt:
    """While open, SIGINT and SIGTERM raise KeyboardInterrupt in the main thread and are remembered in `came`.

    Remembered, because a library may swallow the exception, or turn it into an ImportError while it is being imported.
    A second signal ends the process at once. A signal that whoever started us set to be ignored stays ignored (nohup).
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.came = False
        self._before: dict[int, object] = {}

    def check(self) -> None:
        """Raise KeyboardInterrupt if one came, whatever became of it."""
        if self.came:
            raise KeyboardInterrupt

    def close(self) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():  # Python allows handlers nowhere else
            for number in self.SIGNALS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        for each in self._before:
            signal.signal(each, signal.SIG_DFL)
        raise KeyboardInterrupt
