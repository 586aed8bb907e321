# SPDX-License-Identifier: GPL-3.0-or-later
"""An installation that is cancelled, killed, stopped or left without power at any step: it says so, and goes on from there."""
from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import install_world as world
import pytest
from install_world import Faults, Index
from installing import MACHINE, expect, installed, planned, with_uv

from selfrect_blender.host.install import Installer, State

HERE = Path(__file__).resolve().parent

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the small world is made for Linux")


@pytest.mark.parametrize("step", ["uv", "python", "resolve", "download", "unpack", "engine", "test"])
def test_cancelled_in_any_step_and_resumed(step, bare, base, index, shop):
    installer = bare
    if step != "uv":
        with_uv(bare.places.root, shop)
    index.faults = Faults(on="torch-", stall=20.0) if step == "download" else Faults()
    if step == "test":
        world.write_engine(base / "server", order="slow")
        world.forget()
    planned(installer).install(consent=True, online=True)
    while installer.snapshot().busy and installer._control.progress.step != step:
        time.sleep(0.002)
    begun = time.monotonic()
    installer.cancel()
    snapshot = installer.wait(5)
    assert time.monotonic() - begun < 1.5
    assert snapshot.state is State.INCOMPLETE, snapshot
    assert Installer(installer.places.root, MACHINE).snapshot().state is State.INCOMPLETE
    index.faults = Faults()
    world.write_engine(base / "server")
    world.forget()
    installer.resume(consent=True, online=True)
    expect(installer, State.READY)


_KILLED = """
import sys
sys.path[:0] = [{root!r}, {here!r}]
import pytest
from pathlib import Path
import install_world as world
from installing import MACHINE
from selfrect_blender.host.install import Installer
from types import SimpleNamespace
world.settle(pytest.MonkeyPatch(), Path({base!r}), SimpleNamespace(url={url!r}))
installer = Installer(Path({base!r}) / "root", MACHINE)
installer.look()
installer.wait()
print("planned", flush=True)
getattr(installer, {method!r})(consent=True, online=True)
last = None
while (snapshot := installer.snapshot()).busy:
    if snapshot.step != last:
        last = snapshot.step
        print(last, flush=True)
print(snapshot.state.value, flush=True)
"""


def blender(base: Path, index: Index, method: str = "install") -> subprocess.Popen:
    """Another Blender that installs in base/root and says each step."""
    text = _KILLED.format(root=str(HERE.parents[1]), here=str(HERE), base=str(base), url=index.url, method=method)
    return subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)


def children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("step", ["uv", "download", "unpack", "test"])
def test_killed_at_any_moment_it_says_incomplete_and_can_be_resumed(step, base, index, gone, shop):
    if step != "uv":
        with_uv(base / "root", shop)
    index.faults = Faults(on="torch-", stall=20.0) if step == "download" else Faults()
    world.write_engine(base / "server", order="slow" if step == "test" else "well")
    with blender(base, index) as other:
        while (line := other.stdout.readline().strip()) != step:
            assert line or other.poll() is None, "it ended too early"
        time.sleep(0.15)
        mine = Installer(base / "root", MACHINE)
        seen = mine.snapshot()
        assert seen.busy
        assert not seen.mine
        assert f"process {other.pid}" in seen.sentence
        mine.look()
        mine.wait(10)
        mine.install(consent=True, online=True)
        assert mine.wait(10).state in (State.INSTALLING, State.TESTING), "two at once"
        orphans = children(other.pid)
        other.kill()
    assert all(gone(pid) for pid in orphans), "a child outlived its Blender"
    index.faults = Faults()
    world.write_engine(base / "server")
    world.forget()
    fresh = Installer(base / "root", MACHINE)
    assert fresh.snapshot().state is State.INCOMPLETE, fresh.snapshot()
    assert fresh.snapshot().actions[0] == "resume"
    fresh.resume(consent=True, online=True)
    expect(fresh, State.READY)


def test_a_stopped_blender_still_holds_its_lock(base, index, shop):
    with_uv(base / "root", shop)
    index.faults = Faults(on="torch-", stall=20.0)
    with blender(base, index) as other:
        while other.stdout.readline().strip() != "download":
            pass
        other.send_signal(signal.SIGSTOP)
        mine = Installer(base / "root", MACHINE)
        mine.uninstall()
        mine.wait(5)
        assert mine.snapshot().state is State.INSTALLING
        assert mine._problem.code == "install_busy"
        other.kill()


def test_power_lost_between_the_two_renames(installer):
    installed(installer)
    places = installer.places
    places.env.rename(places.old)
    fresh = Installer(places.root, MACHINE)
    assert fresh.snapshot().state is State.INCOMPLETE
    fresh.resume(consent=True, online=False)
    expect(fresh, State.READY)
    assert not places.old.exists()
