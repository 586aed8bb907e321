# SPDX-License-Identifier: GPL-3.0-or-later
"""What starts quickly starts quickly because it leaves out what is slow to import; each process here says what it imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "diffusers", "transformers", "scipy", "PIL", "OpenImageIO", "safetensors", "huggingface_hub")


def imported(program: str) -> set[str]:
    """The modules, by their first name, that are there after the program."""
    tail = "\nimport sys; print('|'.join({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program + tail], capture_output=True, text=True, timeout=120, check=True)
    return set(done.stdout.splitlines()[-1].split("|"))


def heavy(program: str) -> list[str]:
    there = imported(program)
    return [name for name in HEAVY if name in there]


@pytest.mark.parametrize(
    "program",
    [
        "import selfrect",
        "from selfrect.cli import main; main(['--help'])",
        "from selfrect.cli import main; main(['rectify', '--help'])",
        "from selfrect.cli import main; main(['models'])",
        "from selfrect.serve import _describe; _describe()",
        "import selfrect.memory, selfrect.calibration, selfrect.system_memory",
    ],
)
def test_nothing_heavy(program):
    assert heavy(program) == []


def test_help_needs_no_numpy():
    assert "numpy" not in imported("from selfrect.cli import main; main(['--help'])")


def test_a_model_needs_no_text_encoder():
    """`mini` has no text. (diffusers itself imports a little of transformers.)"""
    program = "import selfrect, sys; selfrect.load_model('mini', device='cpu', dtype='float32')"
    program += "; assert 'torch' in sys.modules and 'transformers.models.clip' not in sys.modules"
    assert "diffusers" in imported(program)
