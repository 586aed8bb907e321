# SPDX-License-Identifier: GPL-3.0-or-later
"""What edits changed, so that each can be taken back and made again: Blender's undo remembers a picture's state as a number,
and the pixels that lead from one number to another are kept here.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .boxes import Box


@dataclass
class Change:
    """One part of a picture before and after, in the depth that the picture has: bytes, or float32."""

    box: Box
    before: np.ndarray
    after: np.ndarray


@dataclass
class Edit:
    """One step. parent: the state before it. whole sizes: (width, height) before and after."""

    state: int
    parent: int
    changes: list[Change]
    size_before: tuple[int, int]
    size_after: tuple[int, int]
    file: Path | None = field(default=None, repr=False)

    @property
    def bytes(self) -> int:
        """What it takes of the memory."""
        return 0 if self.file else sum(change.before.nbytes + change.after.nbytes for change in self.changes)


class UndoTree:
    """The edits of one Blender session, all pictures together. States are numbers that are never given twice.

    most_steps: how many edits are kept (Blender's own number of steps bounds what can be reached).
    budget: bytes in memory; the oldest beyond it go to a folder that ends with the session.
    """

    def __init__(self, most_steps: int = 256, budget: int = 1 << 30):
        self.most_steps, self.budget = most_steps, budget
        self._edits: dict[int, Edit] = {}
        self._folder: tempfile.TemporaryDirectory | None = None

    def add(self, state: int, parent: int, changes: list[Change], size_before: tuple[int, int], size_after: tuple[int, int]) -> None:
        """Remember a new edit; forgets the oldest where there are too many."""
        self._edits[state] = Edit(state, parent, changes, size_before, size_after)
        while len(self._edits) > self.most_steps:
            self._forget(next(iter(self._edits)))
        used = sum(edit.bytes for edit in self._edits.values())
        for edit in list(self._edits.values())[:-1]:
            if used <= self.budget:
                break
            used -= edit.bytes
            self._put_away(edit)

    def way(self, start: int, end: int) -> list[tuple[Edit, bool]] | None:
        """The edits from one state to another in the order in which to apply them, and whether forwards; None: not known."""
        back, there = self._line(start), self._line(end)
        common = next((state for state in back if state in set(there)), None)
        if common is None:
            return None
        undone = [(self._edits[state], False) for state in back[: back.index(common)]]
        return undone + [(self._edits[state], True) for state in reversed(there[: there.index(common)])]

    def line(self, state: int) -> list[Edit]:
        """The edits that made a state, oldest first, as far as they are known."""
        return [self._edits[each] for each in reversed(self._line(state)) if each in self._edits]

    def changes(self, edit: Edit) -> list[Change]:
        """Its pixels, from the disk if they are there."""
        if edit.file is None:
            return edit.changes
        with np.load(edit.file) as kept:
            parts = [(kept[f"before{number}"], kept[f"after{number}"]) for number in range(len(edit.changes))]
        return [Change(change.box, *pixels) for change, pixels in zip(edit.changes, parts, strict=True)]

    def clear(self) -> None:
        """Forget everything."""
        self._edits.clear()
        if self._folder:
            self._folder.cleanup()
            self._folder = None

    def _line(self, state: int) -> list[int]:
        """A state and those before it, as far back as they are known; the last one is where the oldest known edit began."""
        line = [state]
        while line[-1] in self._edits:
            line.append(self._edits[line[-1]].parent)
        return line

    def _put_away(self, edit: Edit) -> None:
        if edit.file or not edit.changes:
            return
        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="selfrect-undo-", ignore_cleanup_errors=True)
        file = Path(self._folder.name) / f"{edit.state}.npz"
        pixels = {f"{when}{number}": getattr(change, when) for number, change in enumerate(edit.changes) for when in ("before", "after")}
        try:
            np.savez(file, **pixels)
        except OSError:  # a full disk: the memory has to hold it
            return
        nothing = np.zeros(0, np.uint8)
        edit.changes, edit.file = [Change(change.box, nothing, nothing) for change in edit.changes], file

    def _forget(self, state: int) -> None:
        edit = self._edits.pop(state)
        if edit.file:
            edit.file.unlink(missing_ok=True)
