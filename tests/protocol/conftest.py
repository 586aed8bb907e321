# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties are tried without a stopwatch (test machines are busy) and without leaving a database behind."""
from __future__ import annotations

from hypothesis import settings

settings.register_profile("house", deadline=None, database=None)
settings.load_profile("house")
