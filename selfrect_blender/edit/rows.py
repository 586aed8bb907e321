# SPDX-License-Identifier: GPL-3.0-or-later
"""Big pictures by blocks of rows: what is worked on stays in the processor's cache, and every core gets its share."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_BLOCK = 1 << 16  # pixels of one block
_WORTH_THREADS = 1 << 19  # pixels; numpy lets other threads work meanwhile


def by_rows(work: Callable[[int, int], None], height: int, width: int) -> None:
    """Call work(first row, row after the last) for blocks that cover all rows; in any order, in several threads."""
    step = max(_BLOCK // max(width, 1), 1)
    starts = range(0, height, step)
    if height * width < _WORTH_THREADS:
        for start in starts:
            work(start, min(start + step, height))
        return
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        for _ in pool.map(lambda start: work(start, min(start + step, height)), starts):
            pass  # a mistake in a thread is raised here
