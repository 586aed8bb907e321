# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress on a terminal, in a log, and none at all."""

from __future__ import annotations

import io

import pytest
from selfrect.console import BAR_WIDTH, Console, bar_line, minutes


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_the_bar():
    assert bar_line("invert target", 12, 50, 0.25) == f"[{'#' * 6}{'.' * 18}]  25%  invert target 12/50"
    assert bar_line("decode", 1, 1, 1.0) == f"[{'#' * BAR_WIDTH}] 100%  decode"


@pytest.mark.parametrize(("seconds", "text"), [(-1, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (750, "12:30"), (3900, "1:05:00")])
def test_minutes(seconds, text):
    assert minutes(seconds) == text


def test_a_log_gets_one_line_a_stage():
    stream = io.StringIO()
    console = Console(stream=stream)
    console.progress("load model", 1, 1, 0.0)
    for step in range(1, 51):
        console.progress("invert target", step, 50, step / 50)
    console.end()
    assert stream.getvalue() == "  0%  load model\n  2%  invert target, 50 steps\n"


def test_a_terminal_gets_one_line_redrawn_and_left_at_the_end(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    stream, clock = Terminal(), Clock()
    console = Console(stream=stream, clock=clock)
    for step in range(1, 11):
        clock.now += 1
        console.progress("round 1 sampling", step, 10, step / 10)
    console.progress("decode", 1, 1, 1.0)
    console.end()
    console.end()
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    lines = text.rstrip("\n").split("\r")[1:]
    assert len(lines) == 11
    assert lines[4].rstrip().endswith("5/10  0:05 left")
    assert len(lines[-1]) >= len(lines[-2].rstrip())  # the shorter line wipes out the longer one


def test_time_left_leaves_loading_out():
    stream, clock = Terminal(), Clock()
    console = Console(stream=stream, clock=clock)
    console.progress("load model", 1, 1, 0.0)
    clock.now = 100.0  # a slow disk
    console.progress("invert", 1, 10, 0.1)
    clock.now = 102.0
    console.progress("invert", 2, 10, 0.2)
    assert "0:16 left" in stream.getvalue().split("\r")[-1]


def test_a_narrow_terminal_is_not_wrapped(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    stream = Terminal()
    Console(stream=stream).progress("structure-preserving inversion", 3, 50, 0.5)
    assert len(stream.getvalue().split("\r")[-1]) == 29


def test_a_terminal_is_not_flooded():
    stream, clock = Terminal(), Clock()
    console = Console(stream=stream, clock=clock)
    for step in range(1, 1000):
        clock.now += 0.001
        console.progress("sampling", step, 1000, step / 1000)
    assert 8 <= stream.getvalue().count("\r") <= 12


def test_quiet():
    stream = Terminal()
    console = Console(quiet=True, stream=stream)
    console.progress("sampling", 1, 10, 0.1)
    console.end()
    assert stream.getvalue() == ""
