# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's installation as Blender shows it, on an Installer that only plays its part: whether the artist always sees what is true.

The Installer itself is tested in tests/host/test_install*.py.
"""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import pytest
from setup_stage import PLAN, draw_preferences, draw_state, preferences


@pytest.fixture(params=["tab", "preferences"])
def drawn(request, setup_parts):
    """Both places show one state machine."""
    return lambda: draw_state(setup_parts) if request.param == "tab" else draw_preferences(setup_parts)


def test_says_what_will_happen_before_it_happens(installer, drawn, allowed):
    allowed(True)
    installer.show("planned")
    seen = drawn()
    told = ("GeForce RTX 4090", "2.6 GB", "6.0 GB of 200 GB free", "/somewhere/engine", "<backend>", "<engine_folder>", "Python 3.11")
    assert [words for words in told if words not in seen.text] == []
    assert seen.operators["selfrect.engine_install"].consent is True
    assert seen.enabled("selfrect.engine_install")
    assert installer.calls == []


def test_without_blenders_leave_the_network_is_not_used(installer, drawn, allowed):
    allowed(False)
    installer.show("planned")
    seen = drawn()
    assert not seen.enabled("selfrect.engine_install")
    assert "Preferences › System › Network" in seen.text.replace("  ", " ")
    assert {"extensions.userpref_show_online", "selfrect.engine_source"} <= seen.operators.keys()
    installer.show("planned", plan=SimpleNamespace(**{**vars(PLAN), "needs_network": False, "source": "/usb/stick"}))
    seen = drawn()
    assert seen.enabled("selfrect.engine_install"), "a folder needs no network"
    assert "/usb/stick" in seen.text


def test_an_obstacle_is_told_and_closes_the_button(setup_parts, installer, drawn, allowed):
    allowed(True)
    full = setup_parts.problems.Problem("disk_full", "6 GB are needed, 2 GB are free.", "Choose another folder.")
    installer.show("planned", plan=SimpleNamespace(**{**vars(PLAN), "obstacles": (full,)}))
    seen = drawn()
    assert not seen.enabled("selfrect.engine_install")
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


def test_a_failure_has_details_to_copy(setup_parts, installer, drawn, tmp_path):
    (tmp_path / "log").write_text("the last line of the log")
    problem = setup_parts.problems.Problem("download_failed", "The connection was cut.", "Try again.", "curl 56")
    installer.show("failed", problem=problem, log=tmp_path / "log")
    assert "selfrect.engine_details" in drawn().operators
    for words in ("download_failed", "curl 56", "the last line of the log"):
        assert words in setup_parts.setup.details()


def test_the_tab_says_nothing_where_all_is_well(setup_parts, installer):
    installer.show("ready")
    seen = draw_state(setup_parts)
    assert (seen.result, seen.words) == (True, [])
    installer.show("outdated")
    assert draw_state(setup_parts).result is True, "an older engine can still be used"
    installer.show("broken")
    assert draw_state(setup_parts).result is False


def test_preferences_tell_what_is_installed(setup_parts, installer):
    installer.show("ready")
    seen = draw_preferences(setup_parts)
    assert "The engine is ready." in seen.text
    assert {"selfrect.engine_test", "selfrect.engine_repair", "selfrect.engine_uninstall", "selfrect.engine_free"} <= seen.operators.keys()


def test_uninstalling_is_asked_twice_of_an_artist(setup_parts, installer, drawn):
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


def test_an_engine_that_was_named_hides_the_installation(setup_parts, installer, fake_engine):
    installer.show("planned")
    preferences().engine_location = fake_engine("good")
    seen = draw_state(setup_parts)
    assert (seen.result, seen.operators) == (True, {})
    preferences().engine_location = "/nowhere"
    seen = draw_state(setup_parts)
    assert seen.result is False
    assert "/nowhere" in seen.text


def test_the_menu_of_builds_is_the_plans(setup_parts, installer):
    installer.show("planned")
    choices = bpy.context.window_manager.selfrect_setup
    assert choices.backend == "cuda"
    choices.backend = "cpu"
    assert installer.calls == [("look", {"backend": "cpu", "source": None})]
    assert choices.backend == "cuda", "until the new plan is there, the menu shows the old one"
    installer.show("planned", plan=SimpleNamespace(**{**vars(PLAN), "backend": "cpu"}))
    assert choices.backend == "cpu"
