# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole installation with the real pip and uv against a server of our own: from nothing to ready, refused, and to nothing again."""
from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import install_world as world
import pytest
from install_world import Faults
from installing import MACHINE, expect, installed, planned, with_uv

from selfrect_blender.host.engine_process import engine_command
from selfrect_blender.host.install import Installer, State, engine_folder
from selfrect_blender.host.install.places import Places

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the small world is made for Linux")


def test_from_nothing_to_ready_and_to_nothing_again(bare, base, index, monkeypatch):
    installer = bare
    monkeypatch.setenv("PYTHONPATH", "/nowhere/evil")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    assert installer.snapshot().state is State.NOT_INSTALLED
    assert installer.snapshot().actions == ("look",)
    plan = planned(installer).snapshot().plan
    assert plan.backend == "cpu"
    assert plan.locked
    assert plan.needs_network
    assert not plan.obstacles
    assert index.asked == [], "a plan must not touch the network"
    installer.install(consent=True, online=True)
    seen = set()
    while (snapshot := installer.snapshot()).busy:
        seen.add((snapshot.state.value, snapshot.step))
        assert snapshot.sentence
        assert snapshot.actions == ("cancel",)
        time.sleep(0.01)
    snapshot = expect(installer, State.READY)
    assert {("installing", "download"), ("installing", "unpack")} <= seen
    assert "test" in {step for _, step in seen}
    assert snapshot.usable
    assert snapshot.folder == engine_folder(installer.places.root)
    assert snapshot.installed.device_title == "Fake ", "variables of Blender's Python leaked into the engine"
    assert engine_command(str(snapshot.folder))[1:] == ["serve"]
    assert {path.name for path in installer.places.root.iterdir()} <= {"env", "tools", "python", "install.lock", "install.log"}
    assert Installer(installer.places.root, MACHINE).snapshot().state is State.READY, "the disk alone must tell it"
    installer.uninstall()
    assert expect(installer, State.NOT_INSTALLED).plan is None
    assert not installer.places.root.exists()


def test_nothing_happens_without_consent_or_network(bare, index):
    installer = bare
    planned(installer).install(consent=False, online=True)
    assert installer.wait(5).problem.code == "consent_missing"
    planned(installer).install(consent=True, online=False)
    assert installer.wait(5).problem.code == "offline"
    assert "preferences" in installer.snapshot().remedy
    installer.resume(consent=False, online=True)
    assert installer.wait(5).problem.code == "consent_missing"
    assert index.asked == []
    assert not installer.places.root.exists()


@pytest.mark.parametrize("what", ["uv-", "torch-"])
def test_what_is_not_the_file_asked_for_is_refused(what, bare, index, shop):
    installer = bare
    if what != "uv-":
        with_uv(bare.places.root, shop)
    index.faults = Faults(on=what, wrong=True)
    planned(installer).install(consent=True, online=True)
    snapshot = expect(installer, State.FAILED)
    assert snapshot.problem.code == "hash_mismatch"
    assert not snapshot.usable
    index.faults = Faults()
    installer.retry(consent=True, online=True)
    expect(installer, State.READY)


def test_a_local_build_does_not_get_past_the_lock(installer, base, index):
    world.make_wheel(base / "index", "torch", "1.0+studio", {"torch/__init__.py": b"", "torch/evil.py": b""})
    installed(installer)
    assert not any("+" in name for name in index.wheels_asked())
    assert list(installer.places.env.rglob("evil.py")) == []


@pytest.mark.parametrize(("on", "status", "words"), [("torch-", 403, "refuses"), ("simple", 500, "trouble")])
def test_an_index_that_refuses_is_told_and_retried(on, status, words, installer, index):
    index.faults = Faults(on=on, status=status)
    planned(installer).install(consent=True, online=True)
    snapshot = expect(installer, State.FAILED)
    assert snapshot.problem.code == "download_failed"
    assert words in snapshot.sentence
    index.faults = Faults()
    installer.retry(consent=True, online=True)
    expect(installer, State.READY)


def test_a_package_that_the_index_lacks_is_named(installer, base):
    next((base / "index").glob("torch-*")).unlink()
    planned(installer).install(consent=True, online=True)
    snapshot = expect(installer, State.FAILED)
    assert snapshot.problem.code in ("install_failed", "download_failed")
    assert "torch" in snapshot.sentence


def test_from_a_folder_with_no_network_at_all(installer, base, index, shop):
    wheels = base / "a stick"
    wheels.mkdir()
    for wheel in shop.glob("*.whl"):
        os.link(wheel, wheels / wheel.name)
    plan = planned(installer, source=wheels).snapshot().plan
    assert not plan.needs_network
    assert plan.source == str(wheels)
    installer.install(consent=True, online=False)
    assert expect(installer, State.READY).installed.backend == "cpu"
    assert index.asked == []


def test_a_folder_without_wheels_or_with_others_is_refused(installer, base):
    installer.look(source=base / "server")
    assert installer.wait(10).problem.code == "bad_input"
    stick = base / "stick"
    stick.mkdir()
    os.link(next((base / "index").glob("torch-*")), stick / next((base / "index").glob("torch-*")).name)
    (stick / "bundle.json").write_text(json.dumps({"platform": "windows", "arch": "x86_64", "backend": "cuda", "pythons": ["3.11"]}))
    plan = planned(installer, source=stick).snapshot().plan
    assert plan.obstacles[0].code == "bad_machine"
    installer.install(consent=True, online=True)
    assert installer.wait(5).problem.code == "bad_machine"


def test_a_root_that_cannot_be_written_is_said_in_the_plan(index):
    installer = Installer(Path("/sys/selfrect"), MACHINE)
    plan = planned(installer).snapshot().plan
    assert plan.obstacles[0].code == "no_permission"
    assert "look" in installer.snapshot().actions
    installer.install(consent=True, online=True)
    assert installer.wait(5).problem.code == "no_permission"


def test_uninstalling_leaves_what_is_not_ours(installer):
    installed(installer)
    other = installer.places.root / "my pictures"
    other.mkdir()
    (installer.places.env / "read-only").mkdir(mode=0o500)
    installer.uninstall()
    expect(installer, State.NOT_INSTALLED)
    assert list(installer.places.root.iterdir()) == [other]


def test_everything_ours_is_known_to_uninstalling(installer):
    names = {path.name for path in Places(Path("/x")).everything()} | {"install.lock"}
    installed(installer)
    assert {path.name for path in installer.places.root.iterdir()} <= names
