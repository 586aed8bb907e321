# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/gui in the chroot: a Blender with its window on a virtual display. Screenshots stay in out/gui."""

from __future__ import annotations

import numpy as np
from PIL import Image


def test_scenario(in_chroot, root, zip_file, engine):
    folder = root / "out" / "gui"
    fake = f"chroot /host {root / '.venv/bin/python'} {root / 'tests/host/fake_engine.py'}"
    locations = (f"slow={fake} slow", f"dies={fake} dies", f"real={engine}")
    done = in_chroot(root / "tests" / "gui" / "run", zip_file, folder, *locations, timeout=600.0)
    assert done.returncode == 0, done.stdout + done.stderr
    screenshots = sorted(folder.glob("*.png"))
    assert screenshots
    for path in screenshots:
        assert np.asarray(Image.open(path).convert("L")).std() > 5, f"{path.name} shows nothing"
