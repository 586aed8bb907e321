# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine that is there already: updated, damaged, failing its test, repaired."""
from __future__ import annotations

import os
import sys

import install_world as world
import pytest
from installing import expect, installed

from selfrect_blender.host.install import State, marker

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the small world is made for Linux")


def test_an_update_that_fails_leaves_the_old_engine(installer, base, index):
    installed(installer)
    world.write_engine(base / "server", "0.2.0", "says OSError: [WinError 126] The specified module could not be found")
    world.forget()
    installer._seen = None
    snapshot = installer.snapshot()
    assert snapshot.state is State.OUTDATED
    assert snapshot.usable
    assert "0.1.0" in snapshot.sentence
    assert "0.2.0" in snapshot.sentence
    index.asked.clear()
    installer.update(consent=True, online=False)
    snapshot = expect(installer, State.FAILED)
    assert snapshot.problem.code == "check_failed"
    assert "Visual C++" in snapshot.sentence
    assert snapshot.usable
    assert marker.read(installer.places.env).version == "0.1.0"
    world.write_engine(base / "server", "0.2.0")
    world.forget()
    installer.update(consent=True, online=False)
    assert expect(installer, State.READY).installed.version == "0.2.0"
    assert index.asked == [], "an update of our code alone needs no network"
    names = {path.name for path in (installer.places.env / "lib").rglob("selfrect-*.dist-info")}
    assert names == {"selfrect-0.2.0.dist-info"}


def test_new_lists_make_new_packages(installer, base, index):
    installed(installer)
    text = (base / "wheels/engine.txt").read_text()
    (base / "wheels/engine.txt").write_text(text + "# changed\n")
    world.write_engine(base / "server", "0.2.0")
    world.forget()
    index.asked.clear()
    installer.update(consent=True, online=True)
    expect(installer, State.READY)
    assert any(name.startswith("torch-") for name in index.wheels_asked())


def test_damage_is_seen_and_repaired(installer):
    installed(installer)
    os.unlink(installer.places.env / "bin" / "python")
    installer._seen = None
    snapshot = installer.snapshot()
    assert snapshot.state is State.BROKEN
    assert not snapshot.usable
    assert snapshot.problem
    installer.repair(consent=True, online=True)
    expect(installer, State.READY)


def test_a_test_that_fails_later_says_so(installer, base, index):
    installed(installer)
    package = next((installer.places.env / "lib").rglob("selfrect/order.txt"))
    package.unlink()
    package.write_text("told out_of_memory")
    installer.test()
    snapshot = expect(installer, State.FAILED)
    assert snapshot.problem.code == "out_of_memory"
    assert snapshot.sentence == "It said so."
    assert not snapshot.usable
    assert snapshot.actions[:2] == ("retry", "repair")
    index.asked.clear()
    installer.retry(consent=True, online=False)
    expect(installer, State.READY)
    assert index.asked == []
