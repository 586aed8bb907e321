# SPDX-License-Identifier: GPL-3.0-or-later
"""`selfrect check`: passes here, and fails where numbers are wrong, missing, or a library does not load."""
from __future__ import annotations

import json
import sys

import pytest
import torch
from selfrect import check
from selfrect.cli import main
from selfrect.problems import Problem


def test_it_passes_on_the_processor_and_tells_the_versions(capsys):
    assert main(["check", "--device", "cpu", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["device"] == "cpu"
    assert told["torch"] == torch.__version__
    assert told["difference"] <= check.TOLERANCE
    assert told["seconds"] > 0


def test_a_device_that_is_not_there_has_its_sentence(capsys):
    assert main(["check", "--device", "cuda:99", "--json"]) == 2
    assert "There is no device" in json.loads(capsys.readouterr().out)["error"]["sentence"]


@pytest.mark.parametrize("wrong", [lambda x: x * 1.1, lambda x: x * float("nan"), lambda x: x * 0])
def test_a_device_that_computes_wrong_numbers_is_found_out(wrong, monkeypatch):
    right, calls = torch.nn.functional.conv2d, []

    def second_call_is_wrong(*given, **named):
        calls.append(1)
        return wrong(right(*given, **named)) if len(calls) > 1 else right(*given, **named)

    monkeypatch.setattr(torch.nn.functional, "conv2d", second_call_is_wrong)
    with pytest.raises(Problem, match="computes wrong numbers") as caught:
        check.compare(torch.device("cpu"))
    assert caught.value.code == "check_failed"


def test_a_library_that_does_not_load_is_told_in_its_own_words(monkeypatch):
    class Broken:
        def find_spec(self, name, *_):
            if name == "diffusers":
                raise OSError("[WinError 126] The specified module could not be found")

    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "diffusers", raising=False)
    with pytest.raises(Problem, match="WinError 126") as caught:
        check.check("cpu")
    assert caught.value.code == "engine_start"
