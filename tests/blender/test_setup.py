# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's installation as Blender shows and drives it, on an Installer that only plays its part.

The Installer itself is tested in tests/host/test_install*.py; here it is whether the artist always sees what is true,
whether nothing happens without the press of a button, and whether scripts get sentences.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import bpy
import pytest

MODULE = "bl_ext.user_default.selfrect_blender"
GB = 10**9


@pytest.fixture
def parts(extension):
    """The installed extension's modules of the setup, and everything put back afterwards."""
    names = ["setup", "ui.setup_panel", "ui.setup_operators", "ui.preferences", "host.install"]
    parts = {name.split(".")[-1]: importlib.import_module(f"{MODULE}.selfrect_blender.{name}") for name in names}
    yield SimpleNamespace(**parts, problems=extension.problems, main_thread=extension.main_thread)
    parts["setup"]._stop()
    preferences().engine_folder = preferences().engine_location = ""
    questions = bpy.context.window_manager.selfrect_setup
    questions.confirming = questions.source = questions.licence_of = ""


@pytest.fixture
def installer(parts, monkeypatch):
    """A FakeInstaller that takes the place of the real one: set `state` and other fields, read `calls`."""
    real = parts.install.Installer

    class FakeInstaller:
        def __init__(self, root: Path):
            self.root, self.calls, self.fields, self.after = root, [], {}, {}
            self.seen = self.nothing = real(root).snapshot()
            made.append(self)

        def show(self, state: str, **fields):
            self.seen = dataclasses.replace(self.nothing, **(DEFAULTS[state] | {"state": parts.install.State(state)} | fields))

        def snapshot(self):
            return self.seen

        def wait(self, timeout=None):
            self.calls.append("wait")
            return self.seen

        def __getattr__(self, name):
            def call(**arguments):
                self.calls.append((name, arguments))
                if name in self.after:
                    self.show(*self.after[name][:1], **dict(*self.after[name][1:]))

            if name in ("look", "install", "resume", "retry", "repair", "update", "test", "cancel", "uninstall", "close"):
                return call
            raise AttributeError(name)

    made: list[FakeInstaller] = []
    monkeypatch.setattr(parts.setup, "Installer", FakeInstaller)
    parts.setup._stop()
    fake = parts.setup.installer()
    fake.made = made
    return fake


PLAN = SimpleNamespace(
    backend="cuda",
    choices=(
        SimpleNamespace(name="cuda", title="NVIDIA", reason="For the graphics card", recommended=True, possible=True),
        SimpleNamespace(name="cpu", title="Processor only", reason="Runs everywhere", recommended=False, possible=True),
    ),
    machine=SimpleNamespace(gpus=(SimpleNamespace(title="GeForce RTX 4090"),)),
    root=Path("/somewhere/engine"), download_bytes=2_600_000_000, disk_bytes=6 * GB, free_bytes=200 * GB, exact=True,
    needs_network=True, source="the package index", locked=True, obstacles=(), notes=("An existing Python 3.11 will be used.",),
)  # fmt: skip

DEFAULTS = {
    "not_installed": {"actions": ("look",), "sentence": "The engine is not installed yet."},
    "looking": {"actions": (), "sentence": "Looking at this machine…"},
    "planned": {"actions": ("install", "look"), "plan": PLAN, "sentence": "The engine is not installed yet."},
    "installing": {"actions": ("cancel",), "step_text": "Downloading PyTorch", "fraction": 0.25, "done_bytes": 650_000_000,
                   "total_bytes": 2_600_000_000, "speed": 12e6, "seconds_left": 160.0, "sentence": "The engine is being installed."},
    "testing": {"actions": ("cancel",), "step_text": "Testing", "fraction": 0.97, "sentence": "The engine is being tested."},
    "ready": {"usable": True, "actions": ("test", "repair", "uninstall"), "sentence": "The engine is ready."},
    "outdated": {"usable": True, "actions": ("update", "uninstall"), "sentence": "The engine is 0.0.9, the extension 0.1.0."},
    "incomplete": {"actions": ("resume", "look", "uninstall"), "sentence": "The installation was cut off.", "remedy": "Resume it."},
    "broken": {"actions": ("repair", "uninstall"), "sentence": "The package torch is missing."},
    "failed": {"actions": ("retry", "look", "uninstall"), "sentence": "The connection was cut.", "remedy": "Try again."},
    "removing": {"actions": (), "sentence": "The engine is being removed."},
}  # fmt: skip


def preferences():
    return bpy.context.preferences.addons[MODULE].preferences


class Drawn:
    """What was drawn: words, operators as {idname: button}, properties, and the last `enabled` of the row each operator is in."""

    def __init__(self, draw):
        self.words, self.operators, self.enabled, self.bars = [], {}, {}, []
        self.result = draw(self._layout())

    def _layout(self):
        layout = MagicMock()
        layout.enabled = True
        for method in ("row", "column", "box"):
            getattr(layout, method).side_effect = lambda **_: self._layout()
        layout.label.side_effect = lambda text="", **_: self.words.append(text)
        layout.progress.side_effect = lambda factor=0, text="", **_: self.bars.append((factor, text))
        layout.prop.side_effect = lambda _owner, name, **_: self.words.append(f"<{name}>")
        layout.operator.side_effect = lambda idname, text="", **_: self._button(layout, idname, text)
        return layout

    def _button(self, layout, idname, text):
        self.words.append(f"[{text}]")
        self.enabled[idname] = layout.enabled
        self.operators[idname] = SimpleNamespace()
        return self.operators[idname]

    @property
    def text(self):
        return " ".join(self.words)


def draw_state(parts):
    return Drawn(lambda layout: parts.setup_panel.draw_state(layout, bpy.context))


def draw_preferences(parts):
    def draw(layout):
        parts.preferences.SelfrectPreferences.draw(PreferencesLike(layout), bpy.context)

    return Drawn(draw)


class PreferencesLike:
    """The preferences with a layout that only listens."""

    def __init__(self, layout):
        self.layout = layout

    def __getattr__(self, name):
        return getattr(preferences(), name)


@pytest.fixture(params=["tab", "preferences"])
def drawn(request, parts):
    """Both places show one state machine."""
    return lambda: draw_state(parts) if request.param == "tab" else draw_preferences(parts)


@pytest.fixture
def allowed(parts, monkeypatch):
    """allowed(True/False): Blender's own preference about the network."""
    return lambda yes: monkeypatch.setattr(parts.setup, "online", lambda: yes)


def test_says_what_will_happen_before_it_happens(installer, drawn, allowed):
    allowed(True)
    installer.show("planned")
    seen = drawn()
    told = ("GeForce RTX 4090", "2.6 GB", "6.0 GB of 200 GB free", "/somewhere/engine", "<backend>", "<engine_folder>", "Python 3.11")
    assert [words for words in told if words not in seen.text] == []
    assert seen.operators["selfrect.engine_install"].consent is True
    assert seen.enabled["selfrect.engine_install"]
    assert installer.calls == []


def test_without_blenders_leave_the_network_is_not_used(installer, drawn, allowed):
    allowed(False)
    installer.show("planned")
    seen = drawn()
    assert not seen.enabled["selfrect.engine_install"]
    assert "Preferences › System › Network" in seen.text.replace("  ", " ")
    assert {"extensions.userpref_show_online", "selfrect.engine_source"} <= seen.operators.keys()
    installer.show("planned", plan=SimpleNamespace(**{**vars(PLAN), "needs_network": False, "source": "/usb/stick"}))
    seen = drawn()
    assert seen.enabled["selfrect.engine_install"], "a folder needs no network"
    assert "/usb/stick" in seen.text


def test_an_obstacle_is_told_and_closes_the_button(parts, installer, drawn, allowed):
    allowed(True)
    full = parts.problems.Problem("disk_full", "6 GB are needed, 2 GB are free.", "Choose another folder.")
    installer.show("planned", plan=SimpleNamespace(**{**vars(PLAN), "obstacles": (full,)}))
    seen = drawn()
    assert not seen.enabled["selfrect.engine_install"]
    assert "2 GB are free. Choose another folder." in seen.text


LOOK_OR_LEAVE = ("selfrect.engine_look", "selfrect.engine_uninstall")


@pytest.mark.parametrize(
    ("state", "words", "buttons"),
    [
        ("installing", "650 MB of 2.6 GB · 12 MB/s · 3 min left", {"selfrect.engine_cancel"}),
        ("incomplete", "The installation was cut off. Resume it.", {"selfrect.engine_resume", *LOOK_OR_LEAVE}),
        ("failed", "The connection was cut. Try again.", {"selfrect.engine_retry", *LOOK_OR_LEAVE}),
        ("broken", "torch is missing", {"selfrect.engine_repair", "selfrect.engine_uninstall"}),
        ("outdated", "The engine is 0.0.9", {"selfrect.engine_update", "selfrect.engine_uninstall"}),
        ("looking", "Looking at this machine", set()),
        ("removing", "being removed", set()),
    ],
)
def test_each_state_has_its_words_and_its_buttons(installer, drawn, state, words, buttons):
    installer.show(state)
    seen = drawn()
    assert words in seen.text
    offered = {name for name in seen.operators if name.startswith("selfrect.engine_")} - {"selfrect.engine_free"}
    assert offered == buttons
    for name in buttons & {"selfrect.engine_resume", "selfrect.engine_retry", "selfrect.engine_repair", "selfrect.engine_update"}:
        assert seen.operators[name].consent is True, "the press of the button is the consent"


def test_progress_is_a_bar(installer, drawn):
    installer.show("installing")
    seen = drawn()
    assert seen.bars == [(0.25, "25%")]
    assert "The engine is being installed" in seen.text


def test_another_blenders_installation_is_shown_but_not_ours_to_cancel(installer, drawn):
    installer.show("installing", mine=False, actions=())
    seen = drawn()
    assert "Another Blender" in seen.text
    assert "selfrect.engine_cancel" not in seen.operators


def test_a_failure_has_details_to_copy(parts, installer, drawn, tmp_path):
    (tmp_path / "log").write_text("the last line of the log")
    problem = parts.problems.Problem("download_failed", "The connection was cut.", "Try again.", "curl 56")
    installer.show("failed", problem=problem, log=tmp_path / "log")
    assert "selfrect.engine_details" in drawn().operators
    for words in ("download_failed", "curl 56", "the last line of the log"):
        assert words in parts.setup.details()


def test_the_tab_says_nothing_where_all_is_well(parts, installer):
    installer.show("ready")
    seen = draw_state(parts)
    assert (seen.result, seen.words) == (True, [])
    installer.show("outdated")
    assert draw_state(parts).result is True, "an older engine can still be used"
    installer.show("broken")
    assert draw_state(parts).result is False


def test_preferences_tell_what_is_installed(parts, installer):
    installer.show("ready")
    seen = draw_preferences(parts)
    assert "The engine is ready." in seen.text
    assert {"selfrect.engine_test", "selfrect.engine_repair", "selfrect.engine_uninstall", "selfrect.engine_free"} <= seen.operators.keys()


def test_order_of_locations(parts, installer, monkeypatch):
    installer.show("ready", folder=Path("/shared/engine/env"))
    assert parts.setup.engine_location() == "/shared/engine/env"
    monkeypatch.setenv("SELFRECT_ENGINE", "/from/environment")
    assert parts.setup.engine_location() == "/from/environment"
    preferences().engine_location = "ssh gpu-host selfrect serve"
    assert parts.setup.engine_location() == "ssh gpu-host selfrect serve"
    preferences().engine_location = ""
    monkeypatch.delenv("SELFRECT_ENGINE")
    installer.show("incomplete", folder=Path("/shared/engine/env"))
    assert parts.setup.engine_location() == "", "what has not passed its test is not started"


def test_an_engine_that_was_named_hides_the_installation(parts, installer, fake_engine):
    installer.show("planned")
    preferences().engine_location = fake_engine("good")
    seen = draw_state(parts)
    assert (seen.result, seen.operators) == (True, {})
    preferences().engine_location = "/nowhere"
    seen = draw_state(parts)
    assert seen.result is False
    assert "/nowhere" in seen.text


def test_the_engine_stands_in_a_folder_that_blenders_share(parts, monkeypatch, tmp_path):
    user = bpy.utils.extension_path_user(MODULE)
    assert parts.setup.root() == Path(user) / "engine", "BLENDER_USER_RESOURCES keeps everything in one place"
    monkeypatch.delenv("BLENDER_USER_RESOURCES")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert parts.setup.root() == tmp_path / "data" / "selfrect" / "engine"
    preferences().engine_folder = str(tmp_path / "other disk")
    assert parts.setup.root() == tmp_path / "other disk"


def test_another_folder_means_another_installer_but_not_in_the_middle_of_work(parts, installer, tmp_path):
    installer.show("installing")
    preferences().engine_folder = str(tmp_path)
    assert parts.setup.installer() is installer
    installer.show("incomplete")
    assert parts.setup.installer() is not installer
    assert parts.setup.installer().root == tmp_path
    assert ("close", {}) in installer.calls


def test_the_menu_of_builds_is_the_plans(parts, installer):
    installer.show("planned")
    choices = bpy.context.window_manager.selfrect_setup
    assert choices.backend == "cuda"
    choices.backend = "cpu"
    assert installer.calls == [("look", {"backend": "cpu", "source": None})]
    assert choices.backend == "cuda", "until the new plan is there, the menu shows the old one"
    installer.show("planned", plan=SimpleNamespace(**{**vars(PLAN), "backend": "cpu"}))
    assert choices.backend == "cpu"


def test_scripts_install_in_one_call_that_waits(parts, installer, allowed):
    allowed(True)
    installer.after = {"look": ("planned",), "install": ("ready",)}
    assert bpy.ops.selfrect.engine_install(consent=True, backend="cpu") == {"FINISHED"}
    assert installer.calls == [
        ("look", {"backend": "cpu", "source": None}), "wait", ("install", {"consent": True, "online": True}), "wait",
    ]  # fmt: skip


def test_scripts_get_the_sentence_of_a_failure(parts, installer):
    problem = parts.problems.Problem("download_failed", "The connection was cut.", "Try again.")
    installer.after = {"look": ("planned",), "install": ("failed", {"problem": problem})}
    with pytest.raises(RuntimeError, match=r"The connection was cut\. Try again\."):
        bpy.ops.selfrect.engine_install(consent=True)


def test_without_consent_nothing_is_done(installer):
    installer.after = {"look": ("planned",)}
    with pytest.raises(RuntimeError, match="consent"):
        bpy.ops.selfrect.engine_install()
    assert not [call for call in installer.calls if call[0] == "install"]
    installer.show("incomplete")
    installer.calls.clear()
    with pytest.raises(RuntimeError, match="consent"):
        bpy.ops.selfrect.engine_resume()
    assert installer.calls == []


def test_online_access_is_asked_at_each_start(parts, installer, monkeypatch):
    installer.show("failed")
    for yes in (False, True):
        app = SimpleNamespace(online_access=yes, background=True, timers=bpy.app.timers)
        monkeypatch.setattr(parts.setup, "bpy", SimpleNamespace(app=app, path=bpy.path, context=bpy.context))
        parts.setup.act("retry", consent=True)
    assert installer.calls == [("retry", {"consent": True, "online": yes}) for yes in (False, True)]


def test_an_obstacle_stops_scripts_too(parts, installer):
    full = parts.problems.Problem("disk_full", "6 GB are needed, 2 GB are free.", "Choose another folder.")
    installer.after = {"look": ("planned", {"plan": SimpleNamespace(**{**vars(PLAN), "obstacles": (full,)})})}
    with pytest.raises(RuntimeError, match="2 GB are free"):
        bpy.ops.selfrect.engine_install(consent=True)


def test_the_engine_is_ended_before_its_files_change(parts, installer, engine):
    engine("good")
    queue = parts.main_thread.queue()
    queue.wait(queue.ask("models.list"))
    preferences().engine_location = ""
    installer.show("ready")
    bpy.ops.selfrect.engine_repair(consent=True)
    assert queue.state == "off"


def test_uninstalling_is_asked_twice_of_an_artist(parts, installer, drawn):
    installer.show("ready")
    bpy.context.window_manager.selfrect_setup.confirming = "uninstall"  # what invoke does; in background there is none
    seen = drawn()
    assert seen.operators["selfrect.engine_uninstall"].sure is True
    assert "selfrect.setup_keep" in seen.operators
    assert "Delete the engine in" in seen.text
    bpy.ops.selfrect.setup_keep()
    assert bpy.context.window_manager.selfrect_setup.confirming == ""
    assert installer.calls == []
    bpy.ops.selfrect.engine_uninstall()
    assert ("uninstall", {}) in installer.calls


def test_operators_are_offered_only_where_they_make_sense(installer):
    installer.show("installing")
    assert not bpy.ops.selfrect.engine_install.poll()
    assert not bpy.ops.selfrect.engine_repair.poll()
    assert bpy.ops.selfrect.engine_cancel.poll()
    installer.show("ready")
    assert bpy.ops.selfrect.engine_repair.poll()
    assert not bpy.ops.selfrect.engine_cancel.poll()


def test_every_operator_says_what_it_does(parts):
    ours = [name for name in dir(bpy.ops.selfrect) if name.startswith(("engine", "model"))]
    assert len(ours) > 15
    assert [name for name in ours if len(getattr(bpy.ops.selfrect, name).get_rna_type().description) < 20] == []


def test_from_a_shell_it_tells_first_and_installs_only_with_yes(parts, installer, allowed, capfd):
    cli = importlib.import_module(f"{MODULE}.selfrect_blender.ui.cli")
    allowed(True)
    installer.after = {"look": ("planned",), "install": ("ready",)}
    assert cli.main(["setup", "--backend", "cpu"]) == 0
    assert "cuda: 2.6 GB to download, 6.0 GB of disk in /somewhere/engine" in capfd.readouterr().err
    assert cli.main(["setup", "--install"]) == 1
    assert "Add --yes" in capfd.readouterr().err
    assert [call[0] for call in installer.calls if call != "wait"] == ["look", "look"]
    assert cli.main(["setup", "--install", "--yes"]) == 0
    assert "The engine is ready." in capfd.readouterr().err


def test_from_a_shell_a_failure_has_its_exit_code_and_its_report(parts, installer, tmp_path):
    cli = importlib.import_module(f"{MODULE}.selfrect_blender.ui.cli")
    problem = parts.problems.Problem("disk_full", "The disk is full.", "Free some space.")
    installer.after = {"look": ("planned",), "install": ("failed", {"problem": problem})}
    assert cli.main(["setup", "--install", "--yes", "--report", str(tmp_path / "report.json")]) == 1
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["state"], report["problem"]["code"]) == ("failed", "disk_full")


class Timers:
    """bpy.app.timers, which do not run in background mode."""

    def __init__(self):
        self.registered = {}

    def register(self, function, **options):
        self.registered[function] = options

    def unregister(self, function):
        del self.registered[function]

    def is_registered(self, function):
        return function in self.registered


@pytest.fixture
def window(parts, monkeypatch):
    """setup as in a Blender with a window; its timers."""
    timers = Timers()
    app = SimpleNamespace(timers=timers, background=False, online_access=True)
    monkeypatch.setattr(parts.setup, "bpy", SimpleNamespace(app=app, path=bpy.path, context=bpy.context))
    return timers


def test_the_timer_runs_while_there_is_something_to_see(parts, installer, window):
    installer.show("planned")
    draw_state(parts)
    assert window.registered == {}
    parts.setup.act("install", consent=True)
    assert parts.setup._tick in window.registered
    installer.show("installing")
    assert parts.setup._tick() == pytest.approx(0.1)
    installer.show("ready")
    assert parts.setup._tick() is None


def test_looking_needs_no_button_but_happens_once_and_not_while_drawing(parts, installer, window):
    draw_state(parts)
    assert installer.calls == []
    parts.setup._tick()
    assert installer.calls == [("look", {"backend": "auto", "source": None})]
    window.registered.clear()
    draw_state(parts)
    assert window.registered == {}, "a look that found nothing is not repeated for ever"


def test_switching_off_stops_timer_and_installer(parts, installer, window):
    parts.setup.watch()
    parts.setup._stop()
    assert window.registered == {}
    assert ("close", {}) in installer.calls


EXIT = """
import sys
import bpy
bpy.ops.extensions.package_install_files(filepath=sys.argv[1], repo="user_default", enable_on_install=False, overwrite=True)
bpy.ops.preferences.addon_enable(module="bl_ext.user_default.selfrect_blender")
from bl_ext.user_default.selfrect_blender.selfrect_blender import setup
setup.look()
bpy.app.timers.register(setup._tick, persistent=True)
if sys.argv[2] == "disable":
    bpy.ops.preferences.addon_disable(module="bl_ext.user_default.selfrect_blender")
    assert not bpy.app.timers.is_registered(setup._tick)
print("the end")
"""


@pytest.mark.parametrize("way", ["disable", "just end"])
def test_blender_ends_cleanly_while_the_setup_is_at_work(zip_file, tmp_path, way):
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(tmp_path)}
    command = [sys.executable, "-c", EXIT, str(zip_file), way]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "the end" in ended.stdout
