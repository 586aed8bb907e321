# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel says in each state, drawn on a layout that only listens. How it looks is tests/gui's business."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import MagicMock

import bpy
import pytest


def drawn(panel, settings_open=False):
    """(all texts, the operators on buttons, the layout) of a panel drawn once."""
    layout = MagicMock()
    for method in ("row", "column", "box"):
        getattr(layout, method).return_value = layout
    layout.panel.return_value = (layout, layout if settings_open else None)
    panel.draw(SimpleNamespace(layout=layout), bpy.context)
    texts = [str(call.kwargs.get("text", "")) for call in layout.label.call_args_list + layout.progress.call_args_list]
    return " ".join(texts), [call.args[0] for call in layout.operator.call_args_list], layout


@pytest.fixture(params=["SELFRECT_PT_image", "SELFRECT_PT_shader"])
def panel(request, extension):
    return getattr(extension.panels, request.param)


def test_says_why_rectify_is_not_available(extension, engine, panel, new_image):
    engine("good")
    assert "No reference is chosen" in drawn(panel)[0]
    choices = bpy.context.scene.selfrect
    choices.reference = new_image(64, 64)[0]
    assert "No target is chosen" in drawn(panel)[0]
    choices.target = choices.reference
    text, operators, _ = drawn(panel)
    assert "chosen" not in text
    assert "selfrect.rectify" in operators
    bpy.context.preferences.addons[extension.extension.ROOT_PACKAGE].preferences.engine_location = "/nowhere"
    assert "no engine at “/nowhere”" in drawn(panel)[0].replace("\n", " ")


def test_shows_progress_and_cancel_then_the_result(extension, engine, panel, pictures):
    engine("good")
    work = extension.main_thread.start(extension.rectify.order(bpy.context.scene, pictures.reference, pictures.target))
    text, operators, _ = drawn(panel)
    assert "Starting the engine" in text
    assert "selfrect.cancel" in operators
    assert "selfrect.rectify" not in operators
    while work.job.step < 2:
        extension.main_thread._tick()
    text, _, layout = drawn(panel)
    assert f"draw {work.job.step}/5" in text
    assert layout.progress.call_args.kwargs["factor"] == work.job.fraction > 0
    while not work.finished:
        extension.main_thread._tick()
    text, operators, _ = drawn(panel)
    assert "Done in" in text
    assert "selfrect.apply_to_material" in operators
    assert "There is no active object" in text  # why it is not available


def test_shows_sentence_remedy_and_details_of_a_problem(extension, engine, panel, pictures):
    engine("dies")
    work = extension.main_thread.start(extension.rectify.order(bpy.context.scene, pictures.reference, pictures.target))
    while not work.finished:
        extension.main_thread._tick()
    text, operators, _ = drawn(panel)
    assert "exit code 7" in text
    assert "Press Rectify" in text
    assert {"selfrect.copy_details", "selfrect.rectify"} <= set(operators)


def test_settings_are_those_that_the_engine_declares(extension, panel):
    def properties(**options):
        return [call.args[1] for call in drawn(panel, **options)[2].prop.call_args_list]

    declared = [setting["name"] for setting in extension.engine_settings.shipped()]
    assert {"steps", "p1", "injection"} <= set(declared)
    assert properties(settings_open=True) == ["model", "seed", "device", "dtype", *declared]
    assert properties() == ["model"]
