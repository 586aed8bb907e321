# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the command line share: the usual command, what the engine answers in them, pictures, and reading stderr."""

from __future__ import annotations

import numpy as np
from selfrect.cli import main
from selfrect.engine import Result
from selfrect.image import write_data

RECORD = {"engine": "self-rectification", "size": [40, 48], "network_calls": 10, "seconds": {"total": 1.5}}


class FakeEngine:
    """Takes the place of `registry.synthesize`. `calls` is what it was asked; `act`, when set, runs before the answer, `maps` are in it."""

    def __init__(self):
        self.calls, self.act, self.maps = [], None, {}

    def __call__(self, name, model, device, dtype, request, report):
        self.calls.append((name, model, device, dtype, request))
        report("load model", 1, 1)
        if self.act:
            self.act(report)
        return Result(np.full((48, 40, 3), 0.25, np.float32), dict(RECORD), maps=self.maps)


def rectify(*more, output="out.png"):
    """In the folder that the fixture `place` makes → the exit code."""
    return main(["rectify", "--reference", "r.png", "--target", "t.png", "--output", output, *more])


def one_line(text):
    """The only line of stderr, without the progress of a log."""
    lines = [line for line in text.splitlines() if "%  " not in line]
    assert len(lines) == 1, text
    return lines[0]


def grey(value, name="m.png", height=48, width=40, channels=1, bits=8):
    """The name of a picture file of one value."""
    write_data(name, np.full((height, width, channels), value, np.float32), bits)
    return name
