# SPDX-License-Identifier: GPL-3.0-or-later
"""Adapting the network to its reference: what it learns, what is kept, and that the model itself stays as it is."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import selfrect  # noqa: E402
from selfrect.engine import Request, silent  # noqa: E402
from selfrect.engines.self_rectification import adaptation  # noqa: E402
from selfrect.engines.self_rectification.dry_plan import plan_for, plan_of  # noqa: E402
from selfrect.engines.self_rectification.settings import Settings  # noqa: E402
from selfrect.models.facts import facts_of  # noqa: E402
from selfrect.progress import Progress  # noqa: E402
from tiny_models import make_pipeline  # noqa: E402

QUICK = {"patches": "off", "colour_match": 0.0, "steps": 4, "p1": 2, "s1": 1, "rounds": 1}


@pytest.fixture(scope="module")
def mini():
    return selfrect.load_model("mini", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def stable(tmp_path_factory):
    return selfrect.load_model(make_pipeline(tmp_path_factory.mktemp("sd"), "sd1"), device="cpu", dtype="float32")


def stripes(side: int = 64) -> np.ndarray:
    """Bright red and dark stripes that no set of general textures is made of."""
    wave = np.sin(np.arange(side) * 0.9)[:, None] * np.sin(np.arange(side) * 0.2)[None]
    return np.stack([wave * 0.5 + 0.5, wave * 0.1 + 0.2, np.full((side, side), 0.1)], 2).astype(np.float32)


def adapt(model, steps: int, report=silent):
    request, settings = Request([stripes()], stripes(32)), Settings.of({"adapt": steps})
    return adaptation.adapted(model, request, settings, Progress(report))


def loss(model) -> float:
    """On the reference, with the same crops and noise each time."""
    settings, chance = Settings(), torch.Generator().manual_seed(5)
    views = adaptation._views(model, Request([stripes()], None), settings)
    unet = adaptation._trainable(model)
    attention = adaptation.paired_attention.install(unet)
    with torch.no_grad():
        return sum(float(adaptation._loss(model, unet, attention, adaptation._pairs(views, 12, chance), chance)) for _ in range(4))


def weights(model) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in model.unet.named_parameters()}


def test_off_is_the_model_itself(mini):
    model, notes = adapt(mini, 0)
    assert model is mini
    assert notes == []


def test_it_learns_its_reference_and_the_model_stays_as_it_is(mini, monkeypatch):
    monkeypatch.setattr(adaptation, "PAIRS", 2)  # quicker
    before, told = weights(mini), []
    changed, notes = adapt(mini, 10, lambda stage, step, steps, preview=None, fraction=0.0: told.append((stage, step, fraction)))
    assert all(torch.equal(weight, before[name]) for name, weight in mini.unet.named_parameters())
    unet, mini_unet = changed.unet, mini.unet
    monkeypatch.setattr(adaptation, "_trainable", lambda model: unet if model is changed else mini_unet)
    assert loss(changed) < 0.9 * loss(mini)
    assert changed.hash.startswith(mini.hash)
    assert changed.hash != mini.hash
    assert "adapted to the reference in" in notes[0]
    assert [step for stage, step, _ in told if stage == adaptation.STAGE] == list(range(1, 11))
    assert told[-1][2] == pytest.approx(0.5)


def test_what_was_learnt_is_kept_and_gives_the_same_picture(mini, monkeypatch):
    first = selfrect.rectify(mini, stripes(), stripes(32), {**QUICK, "adapt": 2})
    monkeypatch.setattr(adaptation, "_learn", lambda *_: pytest.fail("it was learnt already"))
    again = selfrect.rectify(mini, stripes(), stripes(32), {**QUICK, "adapt": 2})
    np.testing.assert_array_equal(first.image, again.image)
    assert any("kept of an earlier run" in note for note in again.record["notes"])
    plain = selfrect.rectify(mini, stripes(), stripes(32), QUICK)
    assert np.abs(plain.image - first.image).max() > 1e-4
    with pytest.raises(pytest.fail.Exception):
        selfrect.rectify(mini, stripes() * 0.5, stripes(32), {**QUICK, "adapt": 2})


def test_a_large_network_learns_in_matrices_of_low_rank(stable, store):
    before = weights(stable)
    changed, _ = adapt(stable, 4)
    differ = {name for name, weight in changed.unet.named_parameters() if not torch.equal(weight, before[name])}
    assert differ
    assert all(".attn1." in name for name in differ)
    assert all(torch.equal(weight, before[name]) for name, weight in stable.unet.named_parameters())
    for name in differ:
        assert torch.linalg.matrix_rank((dict(changed.unet.named_parameters())[name] - before[name]).detach(), tol=1e-5) <= adaptation.RANK
    assert store.memory.size()[1] < sum(weight.numel() for weight in before.values())


def test_it_can_be_cancelled(mini):
    def report(stage, step, steps, preview=None, fraction=0.0):
        if step == 2:
            raise selfrect.Problem("cancelled", "x", "y")

    with pytest.raises(selfrect.Problem, match="x"):
        adapt(mini, 50, report)


def test_a_plan_tells_of_it_unless_it_is_kept(mini):
    request = Request([stripes()], stripes(32), 0, {**QUICK, "adapt": 2})
    facts = facts_of(mini)
    before = plan_of(facts, mini, request)
    assert any("Adapting to the reference" in note for note in before["notes"])
    result = selfrect.rectify(mini, stripes(), stripes(32), request.settings)
    assert result.record["network_calls"] == before["calls"]
    after = plan_of(facts, mini, request)
    assert after["notes"] == []
    assert after["calls"] < before["calls"]
    assert before["seconds"] > after["seconds"]
    general = plan_for(facts, mini, {"references": [[64, 64]], "target": [32, 32]}, request.settings)
    assert any("Adapting" in note for note in general["notes"])
