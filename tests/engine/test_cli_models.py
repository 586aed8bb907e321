# SPDX-License-Identifier: GPL-3.0-or-later
"""`selfrect models …` and `selfrect problems` as a person and as a script meet them: words, data, exit codes, the licence."""

from __future__ import annotations

import io
import json
import os
import signal
import sys

import pytest
import small_catalogue as small
from hub_server import Slow, Status
from selfrect.cli import main
from selfrect.cli_models import size
from selfrect.models import manage
from selfrect.problems import EXIT_CODES, from_exception
from small_catalogue import FILES, NETWORK


@pytest.fixture
def run(hub, capsys):
    """run(*words) → (exit code, stdout, stderr); with --json stdout as data."""

    def run(*words):
        code = main(["models", *map(str, words)])
        out, err = capsys.readouterr()
        return code, json.loads(out) if "--json" in words else out, err

    return run


DOWNLOAD = ("download", "small", "--precision", "float32")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_from_nothing_to_a_model_and_back(run, tmp_path):
    code, out, _ = run()
    assert (code, "small  not here (79890 bytes or 41490 bytes)" in out) == (0, True), out
    assert run(*DOWNLOAD, "--accept-licence")[0] == 0
    assert "small  installed" in run("list")[1]
    code, out, _ = run("verify", "small")
    assert (code, "5 files" in out) == (0, True)
    code, out, _ = run("remove", "small")
    assert (code, "free again" in out) == (0, True)
    assert "small  not here" in run("list")[1]


def test_as_data(run, tmp_path):
    assert [model["name"] for model in run("--json")[1]] == ["mini", "small"]
    assert run("list", "--json")[1][1]["licence_url"] == "https://example.org/licence"
    assert run(*DOWNLOAD, "--accept-licence", "--json")[1] == {"path": str(tmp_path / "models" / "small")}
    assert run("verify", "small", "--json")[1]["good"] is True
    assert run("where", "--json")[1]["folder"] == str(tmp_path / "models")
    assert run("remove", "small", "--json")[1]["freed"] > 0


def test_without_the_licence_nothing_is_fetched(run, hub):
    code, out, err = run(*DOWNLOAD, "--json")
    assert (code, out["error"]["code"]) == (2, "licence_not_accepted")
    assert "https://example.org/licence" in err
    assert not hub.requests


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("yes\n", 0), ("\n", 2), ("n\n", 2), ("", 2)])
def test_at_a_terminal_the_licence_is_asked_for(hub, monkeypatch, answer, code):
    asked = Terminal()
    asked.reconfigure = lambda **_: None
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", asked)
    assert main(["models", *DOWNLOAD]) == code
    assert "Test licence 1.0.\nDo what you like.\nhttps://example.org/licence\nDo you accept it? [y/N] " in asked.getvalue()
    assert bool(hub.requests) == (code == 0)


def test_damage_is_told_with_the_file_and_the_remedy(run, tmp_path):
    run(*DOWNLOAD, "--accept-licence")
    (tmp_path / "models" / "small" / NETWORK).write_bytes(b"x")
    code, out, err = run("verify", "small", "--json")
    assert (code, out["error"]["code"]) == (1, "hash_mismatch")
    assert f"{NETWORK} (wrong size)" in err
    assert "selfrect models download small" in err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("download", "nix"), 2),
        (("download", "small", "--precision", "int4"), 2),
        (("verify", "small"), 3),
        (("remove", "small"), 2),
        (("import", "nix"), 2),
        (("dance",), 2),
        (("download",), 2),
    ],
)
def test_failures_are_one_line_and_a_code(run, words, code):
    got, out, err = run(*words)
    assert (got, out) == (code, "")
    assert err.startswith("selfrect: ")
    assert err.count("\n") == 1


def test_a_server_in_trouble(run, hub):
    hub.faults[NETWORK] = lambda: Status(500)
    code, _, err = run(*DOWNLOAD, "--accept-licence", "--quiet")
    assert (code, "trouble of its own (500" in err) == (1, True)


def test_import_under_a_name(run, tmp_path):
    small.put(tmp_path / "disk", FILES)
    code, out, _ = run("import", tmp_path / "disk", "--name", "house", "--quiet")
    assert (code, "--model house" in out) == (0, True)
    assert "house  installed" in run("list")[1]


@pytest.mark.skipif(os.name == "nt", reason="signals of this kind are POSIX")
def test_ctrl_c_keeps_what_came(run, hub, tmp_path, monkeypatch):
    hub.faults[NETWORK] = [Slow(1000, 0.01)]
    whole = manage.download

    def download(name, report, *options):
        def pressing(stage, step, *more, **told):
            if step > 5000:
                os.kill(os.getpid(), signal.SIGINT)
            report(stage, step, *more, **told)

        return whole(name, pressing, *options)

    monkeypatch.setattr(manage, "download", download)
    code, out, _ = run(*DOWNLOAD, "--accept-licence", "--json")
    assert (code, out["error"]["code"]) == (5, "cancelled")
    assert (tmp_path / "models" / "small" / f"{NETWORK}.part").stat().st_size > 1000
    monkeypatch.undo()


@pytest.mark.parametrize(("count", "text"), [(541, "541 bytes"), (12_400_000, "12 MB"), (4_266_665_566, "4.3 GB")])
def test_sizes(count, text):
    assert size(count) == text


def test_problems_are_explained(capsys):
    assert main(["problems"]) == 0
    out = capsys.readouterr().out
    assert all(f"{code} (exit code" in out for code in EXIT_CODES)
    assert main(["problems", "offline", "--json"]) == 0
    assert [entry["code"] for entry in json.loads(capsys.readouterr().out)] == ["offline"]
    assert main(["problems", "nix"]) == 2


def test_a_file_too_large_for_the_drive():
    problem = from_exception(OSError(27, "File too large", "/media/stick/model.part"))
    assert (problem.code, "FAT32" in problem.remedy) == ("disk_full", True)
