# SPDX-License-Identifier: GPL-3.0-or-later
"""The DDIM steps against the formulas and against diffusers' own scheduler."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler
from selfrect.engines.self_rectification.ddim import Schedule, eps_from_v
from selfrect.models.schedule import alphas_cumprod
from selfrect.problems import Problem

SD = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000}


@pytest.fixture
def schedule():
    return Schedule(alphas_cumprod(SD), 50)


def test_timesteps_have_no_offset(schedule):
    assert [schedule.timestep(i) for i in (0, 1, 49)] == [0, 20, 980]


def test_below_zero_the_level_is_that_of_timestep_zero(schedule):
    assert schedule.a(-20) == schedule.a(0) == pytest.approx(1 - 0.00085)


def test_down_undoes_up_when_the_noise_is_the_same(schedule):
    z, eps = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for i in (0, 1, 25, 49):
        back = schedule.down(schedule.up(z, eps, i), eps, schedule.steps - 1 - i)
        torch.testing.assert_close(back, z, atol=2e-5, rtol=0)


def test_down_is_diffusers_ddim_step(schedule):
    theirs = DDIMScheduler(**SD, clip_sample=False, set_alpha_to_one=False, steps_offset=0)
    theirs.set_timesteps(50)
    z, eps = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    for i in (0, 10, 48, 49):
        expected = theirs.step(eps, schedule.timestep(49 - i), z).prev_sample
        torch.testing.assert_close(schedule.down(z, eps, i), expected, atol=1e-5, rtol=1e-5)


def test_noise_comes_only_where_eta_is(schedule):
    z, eps, noise = torch.randn(3, 1, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    eta = torch.zeros(1, 1, 8, 8)
    eta[..., 4:] = 1
    mixed = schedule.down_with_noise(z, eps, 10, eta, noise)
    plain = schedule.down(z, eps, 10)
    torch.testing.assert_close(mixed[..., :4], plain[..., :4], atol=1e-6, rtol=1e-6)
    assert (mixed[..., 4:] - plain[..., 4:]).abs().mean() > 0.01


def test_a_stochastic_step_is_diffusers_with_eta_one(schedule):
    theirs = DDIMScheduler(**SD, clip_sample=False, set_alpha_to_one=False, steps_offset=0)
    theirs.set_timesteps(50)
    z, eps, noise = torch.randn(3, 1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    expected = theirs.step(eps, schedule.timestep(39), z, eta=1.0, variance_noise=noise).prev_sample
    ours = schedule.down_with_noise(z, eps, 10, torch.ones(1, 1, 8, 8), noise)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_v_is_turned_into_the_noise_it_was_made_of():
    x0, eps = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(4))
    a = 0.3
    v, z = a**0.5 * eps - (1 - a) ** 0.5 * x0, a**0.5 * x0 + (1 - a) ** 0.5 * eps
    torch.testing.assert_close(eps_from_v(v, z, a), eps)


def test_trained_betas_are_taken_as_they_are():
    betas = [0.1, 0.2, 0.3]
    assert alphas_cumprod({"trained_betas": betas}).tolist() == pytest.approx([0.9, 0.72, 0.504])


def test_an_unknown_schedule_is_refused_by_name():
    with pytest.raises(Problem, match="squaredcos"):
        alphas_cumprod({"beta_schedule": "squaredcos_cap_v2"})
