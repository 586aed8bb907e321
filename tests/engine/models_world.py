# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the models' files share: a report that can cancel, refusals, and what lies in a folder."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from selfrect.models import manage, store
from selfrect.problems import Problem
from small_catalogue import FILES, NETWORK

SIZE = len(FILES[NETWORK])


class Report:
    """Keeps what is told; `stop` raises at the step of that number, as a cancel does."""

    def __init__(self, stop=lambda stage, step: False):
        self.told, self.stop = [], stop

    def __call__(self, stage, step, steps, fraction=0.0, speed=None, file=""):
        self.told.append((stage, step, steps, fraction, speed, file))
        if self.stop(stage, step):
            raise Problem("cancelled", "The work was cancelled.", "Start it again.")


def get(report=None, **options):
    """Download the small model."""
    return manage.download("small", report or Report(), **({"accepted": True, "precision": "float32"} | options))


def refused(act, code, words, *arguments, **options) -> Problem:
    """act(*arguments, **options) fails with that code, a sentence with these words, and a remedy."""
    with pytest.raises(Problem) as caught:
        act(*arguments, **options)
    problem = caught.value
    assert (problem.code, words in problem.sentence, bool(problem.remedy)) == (code, True, True), problem
    return problem


def model(name="small"):
    """As it is listed."""
    return next((model for model in store.models() if model["name"] == name), None)


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def contents(folder: Path) -> dict[str, bytes]:
    """The same without what selfrect notes there for itself."""
    return {path: content for path, content in tree(folder).items() if not Path(path).name.startswith("selfrect-model.")}


def checkpoint(content: bytes = b"") -> bytes:
    """A file that looks like a Stable Diffusion checkpoint by its header."""
    header = json.dumps({"model.diffusion_model.input_blocks.0.0.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})
    return struct.pack("<Q", len(header)) + header.encode() + b"\0\0\0\0" + content.ljust(200, b"\0")
