# SPDX-License-Identifier: GPL-3.0-or-later
"""Several references with weights and regions, and results of another size: from the panel, from scripts, back from the history."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import MagicMock

import bpy
import numpy as np
import pytest


@pytest.fixture
def half(new_image):
    """An image of the target's size, white on the left."""
    white = np.zeros((36, 40, 1), np.float32)
    white[:, :20] = 1
    return new_image(40, 36, name="half", space="Non-Color", color=white)[0]


def test_one_reference_alone_sends_neither_weights_nor_regions(sent, pictures):
    bpy.ops.selfrect.rectify()
    assert (len(sent[0].references), sent[0].weights, sent[0].regions, sent[0].mask) == (1, None, None, None)


def test_the_panels_list_is_sent_in_its_order(sent, pictures, new_image, half):
    moss = new_image(64, 32, name="moss", seed=7)[0]
    bpy.ops.selfrect.reference_add(image="moss")
    assert bpy.ops.selfrect.reference_add() == {"FINISHED"}  # nothing is shown: an entry to be filled, which does not count yet
    pictures.references[0].weight, pictures.references[0].region = 2.5, half
    bpy.ops.selfrect.rectify()
    request = sent[0]
    assert [picture.shape[:2] for picture in request.references] == [(32, 48), (32, 64)]
    assert request.weights == [1.0, 2.5]
    assert request.regions[0] is None
    assert request.regions[1].shape == (36, 40)
    assert (request.regions[1][:, :20].min(), request.regions[1][:, 20:].max()) == (1, 0)
    assert pictures.result.name == "bark rectified"
    bpy.ops.selfrect.reference_remove()
    bpy.ops.selfrect.reference_remove()
    with pytest.raises(RuntimeError, match="no such reference"):
        bpy.ops.selfrect.reference_remove()
    assert moss.name in bpy.data.images


def test_scripts_name_them(sent, pictures, new_image, half):
    new_image(64, 32, name="moss")
    new_image(32, 32, name="soil")
    arguments = {"more_references": '["moss", ["soil", 3, "half"]]', "weight": 0.5, "region": "half"}
    bpy.ops.selfrect.rectify(**arguments)
    assert sent[0].weights == [0.5, 1.0, 3.0]
    assert [region is None for region in sent[0].regions] == [False, True, False]
    for words, message in (("moss", "cannot be read"), ('["absent"]', "no image “absent”"), ('[["moss", "much"]]', "cannot be read")):
        with pytest.raises(RuntimeError, match=message):
            bpy.ops.selfrect.rectify(more_references=words)


def test_regions_that_leave_a_part_bare_are_refused(sent, pictures, half):
    pictures.reference_region = half
    with pytest.raises(RuntimeError, match="no reference's region"):
        bpy.ops.selfrect.rectify()


def test_a_region_is_made_for_the_reference_it_is_asked_for(pictures, new_image):
    new_image(64, 32, name="moss")
    bpy.ops.selfrect.reference_add(image="moss")
    bpy.ops.selfrect.new_mask(source="PAINT", invert=True, region_of=1)
    assert pictures.references[0].region.name == "rough region"
    assert pictures.mask is None
    bpy.ops.selfrect.new_mask(source="PAINT", region_of=0)
    assert pictures.reference_region.name == "rough region.001"
    with pytest.raises(RuntimeError, match="no reference number 2"):
        bpy.ops.selfrect.new_mask(source="PAINT", region_of=2)


def test_recall_brings_back_the_list_the_mask_and_the_size(sent, pictures, new_image, half):
    new_image(64, 32, name="moss")
    bpy.ops.selfrect.reference_add(image="moss")
    pictures.references[0].weight, pictures.references[0].region = 2.5, half
    pictures.mask, pictures.result_width = half, 80
    bpy.ops.selfrect.rectify()
    pictures.references.clear()
    pictures.mask, pictures.result_width = None, 0
    bpy.ops.selfrect.recall_result(image=pictures.result.name)
    item = pictures.references[0]
    assert (item.image.name, item.weight, item.region, pictures.mask, pictures.result_width) == ("moss", 2.5, half, half, 80)
    bpy.data.images.remove(half)
    bpy.ops.selfrect.recall_result(image=pictures.result.name)
    assert (pictures.references[0].region, pictures.mask) == (None, None)


@pytest.mark.parametrize(("width", "height", "expected"), [(80, 0, (80, 72)), (0, 72, (80, 72)), (64, 100, (64, 100)), (0, 0, (40, 36))])
def test_a_result_of_another_size(sent, pictures, half, width, height, expected):
    pictures.mask = half
    bpy.ops.selfrect.rectify(width=width, height=height)
    assert tuple(pictures.result.size) == expected
    assert sent[0].target.shape[1::-1] == sent[0].mask.shape[::-1] == expected


def test_a_target_that_is_stretched_keeps_its_picture(extension, sent, pictures):
    across = np.linspace(0, 1, 40, dtype=np.float32)
    flat = np.ones((36, 40, 4), np.float32)
    flat[..., :3] = across[:, None]
    flat[:, :10, 3] = 0
    pictures.target.pixels.foreach_set(flat.ravel())
    bpy.ops.selfrect.rectify(width=400)
    target = sent[0].target
    np.testing.assert_allclose(target[100, 120:, 0], np.clip((np.arange(120, 400) + 0.5) / 10 - 0.5, 0, 39) / 39, atol=0.01)
    assert not target[:, :90, 3].any()
    assert target[:, 110:, 3].all()
    assert target[100, 60, 0] > 0.1  # colours beneath what is transparent count


def test_the_panels_draw_what_is_there(extension, pictures, new_image, half):
    layout = MagicMock()
    layout.panel.return_value = MagicMock(), layout
    for name in ("references", "region"):
        getattr(bpy.types, f"SELFRECT_PT_{name}_image").draw(SimpleNamespace(layout=layout), bpy.context)
    new_image(64, 32, name="moss")
    bpy.ops.selfrect.reference_add(image="moss")
    pictures.references[0].region = pictures.mask = half
    before = len(layout.mock_calls)
    for name in ("references", "region"):
        getattr(bpy.types, f"SELFRECT_PT_{name}_image").draw(SimpleNamespace(layout=layout), bpy.context)
    assert len(layout.mock_calls) > before
    copies = {"turns", "angles", "flips", "scales", "augment"}
    assert copies <= {call.args[1] for call in layout.prop.call_args_list if len(call.args) > 1} | {"turns"}
    assert "Region of “moss”" in str(layout.mock_calls)
    bpy.types.SELFRECT_UL_references.draw_item(None, bpy.context, layout, None, pictures.references[0], 0, None, "")
