# SPDX-License-Identifier: GPL-3.0-or-later
"""An array as the bytes of a PNG file, 8 or 16 bits a channel. For pictures whose colours have nothing to do with their alpha.

Blender's own writer divides colours by alpha, which loses those beneath an alpha of 0: in a packed map they are a map of their own.
"""
from __future__ import annotations

import struct
import zlib

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KINDS = {3: 2, 4: 6}  # channels → PNG's number for them
_LEVEL = 4  # of zlib's 9: the others take much longer and save little


def encoded(picture: np.ndarray, bits: int) -> bytes:
    """(H, W, 3|4) float32, top row first; what lies outside of [0, 1] is cut off. bits: 8 or 16."""
    height, width, channels = picture.shape
    most, kind = (255, "u1") if bits == 8 else (65535, ">u2")
    values = np.rint(np.clip(picture, 0, 1) * np.float32(most)).astype(kind)
    rows = np.zeros((height, 1 + width * channels * bits // 8), np.uint8)  # each begins with its filter: none
    rows[:, 1:] = values.view(np.uint8).reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, bits, _KINDS[channels], 0, 0, 0)
    body = zlib.compress(rows.tobytes(), _LEVEL)
    return _SIGNATURE + b"".join(_chunk(*each) for each in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b"")))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
