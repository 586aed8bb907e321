# SPDX-License-Identifier: GPL-3.0-or-later
"""PNG files of our own: another program reads the same numbers, beneath an alpha of 0 too."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from selfrect_blender.host import png


@pytest.mark.parametrize("channels", [3, 4])
def test_eight_bits(channels):
    picture = np.random.default_rng(0).random((5, 7, channels), np.float32)
    picture[..., 3:] = 0
    read = np.asarray(Image.open(io.BytesIO(png.encoded(picture, 8))))
    np.testing.assert_array_equal(read, np.rint(picture * 255))


def test_sixteen_bits_and_what_is_out_of_range():
    picture = np.linspace(-0.5, 1.5, 6 * 4 * 4, dtype=np.float32).reshape(6, 4, 4)
    data = png.encoded(picture, 16)
    image = Image.open(io.BytesIO(data))
    assert image.size == (4, 6)
    assert data[24:26] == bytes([16, 6]), "16 bits, with alpha"
    read = np.asarray(image.convert("RGBA")) / 255  # Pillow has 8 bits only
    np.testing.assert_allclose(read, np.clip(picture, 0, 1), atol=1 / 255)
