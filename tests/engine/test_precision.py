# SPDX-License-Identifier: GPL-3.0-or-later
"""Half precision that fails: once more in float32, told in the record, and only once."""

from __future__ import annotations

import pytest
import tiny_models
import torch
from selfrect.engine import Result
from selfrect.models import precision
from selfrect.models.loading import load_model
from selfrect.problems import Problem

PICTURE = torch.rand(1, 3, 16, 16)


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("SELFRECT_CACHE", str(tmp_path / "cache"))
    return load_model(tiny_models.make_pipeline(tmp_path / "model", "sd1"), device="cpu", dtype="bfloat16")


@pytest.mark.parametrize("x", [PICTURE * float("nan"), PICTURE / 0, torch.full((1, 3, 16, 16), 0.3)], ids=["NaN", "infinity", "flat"])
def test_broken_pictures(x):
    with pytest.raises(precision.BrokenPicture):
        precision.check(x, PICTURE)


GREY = torch.zeros(1, 3, 8, 8)


@pytest.mark.parametrize(("x", "like"), [(PICTURE, PICTURE), (GREY, GREY + 1), (GREY, None)])
def test_sound_pictures(x, like):
    precision.check(x, like)


def test_it_is_made_again_in_float32_and_told(model):
    tried = []

    def run(model):
        tried.append(model.dtype)
        precision.check(PICTURE * (float("nan") if model.dtype != torch.float32 else 1))
        return Result(None, {"notes": ["before"]})

    record = precision.with_fallback(model, run).record
    assert tried == [torch.bfloat16, torch.float32]
    assert record["notes"][0] == "before"
    assert "float32" in record["notes"][1]
    assert model.dtype == next(model.unet.parameters()).dtype == torch.float32
    precision.with_fallback(model, run)
    assert tried[2:] == [torch.float32]  # the model stays as it is


def test_float32_that_fails_is_the_models_fault(model):
    def run(model):
        raise precision.BrokenPicture("was one flat colour")

    with pytest.raises(Problem, match="flat colour") as caught:
        precision.with_fallback(model, run)
    assert caught.value.code == "bad_model"


def test_other_failures_pass(model):
    def run(model):
        raise Problem("cancelled", "The work was cancelled.", "Start it again.")

    with pytest.raises(Problem, match="cancelled"):
        precision.with_fallback(model, run)
    assert model.dtype == torch.bfloat16
