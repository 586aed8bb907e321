# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line when something fails: exit code, one line, nothing left behind, and Ctrl-C at any moment."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal

import pytest
from commands import one_line, rectify
from selfrect import image_files
from selfrect.cli import main
from selfrect.image import read_image
from selfrect.problems import EXIT_CODES, Problem


class OutOfMemoryError(RuntimeError):
    """Named as torch's own."""


FAILURES = [
    *((Problem(code, "It did not work.", "Do another thing."), code) for code in EXIT_CODES),
    (MemoryError(), "out_of_memory"),
    (OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"), "out_of_memory"),
    (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
    (KeyboardInterrupt(), "cancelled"),
    (ZeroDivisionError("a mistake\nof two lines"), "internal"),
]


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(("failure", "code"), FAILURES, ids=lambda value: value if isinstance(value, str) else "")
def test_each_failure_has_its_code_and_one_line(place, engine, capsys, failure, code, as_json):
    def fail(report):
        raise failure

    engine.act = fail
    (place / "out.png").write_bytes(b"an older result")
    assert rectify(*(["--json"] if as_json else [])) == EXIT_CODES[code]
    out, err = capsys.readouterr()
    line = one_line(err)
    assert line.startswith("selfrect: ")
    assert "Traceback" not in err
    if as_json:
        error = json.loads(out)["error"]
        assert error["code"] == code
        assert error["sentence"].split("\n")[0].rstrip(".") in line
        assert error["remedy"]
    else:
        assert out == ""
    assert (place / "out.png").read_bytes() == b"an older result"
    assert sorted(os.listdir(place)) == ["out.png", "r.png", "r2.png", "t.png"]


def test_the_exit_codes_are_the_published_ones():
    published = {"bad_input": 2, "model_missing": 3, "out_of_memory": 4, "cancelled": 5, "internal": 1}
    assert {code: EXIT_CODES[code] for code in published} == published


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["draw"], "'draw'"),
        (["rectify", "--target", "t.png", "--output", "o.png"], "--reference"),
        (["rectify", "--reference", "r.png", "--target", "t.png", "--output", "o.png", "--steps", "9999"], "from 2 to 250"),
        (["rectify", "--reference", "r.png", "--target", "t.png", "--output", "o.png", "--steps", "2.5"], "whole number"),
        (["rectify", "--reference", "r.png", "--target", "t.png", "--output", "o.png", "--background-eta", "nan"], "from 0 to 1"),
        (["rectify", "--reference", "r.png", "--target", "t.png", "--output", "o.png", "--injection", "none"], "'none'"),
        (["rectify", "--reference", "r.png", "--target", "t.png", "--output", "o.png", "--step", "3"], "--step"),
        (["engines", "--bogus"], "--bogus"),
    ],
)
def test_usage_errors_are_one_line_too(place, engine, capsys, arguments, words):
    assert main(arguments) == 2
    line = one_line(capsys.readouterr().err)
    assert words in line
    assert "--help" in line
    assert not engine.calls


def test_usage_errors_as_data(capsys):
    assert main(["rectify", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "bad_input"
    assert "--reference" in error["sentence"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--reference", "none.png"], "none.png"),
        (["--target", "none.png"], "none.png"),
        (["--target", "text.png"], "text.png"),
        (["--target", "."], "folder"),
        (["--output", "o.jpg"], ".jpg"),
        (["--output", "none/o.png"], "none"),
        (["--output", "r.png/o.png"], "r.png"),
        (["--output", "o.png", "--bits", "32"], "32 bits"),
        (["--output", "t.png"], "same file"),
        (["--output", "link.png"], "same file"),
        (["--mask", "none.png"], "none.png"),
        (["--map", "ao"], "NAME=PICTURE"),
        (["--map", "ao=none.png"], "none.png"),
        (["--map", "../ao=r.png"], "“../ao”"),
        (["--map", "ao=r.png", "--map", "ao=r2.png"], "given twice"),
        (["--reference", "r2.png", "--map", "ao=r.png"], "1 pictures for 2 references"),
        (["--map", "ao=r.png", "--target", "out_ao.png"], "“out_ao.png” is the same file"),
        (["--region", "2=r.png"], "reference “2”, and there are 1"),
        (["--region", "1=r.png", "--region", "1=r2.png"], "each once"),
        (["--weight", "much"], "“much”"),
        (["--size", "16x16"], "“16x16”"),
        (["--size", "9000x9000"], "“9000x9000”"),
        (["--size", "64"], "WIDTHxHEIGHT"),
        (["--tile", "z"], "x, y or xy"),
        (["--angles", "1,two"], "“two”"),
    ],
)
def test_what_can_be_known_before_is_told_before(place, engine, capsys, flags, words):
    (place / "text.png").write_text("no picture")
    (place / "link.png").symlink_to("r.png")
    (place / "out_ao.png").symlink_to("t.png")
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    assert rectify(*flags) == 2
    assert words in one_line(capsys.readouterr().err)
    assert not engine.calls
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


def test_force_replaces_an_input(place, engine):
    assert rectify("--force", output="t.png") == 0
    assert read_image("t.png").shape == (48, 40, 3)


@pytest.mark.parametrize(("model", "code"), [("no-such-model", 3), ("sdxl-base", 3), ("weights.ckpt", 2)])
def test_a_missing_model_is_told_at_once(place, engine, capsys, monkeypatch, model, code):
    monkeypatch.setenv("SELFRECT_MODELS", str(place / "models"))
    (place / "weights.ckpt").write_bytes(b"\x80\x04")
    assert rectify("--model", model) == code
    assert model in one_line(capsys.readouterr().err)
    assert not engine.calls


def test_a_disk_that_fills_up_while_writing(place, engine, capsys, monkeypatch):
    def full(part, path, pixels, file_format, space):
        part.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(image_files, "_write", full)
    before = sorted(os.listdir(place))
    assert rectify() == 1
    assert "No space left" in one_line(capsys.readouterr().err)
    assert sorted(os.listdir(place)) == before


# --- Ctrl-C at any moment --------------------------------------------------------------------------------------------


went_on: list[str] = []


def _press(report):
    os.kill(os.getpid(), signal.SIGINT)
    report("encode", 1, 1)


def _press_while_a_library_swallows_it(report):
    with contextlib.suppress(BaseException):
        os.kill(os.getpid(), signal.SIGINT)
    report("encode", 1, 1)
    went_on.append("encode")


def _press_while_a_library_turns_it_into_another(report):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("could not import") from None


def _terminate(report):
    os.kill(os.getpid(), signal.SIGTERM)
    report("encode", 1, 1)


@pytest.mark.skipif(os.name == "nt", reason="signals of this kind are POSIX")
@pytest.mark.parametrize("act", [_press, _press_while_a_library_swallows_it, _press_while_a_library_turns_it_into_another, _terminate])
def test_cancelled_while_working(place, engine, capsys, act):
    engine.act = act
    before, handler = sorted(os.listdir(place)), signal.getsignal(signal.SIGINT)
    assert rectify("--json") == 5
    out, err = capsys.readouterr()
    assert "cancelled" in one_line(err)
    assert sorted(os.listdir(place)) == before
    assert json.loads(out)["error"]["code"] == "cancelled"
    assert not went_on  # the step after it was the last
    assert signal.getsignal(signal.SIGINT) == handler


@pytest.mark.skipif(os.name == "nt", reason="signals of this kind are POSIX")
def test_cancelled_while_writing(place, engine, capsys, monkeypatch):
    def slow(part, path, pixels, file_format, space):
        part.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(image_files, "_write", slow)
    before = sorted(os.listdir(place))
    assert rectify() == 5
    assert "cancelled" in one_line(capsys.readouterr().err)
    assert sorted(os.listdir(place)) == before
