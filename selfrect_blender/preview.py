# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture that sharpens while the engine works, in a provisional image that stands where the result will be."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import Executor, Future

import bpy
import numpy as np

from . import rectify
from .scene import editors, provisional

SECONDS_BETWEEN = 0.5
_MOST_PIXELS = 2048 * 2048  # larger ones would hold the interface for more than a frame


class Preview:
    """Offer it pictures, call `advance` often; it writes at most one in SECONDS_BETWEEN, and never into an open undo step."""

    def __init__(self, order: rectify.Order, converter: Executor):
        self.owner = uuid.uuid4().hex
        self._order, self._converter = order, converter
        self._offered: np.ndarray | None = None
        self._buffer: Future | None = None
        self._written = 0.0
        self.was_shown = False

    def advance(self, picture: np.ndarray | None) -> None:
        """picture: the latest that came, (h, w, 3) float32 in [0, 1], or None. Converts in another thread, writes in this one."""
        if self._buffer is None and picture is not None and picture is not self._offered:
            self._offered = picture
            self._buffer = self._converter.submit(self._enlarge, picture)
        elif self._buffer is not None and self._buffer.done() and self._is_time() and editors.may_write():
            flat, self._buffer = self._buffer.result(), None
            self._write(flat)
            self._written = time.monotonic()

    def remove(self) -> list[bpy.types.SpaceImageEditor]:
        """Take the image away, the editors go back to the target; returns them. It comes again with the next picture."""
        image = provisional.find(self.owner)
        return provisional.remove(image) if image else []

    def _is_time(self) -> bool:
        return time.monotonic() - self._written >= SECONDS_BETWEEN

    def _write(self, flat: np.ndarray) -> None:
        image = provisional.find(self.owner)
        if image is None:
            order = self._order
            image = provisional.new(self.owner, order.result_name, order.target_name, self._size(), order.is_data)
            provisional.write(image, flat)
            # An undo that took the image away left its editors empty.
            editors.show([*order.places(), *(editors.viewers({None}) if self.was_shown else [])], image)
            self.was_shown = True
        else:
            provisional.write(image, flat)

    def _enlarge(self, picture: np.ndarray) -> np.ndarray:
        """The flat buffer, of the target's size, so that nothing jumps when the result takes its place. Any thread."""
        height, width = picture.shape[:2]
        small = rectify.shown(self._order, picture).reshape(height, width, 4)
        columns, rows = self._size()
        return _stretch(_stretch(small, rows, 0), columns, 1).reshape(-1)

    def _size(self) -> tuple[int, int]:
        width, height = self._order.size
        while width * height > _MOST_PIXELS:
            width, height = (width + 1) // 2, (height + 1) // 2
        return width, height


def _stretch(picture: np.ndarray, count: int, axis: int) -> np.ndarray:
    """Linear interpolation along one axis to `count` pixels."""
    length = picture.shape[axis]
    places = np.clip((np.arange(count) + 0.5) * length / count - 0.5, 0, length - 1)
    low = places.astype(int)
    shape = [1] * picture.ndim
    shape[axis] = count
    part = (places - low).astype(np.float32).reshape(shape)
    high = np.minimum(low + 1, length - 1)
    return picture.take(low, axis) * (1 - part) + picture.take(high, axis) * part
