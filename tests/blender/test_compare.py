# SPDX-License-Identifier: GPL-3.0-or-later
"""What is compared with what, and that it ends well. How it looks is for the ring with a window."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import bpy
import pytest

UI = "bl_ext.user_default.selfrect_blender.selfrect_blender"


@pytest.fixture
def compare(extension):
    return importlib.import_module(f"{UI}.scene.compare")


@pytest.fixture
def view(extension):
    view = importlib.import_module(f"{UI}.ui.compare_view")
    view.end()
    yield view
    view.end()


@pytest.fixture
def made(extension, pictures, new_image):
    """Two results of the target, the first with a reference of its own."""
    history = importlib.import_module(f"{UI}.scene.history")
    own = new_image(name="own reference")[0]
    for name, reference in (("first", own), ("second", pictures.reference)):
        history.add(pictures.target, new_image(name=name)[0], reference, {}, {}, 1)
    pictures.result = bpy.data.images["second"]
    return pictures


@pytest.fixture
def editor():
    """An Image Editor as far as the comparison looks at it; background mode has a screen, but nothing is drawn.

    It stays one: the next test begins with another file, and a test that opened one has left no area to set back.
    """
    area = max(bpy.context.window_manager.windows[0].screen.areas, key=lambda area: area.width * area.height)
    area.ui_type = "IMAGE_EDITOR"
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=area):
        yield area.spaces.active


def names(pair):
    return [image.name for image in pair]


def test_a_result_is_compared_with_its_own_target_and_reference(compare, made, new_image):
    context = SimpleNamespace(scene=bpy.context.scene, space_data=SimpleNamespace(type="IMAGE_EDITOR", image=bpy.data.images["first"]))
    made.target = new_image(name="another target")[0]
    assert names(compare.pair(context, "TARGET")) == ["first", "rough"]
    assert names(compare.pair(context, "REFERENCE")) == ["first", "own reference"]
    context.space_data.image = made.reference  # not a result: the panel's
    assert names(compare.pair(context, "REFERENCE")) == ["second", "bark.png"]
    assert names(compare.pair(context, "TARGET", "bark.png", "first")) == ["bark.png", "first"]


def test_what_is_missing_is_told(compare, extension, pictures):
    context = SimpleNamespace(scene=bpy.context.scene, space_data=None)
    with pytest.raises(extension.problems.Problem, match="no result yet"):
        compare.pair(context, "TARGET")
    pictures.result, pictures.target = pictures.reference, None
    with pytest.raises(extension.problems.Problem, match="No target is chosen"):
        compare.pair(context, "TARGET")


def test_the_same_again_ends_it(view, made, editor):
    compare = bpy.ops.selfrect.compare
    compare(mode="WIPE", against="TARGET")
    assert (view.state().mode, view.state().result, view.state().other) == ("WIPE", "second", "rough")
    assert editor.image == bpy.data.images["second"]
    compare(mode="SIDE", against="TARGET")
    assert view.state().mode == "SIDE"
    compare(mode="SIDE", against="TARGET")
    assert view.state().mode == "OFF"


def test_escape_belongs_to_others_where_nothing_is_compared(view, made, editor):
    assert not bpy.ops.selfrect.compare_end.poll()
    bpy.ops.selfrect.compare(mode="DIFFERENCE")
    assert bpy.ops.selfrect.compare_end.poll()
    bpy.ops.selfrect.compare_end()
    assert view.state().mode == "OFF"


def test_it_is_drawn_over_results_of_the_same_target_only(view, made, editor):
    bpy.ops.selfrect.compare(mode="WIPE", against="TARGET")
    assert names(view.pictures(editor)) == ["second", "rough"]
    editor.image = bpy.data.images["first"]
    assert names(view.pictures(editor)) == ["first", "rough"]
    for other in ("rough", "bark.png"):
        editor.image = bpy.data.images[other]
        assert view.pictures(editor) is None
    editor.image = None
    assert view.pictures(editor) is None


@pytest.mark.parametrize("gone", ["second", "rough"])
def test_images_that_vanish_end_the_drawing_without_a_word(view, made, editor, gone):
    bpy.ops.selfrect.compare(mode="WIPE", against="TARGET")
    bpy.data.images.remove(bpy.data.images[gone])
    assert view.pictures(editor) is None


def test_another_file_compares_nothing(view, made, editor):
    bpy.ops.selfrect.compare(mode="WIPE")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert view.state().mode == "OFF"


def test_repeat_view_is_blenders_own(made, editor):
    editor.image = made.result
    assert not editor.show_repeat
    bpy.ops.selfrect.repeat_view()
    assert editor.show_repeat
    bpy.ops.selfrect.repeat_view()
    assert not editor.show_repeat


def test_the_border_follows_the_mouse_and_goes_back_when_cancelled(view, made, editor, monkeypatch):
    gizmo = importlib.import_module(f"{UI}.ui.compare_gizmo")
    monkeypatch.setattr(gizmo.compare_view, "rect_of", lambda _: gizmo.compare_view.Rect(100, 0, 300, 200))
    view.state().wipe = 0.5
    scale = SimpleNamespace(system=SimpleNamespace(ui_scale=1.0))  # 0 without a window
    border, context = SimpleNamespace(), SimpleNamespace(region=None, preferences=scale)
    kind = gizmo.SELFRECT_GT_wipe
    assert kind.test_select(border, context, (201, 50)) == 0
    assert kind.test_select(border, context, (150, 50)) == -1
    kind.invoke(border, context, None)
    assert kind.modal(border, context, SimpleNamespace(mouse_region_x=250), set()) == {"RUNNING_MODAL"}
    assert view.state().wipe == 0.75
    kind.exit(border, context, True)
    assert view.state().wipe == 0.5


def test_handlers_go_when_the_extension_does(view, installed):
    import addon_utils

    module = installed.__name__
    count = len(bpy.app.handlers.load_post)
    addon_utils.disable(module)
    assert not hasattr(bpy.types.WindowManager, "selfrect_compare")
    assert not hasattr(bpy.types, "SELFRECT_GGT_wipe")
    assert len(bpy.app.handlers.load_post) < count
    addon_utils.enable(module)
    assert len(bpy.app.handlers.load_post) == count
