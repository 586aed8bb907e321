# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of models and what can be done with them, on an engine process that answers `models.…` by a small table of its own."""

from __future__ import annotations

import importlib
import shlex
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest
from setup_stage import MODULE, Drawn

ENGINE = Path(__file__).with_name("models_engine.py")


@pytest.fixture
def parts(extension, monkeypatch):
    names = ["models", "setup", "main_thread", "ui.models_panel"]
    parts = {name.split(".")[-1]: importlib.import_module(f"{MODULE}.selfrect_blender.{name}") for name in names}
    preferences = bpy.context.preferences.addons[MODULE].preferences
    preferences.engine_location = shlex.join([sys.executable, str(ENGINE)])
    monkeypatch.setattr(parts["setup"], "online", lambda: True)
    yield SimpleNamespace(**parts, problems=extension.problems, preferences=preferences)
    parts["main_thread"].queue().close()
    parts["main_thread"].queue().greeting = None
    parts["models"].unregister()
    parts["models"].register()
    preferences.engine_location = preferences.models_folder = ""
    questions = bpy.context.window_manager.selfrect_setup
    questions.confirming = questions.licence_of = ""


@pytest.fixture
def listed(parts):
    """The same, with the list there."""
    bpy.ops.selfrect.models_refresh()
    return parts


def pump(parts, condition, seconds=10.0):
    """Let main_thread's timer run until it is so."""
    until = time.monotonic() + seconds
    while not condition():
        parts.main_thread._tick()
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


def drawn(parts):
    """(all texts, {operator: [its buttons]}, progress bars)."""
    seen = Drawn(lambda layout: parts.models_panel.draw_models(layout, bpy.context))
    return seen.text, seen.buttons, [text for _, text in seen.bars]


def test_before_an_engine_greeted_nothing_is_started(parts):
    parts.main_thread.queue().greeting = None
    text, operators, _ = drawn(parts)
    assert "Refresh" in text
    assert "selfrect.models_refresh" in operators
    assert parts.main_thread.queue().state == "off"


def test_each_model_is_told_with_what_can_be_done(listed):
    text, operators, _ = drawn(listed)
    for words in ("Small One", "Paper's Model · 2.1–4.3 GB", "wood.safetensors · in ComfyUI"):
        assert words in text
    assert [button.name for button in operators["selfrect.model_licence"]] == ["big"]
    assert [button.name for button in operators["selfrect.model_remove"]] == ["old"]
    assert [(button.name, button.row.enabled) for button in operators["selfrect.model_use"]] == [
        ("mini", True), ("big", False), ("old", True), ("/comfy/wood.safetensors", True),
    ]  # fmt: skip
    assert "/where/models" in text


def test_any_installed_model_can_be_chosen(listed):
    bpy.ops.selfrect.model_use(name="/comfy/wood.safetensors")
    assert bpy.context.scene.selfrect.model == "/comfy/wood.safetensors"


def test_the_licence_is_shown_before_the_button_that_accepts_it(listed):
    assert "selfrect.model_download" not in drawn(listed)[1]
    bpy.ops.selfrect.model_licence(name="big")
    text, operators, _ = drawn(listed)
    assert "OpenRAIL" in text
    assert "not for harm" in text
    (button,) = operators["selfrect.model_download"]
    assert (button.name, button.accept_licence, button.row.enabled) == ("big", True, True)
    assert operators["wm.url_open"][0].url == "https://licence"
    bpy.ops.selfrect.setup_keep()
    assert "selfrect.model_download" not in drawn(listed)[1]


def test_downloads_and_then_knows_it(listed):
    bpy.ops.selfrect.model_download(name="big", accept_licence=True)
    assert listed.models.entry("big")["installed"]
    assert "selfrect.model_licence" not in drawn(listed)[1]


@pytest.mark.parametrize(
    ("arguments", "online", "words"),
    [
        ({"name": "big"}, True, "licence OpenRAIL, which was not accepted"),
        ({"name": "big", "accept_licence": True}, False, "System › Network"),
        ({"name": "absent", "accept_licence": True}, True, "knows no model “absent”"),
    ],
)
def test_what_may_not_be_is_not_asked_of_the_engine(listed, monkeypatch, arguments, online, words):
    monkeypatch.setattr(listed.setup, "online", lambda: online)
    with pytest.raises(RuntimeError, match=words):
        bpy.ops.selfrect.model_download(**arguments)
    assert not listed.models.entry("big")["installed"]


def test_progress_and_cancel(listed):
    job = listed.models.download("big", True)
    pump(listed, lambda: job.step > 1_000_000)
    _, operators, (bar,) = drawn(listed)
    assert "of 4.3 GB · 500 MB/s" in bar
    with pytest.raises(listed.problems.Problem, match="already"):
        listed.models.download("big", True)
    assert [button.name for button in operators["selfrect.model_cancel"]] == ["big"]
    bpy.ops.selfrect.model_cancel(name="big")
    pump(listed, lambda: listed.models.job("big") is None)
    assert not listed.models.entry("big")["installed"]


def test_a_failure_stands_beneath_its_model(listed):
    with pytest.raises(RuntimeError, match=r"401.*Try a mirror"):
        bpy.ops.selfrect.model_remove(name="old")
    assert "The hub answered 401. Try a mirror." in drawn(listed)[0]


def test_removing_is_asked_twice_of_an_artist(listed):
    bpy.context.window_manager.selfrect_setup.confirming = "old"
    text, operators, _ = drawn(listed)
    assert "Delete the files of “old”?" in text
    assert any(getattr(button, "sure", False) for button in operators["selfrect.model_remove"])


def test_verifying_tells_what_it_found(listed):
    bpy.ops.selfrect.model_verify(name="old")
    assert "1 files are not: unet/x.safetensors is wrong content" in listed.models.outcome("old")
    assert "wrong content" in drawn(listed)[0]


def test_imports_by_path(listed, tmp_path):
    bpy.ops.selfrect.model_import(filepath=str(tmp_path / "mine.safetensors"), model="mine", link=True)
    assert listed.models.entry("mine")["path"] == f"{tmp_path / 'mine.safetensors'} True"


def test_the_models_folder_of_the_preferences_reaches_the_engine(parts):
    parts.preferences.models_folder = "/net/share/models"
    bpy.ops.selfrect.models_refresh()
    assert parts.models.place()["folder"] == "/net/share/models"
