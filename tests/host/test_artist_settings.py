# SPDX-License-Identifier: GPL-3.0-or-later
"""Structure, Detail and Quality in the engine's numbers: the published ones in the middle, monotone, never out of bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfrect_blender.host import artist_settings as artist

positions = st.floats(0, 1, width=32)
PUBLISHED = {"steps": 50, "p1": 20, "s1": 20, "p2": 5, "s2": 5, "rounds": 2, "injection": "current"}


def both(structure: float, detail: float, steps: int) -> dict[str, int]:
    return artist.steps_of("structure", structure, steps) | artist.steps_of("detail", detail, steps)


def test_the_middle_is_as_published():
    assert both(artist.DEFAULT, artist.DEFAULT, 50) == {"p1": 20, "s1": 20, "p2": 5, "s2": 5}
    assert artist.settings_of({"steps": 7, "p1": 0, "s1": 0, "p2": 0, "s2": 0}, structure=0.5, detail=0.5)["p1"] == 3
    assert artist.settings_of(PUBLISHED | {"p1": 1}, "STANDARD", structure=0.5, detail=0.5) == PUBLISHED


@pytest.mark.parametrize("steps", [2, 20, 50, 100, 250])
def test_the_ends_hold_no_layout_and_no_reference_back(steps):
    assert artist.steps_of("structure", 0, steps) == {"p1": 0, "p2": 0}
    assert artist.steps_of("detail", 1, steps) == {"s1": 0, "s2": 0}


@given(positions, positions, st.integers(2, 250))
def test_more_structure_holds_longer_and_more_detail_waits_less(one, other, steps):
    low, high = sorted((one, other))
    less, more = both(low, low, steps), both(high, high, steps)
    assert all(0 <= value <= steps for value in [*less.values(), *more.values()])
    assert less["p1"] <= more["p1"]
    assert less["p2"] <= more["p2"]
    assert less["s1"] >= more["s1"]
    assert less["s2"] >= more["s2"]


@given(positions, positions, st.integers(2, 250))
def test_what_a_position_gave_is_known_as_that_position(structure, detail, steps):
    settings = both(structure, detail, steps) | {"steps": steps}
    assert artist.is_at(settings, "structure", structure)
    assert artist.is_at(settings, "detail", detail)
    assert not artist.is_at(settings | {"p1": settings["p1"] + 1}, "structure", structure)
    assert artist.is_at(settings | {"p1": settings["p1"] + 1}, "detail", detail)


def test_blenders_float32_does_not_shift_a_step():
    for step in range(101):
        assert both(float(np.float32(step / 100)), 0.5, 50) == both(step / 100, 0.5, 50)


def test_quality_is_read_off_the_settings():
    for quality in artist.QUALITIES:
        assert artist.quality_of(artist.settings_of(PUBLISHED, quality)) == quality
    assert artist.quality_of(PUBLISHED | {"steps": 49}) == artist.CUSTOM


def test_an_engine_with_other_settings_is_left_alone():
    other = {"iterations": 9}
    assert not artist.has_sliders(other)
    assert artist.settings_of(other, "DRAFT", structure=1.0) == other
    assert artist.quality_of({"steps": 50}) == "STANDARD"


def test_a_quality_works_both_sliders_out_anew_a_slider_only_itself():
    present = {"structure": 0.5, "detail": 0.5}
    assert artist.ordered(PUBLISHED | {"s1": 1}, present, {}) == PUBLISHED | {"s1": 1}
    assert artist.ordered(PUBLISHED | {"s1": 1}, present, {"structure": 1.0}) == PUBLISHED | {"s1": 1, "p1": 40, "p2": 20}
    draft = artist.ordered(PUBLISHED | {"s1": 1}, present, {"detail": 1.0}, "DRAFT")
    assert (draft["steps"], draft["p1"], draft["s1"], draft["rounds"]) == (20, 8, 0, 1)


@given(positions, positions, st.integers(2, 250))
def test_a_slider_finds_back_to_where_settings_came_from(structure, present, steps):
    settings = both(round(structure, 2), 0.5, steps) | {"steps": steps}
    place = artist.position_of(settings, "structure", present)
    assert place is not None
    assert artist.steps_of("structure", place, steps) == artist.steps_of("structure", round(structure, 2), steps)
    assert artist.position_of(settings | {"p1": 251}, "structure", present) is None
