# SPDX-License-Identifier: GPL-3.0-or-later
"""Every failure has a code, an exit code, a sentence and a remedy, and survives its way over the wire."""
from __future__ import annotations

import copy
import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selfrect.cli_problems import markdown
from selfrect.problems import EXIT_CODES, EXPLANATIONS, Problem, exit_code, from_exception

PUBLISHED = {
    "bad_input": 2, "pickle_refused": 2, "bad_model": 2, "model_missing": 3, "out_of_memory": 4, "cancelled": 5,
    "disk_full": 1, "engine_missing": 1, "engine_start": 1, "engine_died": 1, "engine_silent": 1, "bad_answer": 1,
    "wrong_version": 1, "internal": 1, "consent_missing": 1, "offline": 1, "download_failed": 1, "hash_mismatch": 1,
    "no_permission": 1, "path_too_long": 1, "bad_machine": 1, "install_busy": 1, "install_failed": 1, "check_failed": 1,
    "licence_not_accepted": 2,
}  # fmt: skip


PAGE = Path(__file__).resolve().parents[2] / "server" / "PROBLEMS.md"


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


def test_exit_codes_are_the_published_ones():
    assert PUBLISHED == EXIT_CODES


@given(st.sampled_from(sorted(EXIT_CODES)), st.text(min_size=1), st.text(), st.text())
def test_a_problem_survives_its_dict(code, sentence, remedy, detail):
    problem = Problem(code, sentence, remedy, detail)
    again = Problem.from_dict(problem.as_dict())
    assert again.as_dict() == problem.as_dict()
    assert exit_code(again) == EXIT_CODES[code]


@given(st.dictionaries(st.sampled_from(["code", "sentence", "remedy", "detail", "x"]), st.none() | st.integers() | st.text()))
def test_any_dict_becomes_a_problem_with_words(data):
    problem = Problem.from_dict(data)
    assert problem.sentence
    assert problem.code in EXIT_CODES


def test_its_text_is_the_sentence_and_the_remedy():
    assert str(Problem("bad_input", "No target was given.", "Choose one.", "log")) == "No target was given. Choose one."


def test_an_unknown_code_is_a_mistake_here_and_internal_from_elsewhere():
    with pytest.raises(ValueError, match="unknown problem code 'oops'"):
        Problem("oops", "s", "r")
    assert Problem.from_dict({"code": "oops", "sentence": "s"}).code == "internal"


@pytest.mark.parametrize(
    ("exception", "code"),
    [
        (MemoryError(), "out_of_memory"),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "out_of_memory"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), "out_of_memory"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), "out_of_memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), "out_of_memory"),
        (KeyboardInterrupt(), "cancelled"),
        (OSError(errno.ENOSPC, "No space left on device", "/tmp/out.png"), "disk_full"),
        (ImportError("DLL load failed while importing _C"), "engine_start"),
        (ModuleNotFoundError("No module named 'torch'"), "engine_start"),
        (OSError(errno.EFBIG, "File too large", "/tmp/model.safetensors"), "disk_full"),
        (OSError(errno.EACCES, "Permission denied"), "internal"),
        (ValueError("out of memory of better days"), "internal"),
        (KeyError("x"), "internal"),
    ],
)  # fmt: skip
def test_exceptions_are_recognised(exception, code):
    with pytest.raises(type(exception)) as caught:
        raise exception
    problem = from_exception(caught.value)
    assert problem.code == code
    assert problem.sentence
    assert problem.remedy
    assert type(exception).__name__ in problem.detail


def test_a_full_disk_names_the_file():
    assert "/tmp/out.png" in from_exception(OSError(errno.ENOSPC, "No space", "/tmp/out.png")).sentence


def test_a_problem_stays_itself():
    problem = Problem("bad_model", "s", "r")
    assert from_exception(problem) is problem


def test_a_problem_can_be_copied():
    again = copy.copy(Problem("bad_model", "s", "r", "d"))
    assert again.as_dict() == Problem("bad_model", "s", "r", "d").as_dict()


def test_every_code_is_explained_with_a_remedy():
    assert set(EXPLANATIONS) == set(EXIT_CODES)
    for meaning, remedy in EXPLANATIONS.values():
        assert meaning.endswith(".")
        assert remedy.endswith(".")
        assert "\n" not in meaning + remedy


def test_the_page_of_all_problems_is_the_commands_output():
    """If not: `selfrect problems --markdown > server/PROBLEMS.md`."""
    assert PAGE.read_text("utf-8") == markdown()
    for code in EXIT_CODES:
        assert f"| `{code}` | {EXIT_CODES[code]} |" in markdown()
