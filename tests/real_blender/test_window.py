# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/gui in the chroots: Blenders with their windows on a virtual display. Screenshots stay in out/gui/SUITE-SCENARIO."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image


@pytest.mark.parametrize("scenario", ["panel", "artist", "material"])
@pytest.mark.parametrize("suite", ["trixie", "sid"])
def test_scenario(suite, scenario, in_chroot, root, zip_file, engine, monkeypatch):
    monkeypatch.setitem(os.environ, "SELFRECT_SUITE", suite)
    folder = root / "out" / "gui" / f"{suite}-{scenario}"
    fake = f"chroot /host {root / '.venv/bin/python'} {root / 'tests/host/fake_engine.py'}"
    locations = (f"slow={fake} slow", f"dies={fake} dies", f"real={engine}")
    done = in_chroot(root / "tests" / "gui" / "run", scenario, zip_file, folder, *locations, timeout=900.0)
    assert done.returncode == 0, done.stdout + done.stderr
    screenshots = sorted(folder.glob("*.png"))
    assert len(screenshots) >= 8
    for path in screenshots:
        if path.stem[:2].isdigit():
            assert np.asarray(Image.open(path).convert("L")).std() > 5, f"{path.name} shows nothing"
