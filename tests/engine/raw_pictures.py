# SPDX-License-Identifier: GPL-3.0-or-later
"""Picture files made without the engine's writer, so that its reader is tested against something else."""

from __future__ import annotations

import OpenImageIO as oiio


def write_raw(path, pixels, channels=None, **attributes):
    """A file straight through the library, without our writer."""
    kind = {"uint8": "uint8", "uint16": "uint16", "float32": "float"}[pixels.dtype.name]
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], kind)
    if channels:
        spec.channelnames = channels
    for name, value in attributes.items():
        spec.attribute(name.replace("__", ":"), value)
    out = oiio.ImageOutput.create(str(path))
    done = [out.open(str(path), spec), out.write_image(pixels), out.close()]
    assert all(done), out.geterror()
