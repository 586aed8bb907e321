# SPDX-License-Identifier: GPL-3.0-or-later
"""An array as the bytes of an OpenEXR file: 32-bit float, scan lines, not compressed. What Blender's images are packed as.

Blender writes such files itself, but only with the numbers of its own buffers; here the numbers may be of any colour space.
"""
from __future__ import annotations

import struct

import numpy as np

_FLOAT = 2  # the pixel type
_LINEAR_HINT = 0


def encoded(picture: np.ndarray) -> bytes:
    """(H, W, 3|4) float32, top row first."""
    height, width, channels = picture.shape
    names = "ABGR"[4 - channels :]  # in alphabetical order, as the format wants them
    header = _header(width, height, names)
    length = 4 * channels * width
    row = 8 + length
    places = len(header) + 8 * height + row * np.arange(height, dtype="<u8")
    body = np.empty((height, row), np.uint8)
    body[:, :8] = np.stack([np.arange(height), np.full(height, length)], axis=1).astype("<i4").view(np.uint8)
    planes = picture[..., ::-1].transpose(0, 2, 1)
    body[:, 8:] = np.ascontiguousarray(planes, "<f4").reshape(height, -1).view(np.uint8)
    return b"".join((header, places.tobytes(), body.tobytes()))


def _header(width: int, height: int, names: str) -> bytes:
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    channels = b"".join(name.encode() + b"\0" + struct.pack("<iB3xii", _FLOAT, _LINEAR_HINT, 1, 1) for name in names) + b"\0"
    attributes = (
        _attribute("channels", "chlist", channels),
        _attribute("compression", "compression", b"\0"),
        _attribute("dataWindow", "box2i", window),
        _attribute("displayWindow", "box2i", window),
        _attribute("lineOrder", "lineOrder", b"\0"),
        _attribute("pixelAspectRatio", "float", struct.pack("<f", 1)),
        _attribute("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0)),
        _attribute("screenWindowWidth", "float", struct.pack("<f", 1)),
    )
    return b"\x76\x2f\x31\x01" + struct.pack("<i", 2) + b"".join(attributes) + b"\0"


def _attribute(name: str, kind: str, value: bytes) -> bytes:
    return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
