# SPDX-License-Identifier: GPL-3.0-or-later
"""From the preference's text to a running child in a clean environment, and its certain end."""
from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from selfrect_blender.host import engine_process
from selfrect_blender.host.engine_process import EngineProcess, engine_command, engine_environment
from selfrect_blender.host.engine_source import problems

unix = pytest.mark.skipif(sys.platform == "win32", reason="made of Unix files")


def executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@unix
def test_a_folder_of_an_environment(tmp_path):
    folder = tmp_path / "my engine"
    selfrect = executable(folder / "bin" / "selfrect")
    assert engine_command(str(folder)) == [str(selfrect), "serve"]
    assert engine_command(f"  {folder}/ \n") == [str(selfrect), "serve"]


@unix
def test_the_home_folder_may_be_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    selfrect = executable(tmp_path / "engine" / "bin" / "selfrect")
    assert engine_command("~/engine") == [str(selfrect), "serve"]


@unix
def test_an_executable_or_a_python(tmp_path):
    selfrect, python = executable(tmp_path / "selfrect"), executable(tmp_path / "python3.11")
    assert engine_command(str(selfrect)) == [str(selfrect), "serve"]
    assert engine_command(str(python)) == [str(python), "-I", "-m", "selfrect", "serve"]


@unix
def test_a_command_is_found_on_the_path(tmp_path, monkeypatch):
    ssh, selfrect = executable(tmp_path / "ssh"), executable(tmp_path / "selfrect")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert engine_command("ssh host selfrect serve") == [str(ssh), "host", "selfrect", "serve"]
    assert engine_command("ssh host 'my selfrect' serve") == [str(ssh), "host", "my selfrect", "serve"]
    assert engine_command("selfrect") == [str(selfrect), "serve"]


def test_on_windows_backslashes_are_no_escapes(monkeypatch):
    monkeypatch.setattr(engine_process, "_WINDOWS", True)
    monkeypatch.setattr(engine_process.shutil, "which", lambda word: word)
    command = engine_command(r'"C:\Program Files\ssh.exe" host selfrect serve')
    assert command == [r"C:\Program Files\ssh.exe", "host", "selfrect", "serve"]


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("", "No engine is set up"),
        ("   ", "No engine is set up"),
        ("/nowhere/engine", "no engine at “/nowhere/engine”"),
        ("/nowhere/my engine", "no engine at “/nowhere/my engine”"),
        ("no-such-command-at-all serve", "no engine at"),
        ("ssh host 'selfrect", "is not a command: No closing quotation"),
    ],
)
def test_nothing_there_has_its_sentence(location, words):
    with pytest.raises(problems.Problem) as caught:
        engine_command(location)
    assert caught.value.code == "engine_missing"
    assert words in caught.value.sentence
    assert "preferences" in caught.value.remedy


@unix
def test_a_folder_without_an_engine_says_what_to_do(tmp_path):
    with pytest.raises(problems.Problem, match=r"is not a Python environment: .*bin/selfrect is missing"):
        engine_command(str(tmp_path))
    executable(tmp_path / "bin" / "python")
    with pytest.raises(problems.Problem, match=r"has no engine in it. Install it there: .*bin/python -m pip install .*server"):
        engine_command(str(tmp_path))


@unix
@pytest.mark.parametrize(
    ("text", "words"),
    [("#!/nowhere/python\n", "was its folder moved"), ("not a program", "Exec format error")],
)
def test_what_cannot_be_started_has_its_sentence(tmp_path, text, words):
    with pytest.raises(problems.Problem, match=words) as caught:
        EngineProcess([str(executable(tmp_path / "selfrect", text)), "serve"])
    assert caught.value.code == "engine_start"


@unix
def test_a_file_without_the_right_to_run(tmp_path):
    file = executable(tmp_path / "selfrect")
    file.chmod(0o644)
    with pytest.raises(problems.Problem, match="Permission denied"):
        EngineProcess([str(file), "serve"])


def test_blenders_python_is_kept_out(monkeypatch):
    for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__"):
        monkeypatch.setenv(name, "blender")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    environment = engine_environment()
    assert not [name for name, value in environment.items() if value == "blender"]
    assert environment["PYTHONNOUSERSITE"] == "1"
    assert environment["CUDA_VISIBLE_DEVICES"] == "1"
    assert os.environ["PYTHONPATH"] == "blender"  # ours stays


def test_it_is_reaped_and_its_last_words_are_kept(gone):
    process = EngineProcess([sys.executable, "-c", "import sys; sys.stderr.write('one\\ntwo \\xff\\n'); sys.exit(9)"])
    assert process.wait(10)
    process.last_words(5)
    assert process.exit_code == 9
    assert process.stderr_tail().splitlines() == ["one", "two ÿ"]
    assert gone(process.pid, 0.1)
    process.kill()  # no harm


def test_a_kill_is_certain(gone):
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    process = EngineProcess([sys.executable, "-c", code])
    assert process.stdout.readline().strip() == b"up"
    assert process.exit_code is None
    process.kill()
    assert process.wait(5)
    assert gone(process.pid, 0.1)
