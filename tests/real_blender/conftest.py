# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in the chroot (see chroot.sh), and its Blender with the built extension installed in a user folder of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def zip_file() -> Path:
    """The built extension."""
    path = ROOT / "out" / "selfrect_blender.zip"
    assert path.exists(), f"{path} is missing; run the tests with make test-blender."
    return path


@pytest.fixture(scope="session")
def engine() -> str:
    """The engine's location for a Blender in the chroot: a command that goes back out to this machine's environment.

    One thread: the pictures are small, and on a busy machine two threads spend most of their time waiting for each other.
    """
    executable = ROOT / ".venv" / "bin" / "selfrect"
    assert executable.exists(), f"{executable} is missing; run the tests with make test-blender."
    return f"chroot /host env OMP_NUM_THREADS=1 {executable} serve"


@pytest.fixture(scope="session")
def in_chroot():
    """in_chroot(*words) runs a command there and returns exit code and output as text. A Path names a file of this machine."""

    def run(*words: str | Path, timeout: float = 300.0) -> subprocess.CompletedProcess:
        seen_from_inside = [f"/host{word.resolve()}" if isinstance(word, Path) else word for word in words]
        command = [Path(__file__).with_name("in_chroot"), *seen_from_inside]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)

    return run


@pytest.fixture(scope="session")
def blender(in_chroot, zip_file, tmp_path_factory):
    """blender(*arguments) runs it like in_chroot; the extension is installed from the zip and enabled."""
    user_folder = tmp_path_factory.mktemp("user")

    def run(*arguments: str | Path, timeout: float = 300.0) -> subprocess.CompletedProcess:
        return in_chroot("env", f"BLENDER_USER_RESOURCES=/host{user_folder}", "blender", *arguments, timeout=timeout)

    done = run("--command", "extension", "install-file", "--repo", "user_default", "--enable", zip_file)
    assert done.returncode == 0, done.stdout + done.stderr
    return run
