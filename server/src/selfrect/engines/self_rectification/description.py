# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine `self-rectification` says of itself. No PyTorch."""

from __future__ import annotations

from ...engine import Description, declared
from .settings import Settings

DESCRIPTION = Description(
    name="self-rectification",
    title="Self-Rectification",
    paper="Zhou, Xiao, Lischinski, Cohen-Or, Huang: Generating Non-Stationary Textures using Self-Rectification, "
    "CVPR 2024, arXiv 2401.02847",
    needs_target=True,
    settings=declared(Settings),
)
