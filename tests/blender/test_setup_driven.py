# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's installation driven by buttons, scripts and a shell: nothing without consent, failures in words; which engine is used."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest
from setup_stage import MODULE, PLAN, preferences


def test_order_of_locations(setup_parts, installer, monkeypatch):
    installer.show("ready", folder=Path("/shared/engine/env"))
    assert setup_parts.setup.engine_location() == "/shared/engine/env"
    monkeypatch.setenv("SELFRECT_ENGINE", "/from/environment")
    assert setup_parts.setup.engine_location() == "/from/environment"
    preferences().engine_location = "ssh gpu-host selfrect serve"
    assert setup_parts.setup.engine_location() == "ssh gpu-host selfrect serve"
    preferences().engine_location = ""
    monkeypatch.delenv("SELFRECT_ENGINE")
    installer.show("incomplete", folder=Path("/shared/engine/env"))
    assert setup_parts.setup.engine_location() == "", "what has not passed its test is not started"


def test_the_engine_stands_in_a_folder_that_blenders_share(setup_parts, monkeypatch, tmp_path):
    user = bpy.utils.extension_path_user(MODULE)
    assert setup_parts.setup.root() == Path(user) / "engine", "BLENDER_USER_RESOURCES keeps everything in one place"
    monkeypatch.delenv("BLENDER_USER_RESOURCES")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert setup_parts.setup.root() == tmp_path / "data" / "selfrect" / "engine"
    preferences().engine_folder = str(tmp_path / "other disk")
    assert setup_parts.setup.root() == tmp_path / "other disk"


def test_another_folder_means_another_installer_but_not_in_the_middle_of_work(setup_parts, installer, tmp_path):
    installer.show("installing")
    preferences().engine_folder = str(tmp_path)
    assert setup_parts.setup.installer() is installer
    installer.show("incomplete")
    assert setup_parts.setup.installer() is not installer
    assert setup_parts.setup.installer().root == tmp_path
    assert ("close", {}) in installer.calls


def test_scripts_install_in_one_call_that_waits(setup_parts, installer, allowed):
    allowed(True)
    installer.after = {"look": ("planned",), "install": ("ready",)}
    assert bpy.ops.selfrect.engine_install(consent=True, backend="cpu") == {"FINISHED"}
    assert installer.calls == [
        ("look", {"backend": "cpu", "source": None}), "wait", ("install", {"consent": True, "online": True}), "wait",
    ]  # fmt: skip


def test_scripts_get_the_sentence_of_a_failure(setup_parts, installer):
    problem = setup_parts.problems.Problem("download_failed", "The connection was cut.", "Try again.")
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


def test_online_access_is_asked_at_each_start(setup_parts, installer, monkeypatch):
    installer.show("failed")
    for yes in (False, True):
        app = SimpleNamespace(online_access=yes, background=True, timers=bpy.app.timers)
        monkeypatch.setattr(setup_parts.setup, "bpy", SimpleNamespace(app=app, path=bpy.path, context=bpy.context))
        setup_parts.setup.act("retry", consent=True)
    assert installer.calls == [("retry", {"consent": True, "online": yes}) for yes in (False, True)]


def test_an_obstacle_stops_scripts_too(setup_parts, installer):
    full = setup_parts.problems.Problem("disk_full", "6 GB are needed, 2 GB are free.", "Choose another folder.")
    installer.after = {"look": ("planned", {"plan": SimpleNamespace(**{**vars(PLAN), "obstacles": (full,)})})}
    with pytest.raises(RuntimeError, match="2 GB are free"):
        bpy.ops.selfrect.engine_install(consent=True)


def test_the_engine_is_ended_before_its_files_change(setup_parts, installer, engine):
    engine("good")
    queue = setup_parts.main_thread.queue()
    queue.wait(queue.ask("models.list"))
    preferences().engine_location = ""
    installer.show("ready")
    bpy.ops.selfrect.engine_repair(consent=True)
    assert queue.state == "off"


def test_operators_are_offered_only_where_they_make_sense(installer):
    installer.show("installing")
    assert not bpy.ops.selfrect.engine_install.poll()
    assert not bpy.ops.selfrect.engine_repair.poll()
    assert bpy.ops.selfrect.engine_cancel.poll()
    installer.show("ready")
    assert bpy.ops.selfrect.engine_repair.poll()
    assert not bpy.ops.selfrect.engine_cancel.poll()


def test_every_operator_says_what_it_does(setup_parts):
    ours = [name for name in dir(bpy.ops.selfrect) if name.startswith(("engine", "model"))]
    assert len(ours) > 15
    assert [name for name in ours if len(getattr(bpy.ops.selfrect, name).get_rna_type().description) < 20] == []


def test_from_a_shell_it_tells_first_and_installs_only_with_yes(setup_parts, installer, allowed, capfd):
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


def test_from_a_shell_a_failure_has_its_exit_code_and_its_report(setup_parts, installer, tmp_path):
    cli = importlib.import_module(f"{MODULE}.selfrect_blender.ui.cli")
    problem = setup_parts.problems.Problem("disk_full", "The disk is full.", "Free some space.")
    installer.after = {"look": ("planned",), "install": ("failed", {"problem": problem})}
    assert cli.main(["setup", "--install", "--yes", "--report", str(tmp_path / "report.json")]) == 1
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["state"], report["problem"]["code"]) == ("failed", "disk_full")
