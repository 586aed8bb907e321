# SPDX-License-Identifier: GPL-3.0-or-later
"""A scheduler's configuration file → the cumulative alphas it means, in float64."""

from __future__ import annotations

from typing import Any

import torch

from ..problems import Problem


def alphas_cumprod(config: dict[str, Any]) -> torch.Tensor:
    """a(t) for t = 0 … num_train_timesteps − 1, from a scheduler_config.json of diffusers. Raises Problem bad_model."""
    if config.get("trained_betas") is not None:
        betas = torch.tensor(config["trained_betas"], dtype=torch.float64)
    else:
        betas = _betas(
            config.get("beta_schedule", "linear"),
            config.get("beta_start", 0.0001),
            config.get("beta_end", 0.02),
            config.get("num_train_timesteps", 1000),
        )
    return torch.cumprod(1 - betas, 0)


def _betas(schedule: str, start: float, end: float, steps: int) -> torch.Tensor:
    if schedule == "linear":
        return torch.linspace(start, end, steps, dtype=torch.float64)
    if schedule == "scaled_linear":
        return torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2
    raise Problem(
        "bad_model", f"The model's noise schedule “{schedule}” is not known.", "Use a model with a linear or scaled_linear schedule."
    )
