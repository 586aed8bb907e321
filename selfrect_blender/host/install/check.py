# SPDX-License-Identifier: GPL-3.0-or-later
"""The smoke test: the new environment's own `selfrect check` on the chosen device. Nothing is "ready" without it."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..engine_source import problems
from .control import Control
from .faults import of_check
from .places import python_of
from .run import run
from .settings import clean_environment

LONGEST = 900.0  # seconds; the first start after unpacking reads everything once, under the eyes of a virus scanner


def check(environment: Path, device: str, backend: str, control: Control) -> dict[str, Any]:
    """What `selfrect check --json` tells. Raises Problem (check_failed and what the check itself reports) or Cancelled."""
    command = [python_of(environment), "-I", "-m", "selfrect", "check", "--device", device, "--json"]
    code, out, err = run(command, clean_environment(), control, lambda: control.part(0.5), LONGEST)
    control.say(out)
    try:
        told = json.loads(out)
    except ValueError:
        told = None
    if code == 0 and isinstance(told, dict) and told.get("device"):
        return told
    if isinstance(told, dict) and isinstance(told.get("error"), dict):
        problem = problems.Problem.from_dict(told["error"])
        if problem.code not in ("internal", "engine_start", "bad_input"):
            raise problem
        err = f"{problem.detail}\n{problem.sentence}\n{err}"
    raise of_check(f"{err}\n{out if told is None else ''}\nexit code {code}".strip(), backend)
