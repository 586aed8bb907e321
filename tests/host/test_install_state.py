# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk alone tells the state; the lock goes with its owner; children go with theirs."""
from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from selfrect_blender.host import child
from selfrect_blender.host.install import Installed, Installer, Machine, State, marker
from selfrect_blender.host.install.lock import Lock
from selfrect_blender.host.install.places import Places, move, remove
from selfrect_blender.host.install.uv import Uv

ROOT = Path(__file__).resolve().parents[2]
HOLD = "import sys; sys.path.insert(0, sys.argv[1])\nfrom selfrect_blender.host.install.lock import Lock\nfrom pathlib import Path\n"
HOLD += "print(Lock(Path(sys.argv[2])).take(), flush=True); sys.stdin.read()"


def environment(places: Places, **changes) -> Installed:
    """A complete environment as far as a look at the disk goes."""
    packages = places.env / ("Lib/site-packages" if sys.platform == "win32" else "lib/python3.11/site-packages")
    for name in ("selfrect", "torch", "diffusers"):
        (packages / name).mkdir(parents=True, exist_ok=True)
        (packages / name / "__init__.py").touch()
    python = places.env / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    python.parent.mkdir(exist_ok=True)
    python.touch()
    (places.env / "pyvenv.cfg").write_text(f"home = {places.root}\n")
    told = Installed(marker.extension_version(), marker.source_digest(), "x", "cpu", "3.11", "2.13", True, True, "cpu", "CPU", 0.1)
    marker.write(places.env, replace(told, **changes))
    return told


@pytest.fixture
def places(tmp_path) -> Places:
    return Places(tmp_path / "root")


def state(places: Places) -> State:
    return Installer(places.root, Machine("linux", "x86_64", "", 0)).snapshot().state


def test_each_state_is_read_off_the_disk(places):
    assert state(places) is State.NOT_INSTALLED
    places.downloads.mkdir(parents=True)
    assert state(places) is State.INCOMPLETE
    environment(places, complete=False)
    assert state(places) is State.INCOMPLETE
    environment(places)
    assert state(places) is State.READY
    environment(places, version="0.0.1")
    assert state(places) is State.OUTDATED
    environment(places, source="another build")
    assert state(places) is State.OUTDATED
    environment(places)
    (places.env / "pyvenv.cfg").write_text("home = /a/blender/that/was/deleted\n")
    assert state(places) is State.BROKEN
    (places.env / marker.NAME).write_text("{ half")
    assert state(places) is State.INCOMPLETE


@pytest.mark.parametrize("package", ["torch", "selfrect"])
def test_a_package_that_is_gone_is_named(places, package):
    environment(places)
    next(places.env.rglob(f"{package}/__init__.py")).unlink()
    snapshot = Installer(places.root).snapshot()
    assert snapshot.state is State.BROKEN
    assert package in snapshot.sentence
    assert not snapshot.usable


def test_a_lock_goes_with_its_owner(tmp_path):
    path = tmp_path / "install.lock"
    lock = Lock(path)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLD, str(ROOT), str(path)], stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout.readline().strip() == "True"
        assert lock.taken_by_another()
        assert lock.owner()["pid"] == other.pid
        assert not lock.take()
        other.kill()
    assert not lock.taken_by_another(), "the file is still there, its owner is not"
    assert lock.take()
    assert lock.take(), "ours already"
    assert not Lock(path).take()
    lock.release(delete=True)
    assert not path.exists()


def test_on_a_drive_without_locks_the_owners_number_decides(tmp_path, monkeypatch):
    from selfrect_blender.host.install import lock as module

    monkeypatch.setattr(module, "_has_locks", lambda file: False)
    path = tmp_path / "install.lock"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLD, str(ROOT), str(path)], stdin=pipe, stdout=pipe, text=True) as other:
        other.stdout.readline()
        assert Lock(path).taken_by_another()
        assert not Lock(path).take()
        other.kill()
    assert not Lock(path).taken_by_another()
    assert Lock(path).take()


def test_what_is_read_only_is_removed_too_and_moving_replaces_nothing(tmp_path):
    folder = tmp_path / "a"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "file").touch(mode=0o400)
    (folder / "b").chmod(0o500)
    remove(folder)
    assert not folder.exists()
    remove(folder)
    (tmp_path / "one").mkdir()
    move(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "two").is_dir()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux' parent-death signal")
@pytest.mark.parametrize("life", [0.0, 0.002, 0.005, 0.5])  # before, while and after the signal is asked for
def test_a_tied_child_dies_with_a_parent_that_is_killed(gone, life):
    text = (
        "import sys, subprocess, time; sys.path.insert(0, sys.argv[1])\nfrom selfrect_blender.host import child\nimport os\n"
        "print(child.start(child.tied(['sleep', '60']), os.environ).pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", text, str(ROOT)], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        time.sleep(life)
        parent.kill()
    assert gone(pid)


def test_a_tied_program_is_itself_and_hears_its_arguments():
    told = subprocess.run(child.tied([sys.executable, "-c", "import sys; print(sys.argv[1:])", "a b", "$c"]), stdout=subprocess.PIPE)
    assert told.stdout.decode().strip() == "['a b', '$c']"


@pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="the layout of 64 bits")
def test_the_job_objects_structures_have_windows_layout():
    assert ctypes.sizeof(child._BasicLimits) == 64
    assert ctypes.sizeof(child._Limits) == 144
    assert child._BasicLimits.flags.offset == 16


def test_what_pip_takes_away_while_it_is_measured_counts_as_nothing(tmp_path):
    (tmp_path / "whole.whl").write_bytes(bytes(7))
    (tmp_path / "gone.whl").symlink_to(tmp_path / "nowhere")
    told = []
    half = SimpleNamespace(places=SimpleNamespace(temp=tmp_path), control=SimpleNamespace(part=lambda *numbers: told.append(numbers)))
    Uv._measure(half)
    shutil.rmtree(tmp_path)
    Uv._measure(half)
    assert [done for _, done, _ in told] == [7, 0]
