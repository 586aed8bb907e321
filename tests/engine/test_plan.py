# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: the sums of network calls, first run and again, and what is told before a run. Without PyTorch, but for the last part."""

from __future__ import annotations

import json

import numpy as np
import pytest
import selfrect
from selfrect import calibration, cli, registry
from selfrect.engine import Request
from selfrect.engines.self_rectification.plan import Kept, Plan, Shape
from selfrect.engines.self_rectification.settings import Settings

RECORDED = Settings(injection="recorded")


def planned(settings=None, references=1, **more):
    return Plan(settings or Settings(), [Shape()] * references, **more)


@pytest.mark.parametrize(
    ("settings", "references", "calls"),
    [
        # N · (inversion 44 + keys and values 44) + target's inversion 48 + its keys and values 19 + four ways of 49
        (Settings(), 1, 351),
        (Settings(), 4, 615),
        (RECORDED, 1, 44 + 48 + 4 * 49),
        (RECORDED, 4, 4 * 44 + 48 + 4 * 49),
        (Settings(rounds=1), 1, 29 + 29 + 48 + 19 + 2 * 49),
        (Settings(steps=10, p1=0, s1=10, p2=0, s2=10), 3, 4 * 9),  # nothing is injected
        (Settings(steps=10, p1=10, s1=10, p2=10, s2=10), 1, 8 + 8 + 4 * 9),  # z_5 at t_5 the inversion itself has met
    ],
)
def test_first_run(settings, references, calls):
    assert planned(settings, references).calls == calls


@pytest.mark.parametrize(("references", "latents_kept"), [(1, 307), (4, 439)])
def test_the_same_references_again(references, latents_kept):
    first = planned(references=references)
    latents = [Kept(latents=image.latents) for image in first.references]
    everything = [Kept(image.latents, frozenset().union(*image.wanted)) for image in first.references]
    assert planned(references=references, kept_references=latents).calls == latents_kept
    assert planned(references=references, kept_references=everything).calls == 263


def test_without_room_for_keys_and_values_they_are_computed_at_each_use():
    assert planned(hold=False).calls == 351 + 29 + 4  # round 1's 29 again for round 2, and of the target's the first 4
    assert planned(RECORDED, hold=False).calls == 288 + 44 + 29 + 19 + 4 - 1 - 1  # the last latent of each has no call of its own


def test_the_same_target_again():
    first = planned()
    reference = Kept(first.references[0].latents, frozenset().union(*first.references[0].wanted))
    target = Kept(first.target.latents, first.target.hold)
    again = {"kept_references": [reference], "kept_target": target}
    assert planned(**again, inverted=[0]).calls == 3 * 49  # only S was changed
    assert planned(**again, inverted=[0, 1], sampled=[0]).calls == 49  # only S2
    assert planned(**again, inverted=[0], sampled=[0]).calls == 2 * 49  # only P2, to less
    assert planned(Settings(p1=30), **again).calls == 4 * 49 + 29 + (29 - 4)  # the latents below those kept


def test_an_inversion_is_taken_up_where_it_was_left():
    kept = Kept(latents=frozenset(range(1, 31)))
    plan = planned(kept_references=[kept])
    assert plan.references[0].calls == range(30, 45)
    assert not plan.references[0].needs_encoding


def test_windows_multiply_what_they_must():
    plan = Plan(Settings(), [Shape()], Shape(9, 9))
    assert plan.calls == 88 + 9 * (48 + 19 + 4 + 4 * 49)  # the reference's own are not multiplied


def test_what_is_put_back_has_to_be_inverted_first():
    assert planned(region=True).calls == planned().calls  # as far as the structure wants it anyway
    assert planned(RECORDED, region=True).calls == planned(RECORDED).calls
    loose = Settings(p1=0, p2=0)
    assert planned(loose, region=True).calls == planned(loose).calls + 48
    kept = Kept(latents=planned(loose, region=True).target.latents)
    assert planned(loose, region=True, kept_target=kept).calls == planned(loose).calls
    assert planned(loose, region=True).target.needs_encoding


def test_every_part_is_told():
    plan = planned(references=2)
    parts = [image.inversion_calls for image in plan.images]
    parts += [plan.inversion_calls(r) + plan.sampling_calls(r) for r in (0, 1)]
    assert sum(parts) == plan.calls
    assert plan.sampling_calls(0) == 49 + 2 * 29
    assert plan.sampling_calls(1) == 49 + 2 * 15
    assert plan.inversion_calls(1) == 49


SIZES = {"references": [[512, 512]], "target": [512, 512]}


def dry(sizes=SIZES, **settings):
    return registry.plan("self-rectification", "mini", "cpu", "float32", sizes, {"patches": "off", **settings})


@pytest.fixture(autouse=True)
def nothing_loaded():
    registry.release()
    yield
    registry.release()


def test_a_plan_needs_no_loaded_model():
    plan = dry()
    assert (plan["calls"], plan["calls_if_kept"], plan["windows"]["count"]) == (351, 263, 1)
    assert plan["peak_memory"] is None
    assert not registry._loaded


def test_seconds_are_told_once_a_call_was_measured():
    assert dry()["seconds"] is None
    calibration.note(selfrect.load_model("mini", "cpu", "float32").hash, "cpu", "float32", 128 * 128, 2.0)
    assert dry()["seconds"] == 2 * 351
    calibration.clear()


def test_a_large_target_goes_in_windows():
    plan = dry({"references": [[512, 512]], "target": [4096, 2048]})
    assert plan["windows"] == {"count": 12 * 6, "size": [512, 512]}
    assert "72" in plan["notes"][0]
    assert dry({"references": [[512, 512]], "target": [4096, 2048]}, window=8192)["windows"]["count"] == 1


def test_windows_around_the_edges_are_counted():
    sizes = {"references": [[512, 512]], "target": [2048, 512]}
    assert dry(sizes)["windows"]["count"] == dry(sizes, tile_y=True)["windows"]["count"] == 6
    assert dry(sizes, tile_x=True)["windows"]["count"] == 6
    assert dry({**sizes, "target": [1536, 512]}, tile_x=True)["windows"]["count"] == 4


@pytest.mark.parametrize("sizes", [{}, {"references": [], "target": [64, 64]}, {"references": [[64]], "target": [64, 64]},
                                   {"references": [[64, 64]], "target": [64, -1]}])  # fmt: skip
def test_sizes_that_are_none_are_refused(sizes):
    with pytest.raises(selfrect.Problem, match="sizes"):
        dry(sizes)


def test_with_the_pictures_what_is_kept_of_them_counts():
    picture = np.random.default_rng(0).random((32, 32, 3), dtype=np.float32)
    request = Request([picture], picture[::-1].copy(), 0, {"patches": "off", "steps": 4, "p1": 2, "s1": 1, "p2": 1, "s2": 1})
    told = ("self-rectification", "mini", "cpu", "float32")
    before = registry.plan(*told, {}, {}, request)
    assert (before["calls"], before["calls_first"], before["calls_if_kept"]) == (19, 19, 15)
    assert before["seconds"] > 0
    assert before["peak_memory"] > 2**20
    assert registry.synthesize(*told, request).record["network_calls"] == 19
    after = registry.plan(*told, {}, {}, request)
    assert (after["calls"], after["calls_first"]) == (3, 19)  # round 1 and both inversions are kept
    assert registry.synthesize(*told, request).record["network_calls"] == 3


def test_the_command_tells_it_and_makes_nothing(tmp_path, capsys):
    picture = np.random.default_rng(0).random((32, 32, 3), dtype=np.float32)
    selfrect.write_image(tmp_path / "a.png", picture)
    words = ["rectify", "--reference", str(tmp_path / "a.png"), "--target", str(tmp_path / "a.png"), "--plan", "--device", "cpu"]
    words += ["--model", "mini", "--patches", "off"]
    assert cli.main(words) == 0
    assert capsys.readouterr().out.startswith("351 network calls (263 for another target with the same reference), about ")
    assert cli.main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["calls"] == 351
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
