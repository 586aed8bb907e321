# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel says in each state, drawn on a layout that only listens. How it looks is tests/gui's business."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import bpy
import pytest
from test_rectify import tick_until

ROOT = Path(__file__).resolve().parents[2]


def drawn(panel, advanced_open=False):
    """(all texts, the operators on buttons, the layout) of a panel drawn once."""
    layout = MagicMock()
    for method in ("row", "column", "box", "grid_flow"):
        getattr(layout, method).return_value = layout
    layout.panel.return_value = (layout, layout if advanced_open else None)
    panel.draw(SimpleNamespace(layout=layout), bpy.context)
    texts = [str(call.kwargs.get("text", "")) for call in layout.label.call_args_list + layout.progress.call_args_list]
    return " ".join(texts), [call.args[0] for call in layout.operator.call_args_list], layout


@pytest.fixture(params=["SELFRECT_PT_image", "SELFRECT_PT_shader"])
def panel(request, extension):
    return getattr(extension.panels, request.param)


def test_says_why_rectify_is_not_available(extension, engine, panel, new_image, tmp_path):
    engine("good")
    assert "No reference is chosen" in drawn(panel)[0]
    choices = bpy.context.scene.selfrect
    choices.reference = new_image(64, 64)[0]
    assert "No target is chosen" in drawn(panel)[0]
    choices.target = choices.reference
    text, operators, _ = drawn(panel)
    assert "chosen" not in text
    assert "selfrect.rectify" in operators
    bpy.context.preferences.addons[extension.extension.ROOT_PACKAGE].preferences.engine_location = str(tmp_path / "nowhere")
    assert "There is no engine at" in drawn(panel)[0]


def test_shows_progress_and_cancel_then_the_result(extension, engine, panel, pictures):
    engine("good")
    work = extension.main_thread.start(extension.rectify.order(bpy.context.scene, pictures.reference, pictures.target))
    text, operators, _ = drawn(panel)
    assert "Starting the engine" in text
    assert "selfrect.cancel" in operators
    assert "selfrect.rectify" in operators  # the next one waits for its turn
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


_SIZE = ("result_width", "result_height")
_ELSEWHERE = {"true_pixels", "estimate", "turns", "angles", "flips", "scales", "augment"}  # in the panels of maps and references


@pytest.fixture
def settings_panel(extension):
    return bpy.types.SELFRECT_PT_settings_image


def properties(panel, **options):
    return [call.args[1] for call in drawn(panel, **options)[2].prop.call_args_list]


def test_settings_are_those_that_the_engine_declares(extension, settings_panel):
    declared = [setting["name"] for setting in extension.engine_settings.shipped()]
    assert {"steps", "p1", "injection"} <= set(declared)
    shown = properties(settings_panel, advanced_open=True)
    own = ["structure", "detail", "quality", *_SIZE, "seed", "model", "device", "dtype"]
    assert sorted(shown) == sorted([*own, *(set(declared) - _ELSEWHERE)])
    assert shown[:3] == ["structure", "detail", "quality"]
    assert not {"steps", "p1", "s1", "p2", "s2", "injection", "device"} & set(properties(settings_panel))


def test_an_engine_without_these_steps_gets_no_sliders(extension, settings_panel, monkeypatch):
    one = {"name": "iterations", "kind": "int", "default": 1, "minimum": 1, "maximum": 9, "choices": []}
    one |= {"title": "Iterations", "description": "How often"}
    shipped = extension.engine_settings.shipped()
    try:
        extension.engine_settings._adopt({"engines": [{"name": "self-rectification", "settings": [one]}]})
        assert properties(settings_panel, advanced_open=True) == [*_SIZE, "seed", "model", "iterations", "device", "dtype"]
    finally:
        extension.engine_settings._adopt({"engines": [{"name": "self-rectification", "settings": shipped}]})


def slider_texts(panel):
    calls = drawn(panel)[2].prop.call_args_list
    return [call.kwargs.get("text") for call in calls if call.args[1] in ("structure", "detail")]


def test_sliders_set_the_steps_and_say_when_they_were_set_by_hand(extension, settings_panel):
    choices, settings = bpy.context.scene.selfrect, bpy.context.scene.selfrect_settings
    assert (settings.p1, settings.s1, settings.p2, settings.s2, choices.quality) == (20, 20, 5, 5, "STANDARD")
    choices.structure = 1
    assert (settings.p1, settings.s1, settings.p2, settings.s2) == (40, 20, 20, 5)
    assert slider_texts(settings_panel) == [None, None]
    settings.p1 = 3
    assert slider_texts(settings_panel) == ["Structure (custom)", None]
    settings.steps = 100  # what was set by hand stays, what a slider set follows
    assert (settings.p1, settings.s1, settings.p2, settings.s2) == (3, 40, 20, 10)
    choices.structure = 0.5
    assert (settings.p1, settings.p2) == (40, 10)
    assert slider_texts(settings_panel) == [None, None]


def test_recalled_settings_bring_their_sliders_along(extension):
    scene = bpy.context.scene
    extension.engine_settings.write(scene, {"p1": 30, "p2": 12, "s1": 7})
    extension.engine_settings.settle(scene)
    assert scene.selfrect.structure == pytest.approx(0.75, abs=0.02)
    assert (scene.selfrect_settings.p1, scene.selfrect_settings.p2, scene.selfrect_settings.s1) == (30, 12, 7)
    assert scene.selfrect.detail == 0.5  # no position gives 7 and 5: it shows as custom


def test_quality_sets_steps_rounds_and_injection_and_is_read_off_them(extension):
    choices, settings = bpy.context.scene.selfrect, bpy.context.scene.selfrect_settings
    choices.quality = "DRAFT"
    assert (settings.steps, settings.rounds, settings.injection, settings.p1) == (20, 1, "recorded", 8)
    settings.rounds = 2
    assert choices.quality == "CUSTOM"
    choices.quality = "STANDARD"
    assert (settings.steps, settings.p1, settings.s1, settings.p2, settings.s2) == (50, 20, 20, 5, 5)


def all_panels():
    """Every panel of the tab, in one editor."""
    return [getattr(bpy.types, name) for name in dir(bpy.types) if name.startswith("SELFRECT_PT_") and name.endswith("_image")]


def test_drawing_reads_no_pixels_and_loads_no_file(extension, engine, pictures, tmp_path):
    """An image whose file was never read stays so; one with pixels is not asked for them."""
    pictures.reference.filepath_raw, pictures.reference.file_format = str(tmp_path / "bark.png"), "PNG"
    pictures.reference.save()
    pictures.reference = unread = bpy.data.images.load(str(tmp_path / "bark.png"))
    assert not unread.has_data
    engine("good")
    for panel in all_panels():
        drawn(panel, advanced_open=True)
    assert not unread.has_data
    assert "no engine" not in drawn(bpy.types.SELFRECT_PT_image)[0]


def test_no_code_that_draws_names_pixels(extension):
    """`pixels` copies whole images; nothing that runs while drawing may say it."""
    for path in (ROOT / "selfrect_blender/ui").glob("*panel*.py"):
        assert ".pixels" not in path.read_text("utf-8"), path.name


def test_the_plan_is_asked_for_when_choices_stand_still_and_never_by_drawing(extension, engine, pictures, monkeypatch):
    engine("good")
    queue, asked = extension.main_thread.queue(), []
    ask = queue.ask
    monkeypatch.setattr(queue, "ask", lambda method, params: asked.append((method, params)) or ask(method, params))
    drawn(bpy.types.SELFRECT_PT_image)
    extension.main_thread._tick()
    assert (asked, queue.state) == ([], "off")  # no engine is started for it
    bpy.ops.selfrect.rectify()
    tick_until(extension, lambda: extension.plan.answer(bpy.context.scene))
    ((method, params),) = asked
    assert method == "plan"
    assert params["sizes"] == {"references": [[48, 32]], "target": [40, 36]}
    assert extension.plan.answer(bpy.context.scene)["params"] == params  # the fake engine says what it was asked
    bpy.context.scene.selfrect.quality = "DRAFT"
    assert extension.plan.answer(bpy.context.scene) is None
    tick_until(extension, lambda: extension.plan.answer(bpy.context.scene))
    assert len(asked) == 2
    extension.plan._job.result = {"calls": 395, "seconds": 130.0, "peak_memory": 1.4e9, "notes": ["In 4 windows."]}
    text, _, _ = drawn(bpy.types.SELFRECT_PT_image)
    assert "≈ 2 min, 1.4 GB" in text
    assert "In 4 windows." in text


def test_the_materials_texture_is_the_reference_where_none_is_chosen(extension, engine, pictures, new_image):
    engine("good")
    texture, pictures.reference = pictures.reference, None
    mesh = bpy.data.objects.new("board", bpy.data.meshes.new("board"))
    bpy.context.scene.collection.objects.link(mesh)
    bpy.context.view_layer.objects.active = mesh
    assert "No reference is chosen" in drawn(bpy.types.SELFRECT_PT_image)[0]
    material = bpy.data.materials.new("Wood")
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    mesh.data.materials.append(material)
    tree = material.node_tree
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = texture
    tree.links.new(node.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Base Color"])
    text, _, _ = drawn(bpy.types.SELFRECT_PT_image)
    assert "From the material: bark.png" in text
    assert "No reference" not in text
    assert bpy.ops.selfrect.rectify() == {"FINISHED"}
    assert pictures.result.name == "bark rectified"
    assert pictures.reference is None
