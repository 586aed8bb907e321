# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the whole installation do again and again: plan, install, expect a state."""
from __future__ import annotations

import os
from pathlib import Path

from install_world import UV_VERSION

from selfrect_blender.host.install import Installer, Machine, Snapshot, State

MACHINE = Machine("linux", "x86_64", "6", 16 << 30)


def with_uv(root: Path, shop: Path) -> None:
    """Put uv where an installer in `root` looks for its own."""
    place = root / "tools" / f"uv-{UV_VERSION}"
    place.mkdir(parents=True)
    os.link(shop / "program", place / "uv")


def planned(installer: Installer, backend: str = "auto", source: Path | None = None) -> Installer:
    installer.look(backend, source)
    assert installer.wait(20).state is State.PLANNED, installer.snapshot()
    return installer


def expect(installer: Installer, *states: State, seconds: float = 60) -> Snapshot:
    snapshot = installer.wait(seconds)
    assert snapshot.state in states, (snapshot, snapshot.problem and snapshot.problem.detail)
    return snapshot


def installed(installer: Installer) -> Installer:
    planned(installer).install(consent=True, online=True)
    expect(installer, State.READY)
    return installer
