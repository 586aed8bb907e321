# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole installation with the real pip and uv against a server of our own: done, cut, cancelled, killed, repaired, removed."""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import install_world as world
import pytest
from install_world import Faults, Index

from selfrect_blender.host.engine_process import engine_command
from selfrect_blender.host.install import Installer, Machine, State, engine_folder, fetch, marker
from selfrect_blender.host.install.places import Places

HERE = Path(__file__).resolve().parent
MACHINE = Machine("linux", "x86_64", "6", 16 << 30)

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the small world is made for Linux")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """The wheels, made once: uv's own is 38 MB."""
    import uv

    folder = tmp_path_factory.mktemp("shop")
    world.uv_wheel(folder, Path(uv.find_uv_bin()))
    world.packages(folder)
    shutil.copy(uv.find_uv_bin(), folder / "program")
    return folder


@pytest.fixture
def base(tmp_path, shop, monkeypatch):
    """tmp_path with index/, wheels/ and server/ in it."""
    for name in ("index", "wheels"):
        (tmp_path / name).mkdir()
    for wheel in shop.glob("*.whl"):
        os.link(wheel, tmp_path / "index" / wheel.name)
    torch, diffusers = sorted(shop.glob("torch*")) + sorted(shop.glob("diffusers*"))
    world.write_lists(tmp_path / "wheels", [torch, diffusers], next(shop.glob("uv-*")))
    world.write_engine(tmp_path / "server")
    monkeypatch.setattr(fetch, "WAIT_SECONDS", 0.01)
    return tmp_path


@pytest.fixture
def index(base, monkeypatch):
    server = Index(base / "index")
    world.settle(monkeypatch, base, server)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # asking every Python of a developer's machine takes seconds
    yield server
    server.close()
    world.forget()


@pytest.fixture
def bare(base, index):
    """An installer over a folder that does not exist."""
    made = Installer(base / "a root, ünusual", MACHINE)
    yield made
    made.close()


@pytest.fixture
def installer(bare, shop):
    """One that has its uv already: fetching it by pip takes seconds."""
    with_uv(bare.places.root, shop)
    return bare


def with_uv(root: Path, shop: Path) -> None:
    place = root / "tools" / f"uv-{world.UV_VERSION}"
    place.mkdir(parents=True)
    os.link(shop / "program", place / "uv")


def planned(installer: Installer, backend: str = "auto", source: Path | None = None) -> Installer:
    installer.look(backend, source)
    assert installer.wait(20).state is State.PLANNED, installer.snapshot()
    return installer


def installed(installer: Installer) -> Installer:
    planned(installer).install(consent=True, online=True)
    snapshot = installer.wait(60)
    assert snapshot.state is State.READY, (snapshot, snapshot.problem and snapshot.problem.detail)
    return installer


def expect(installer: Installer, *states: State, seconds: float = 60):
    snapshot = installer.wait(seconds)
    assert snapshot.state in states, (snapshot, snapshot.problem and snapshot.problem.detail)
    return snapshot


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
from selfrect_blender.host.install import Installer, Machine
from types import SimpleNamespace
world.settle(pytest.MonkeyPatch(), Path({base!r}), SimpleNamespace(url={url!r}))
installer = Installer(Path({base!r}) / "root", Machine("linux", "x86_64", "6", 16 << 30))
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


def test_power_lost_between_the_two_renames(installer):
    installed(installer)
    places = installer.places
    places.env.rename(places.old)
    fresh = Installer(places.root, MACHINE)
    assert fresh.snapshot().state is State.INCOMPLETE
    fresh.resume(consent=True, online=False)
    expect(fresh, State.READY)
    assert not places.old.exists()


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


def test_uninstalling_leaves_what_is_not_ours(installer):
    installed(installer)
    other = installer.places.root / "my pictures"
    other.mkdir()
    (installer.places.env / "read-only").mkdir(mode=0o500)
    installer.uninstall()
    expect(installer, State.NOT_INSTALLED)
    assert list(installer.places.root.iterdir()) == [other]


def test_a_root_that_cannot_be_written_is_said_in_the_plan(index):
    installer = Installer(Path("/sys/selfrect"), MACHINE)
    plan = planned(installer).snapshot().plan
    assert plan.obstacles[0].code == "no_permission"
    assert "look" in installer.snapshot().actions
    installer.install(consent=True, online=True)
    assert installer.wait(5).problem.code == "no_permission"


def test_everything_ours_is_known_to_uninstalling(installer):
    names = {path.name for path in Places(Path("/x")).everything()} | {"install.lock"}
    installed(installer)
    assert {path.name for path in installer.places.root.iterdir()} <= names
