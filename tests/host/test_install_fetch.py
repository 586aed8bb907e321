# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads from a server that cuts, lies, stalls and refuses: every byte fetched once, every file right or not there."""
from __future__ import annotations

import contextlib
import hashlib
import random
import resource
import socket
import threading
import time
from pathlib import Path

import pytest
from install_world import Faults, Index

from selfrect_blender.host.engine_source import problems
from selfrect_blender.host.install import fetch
from selfrect_blender.host.install.control import Cancelled, Control
from selfrect_blender.host.install.fetch import File, fetch_all
from selfrect_blender.host.install.web import Web

SIZE = 300_000
DATA = random.Random(1).randbytes(SIZE)
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def index(tmp_path, monkeypatch):
    served = tmp_path / "served"
    served.mkdir()
    (served / "big-1-py3-none-any.whl").write_bytes(DATA)
    monkeypatch.setattr(fetch, "WAIT_SECONDS", 0.01)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = Index(served)
    yield server
    server.close()


@pytest.fixture
def big(index) -> File:
    return File("big", "1", f"{index.url}/files/big-1-py3-none-any.whl", frozenset([DIGEST]))


def get(file: File, folder: Path, seconds: float = 5.0) -> Path:
    control = Control()
    control.step("download")
    return fetch_all([file], folder, control, Web(seconds))[file.name]


def fails(file: File, folder: Path, code: str, words: str, seconds: float = 5.0) -> problems.Problem:
    with pytest.raises(problems.Problem, match=words) as caught:
        get(file, folder, seconds)
    assert caught.value.code == code
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize("cuts", [[0], [1], [SIZE - 1], [100, 100, 100], [7, 0, 65536, 1], [65536] * 4])
def test_a_download_goes_on_where_it_was_cut(cuts, index, big, tmp_path):
    index.faults = Faults(cuts=list(cuts))
    assert get(big, tmp_path / "to").read_bytes() == DATA
    firsts = [start for _, start in index.asked]
    assert firsts == [sum(cuts[:i]) for i in range(len(cuts) + 1)]


def test_a_later_start_goes_on_too(index, big, tmp_path):
    index.faults = Faults(cuts=[SIZE // 3], status=0)
    part = tmp_path / "to" / f"{big.name}.part"
    part.parent.mkdir()
    part.write_bytes(DATA[: SIZE // 2])
    index.faults = Faults()
    assert get(big, tmp_path / "to").read_bytes() == DATA
    assert index.asked[0][1] == SIZE // 2
    assert not part.exists()


@pytest.mark.parametrize("there", [SIZE, SIZE + 10])
def test_a_part_as_long_as_the_file_is_checked_not_trusted(there, index, big, tmp_path):
    part = tmp_path / "to" / f"{big.name}.part"
    part.parent.mkdir()
    part.write_bytes((DATA + b"0123456789")[:there])
    assert get(big, tmp_path / "to").read_bytes() == DATA


def test_the_beginning_of_another_file_costs_a_second_try_only(index, big, tmp_path):
    part = tmp_path / "to" / f"{big.name}.part"
    part.parent.mkdir()
    part.write_bytes(b"x" * 1000)
    assert get(big, tmp_path / "to").read_bytes() == DATA
    assert [start for _, start in index.asked] == [1000, 0]


def test_a_server_without_ranges_sends_all_again(index, big, tmp_path):
    index.faults = Faults(cuts=[1000], ranges=False)
    assert get(big, tmp_path / "to").read_bytes() == DATA


def test_a_file_that_is_there_is_not_asked_for_again(index, big, tmp_path):
    get(big, tmp_path / "to")
    index.asked.clear()
    get(big, tmp_path / "to")
    assert index.asked == []


def test_a_file_of_this_disk_stays_where_it_is(tmp_path):
    place = tmp_path / "wheels und mehr" / "big-1+cpu.whl"
    place.parent.mkdir()
    place.write_bytes(DATA)
    assert get(File("big", "1", place.as_uri(), frozenset([DIGEST])), tmp_path / "to") == place
    fails(File("big", "1", place.as_uri(), frozenset(["0" * 64])), tmp_path / "to", "hash_mismatch", "SHA-256")


def test_wrong_bytes_are_never_kept(index, big, tmp_path):
    index.faults = Faults(wrong=True)
    fails(big, tmp_path / "to", "hash_mismatch", r"big-1-py3-none-any\.whl does not have the right SHA-256")
    assert list((tmp_path / "to").iterdir()) == []


@pytest.mark.parametrize(
    ("status", "words", "asked"),
    [(401, "wants a name and a password", 1), (403, "refuses this file", 1), (404, "is not there", 1),
     (429, "too many requests", 6), (500, "the server has trouble", 6), (302, "not expected|broke|trouble|answered 302", 1)],
)  # fmt: skip
def test_refusals_have_their_sentence_and_what_may_pass_is_tried_again(status, words, asked, index, big, tmp_path):
    index.faults = Faults(status=status)
    fails(big, tmp_path / "to", "download_failed", words)
    assert len(index.asked) == asked


def test_trouble_that_passes_is_not_told(index, big, tmp_path):
    index.faults = Faults(status=503, times=3)
    assert get(big, tmp_path / "to").read_bytes() == DATA


def test_a_password_in_the_indexs_address_is_used(index, big, tmp_path, monkeypatch):
    index.faults = Faults(password="me:geh eim@")
    fails(big, tmp_path / "to", "download_failed", "name and a password")
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url.replace("//", "//me:geh%20eim%40@") + "/simple")
    assert get(big, tmp_path / "to").read_bytes() == DATA


def test_a_proxy_is_used(index, big, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", index.url)
    monkeypatch.setenv("no_proxy", "")
    far = File("big", "1", "http://wheels.invalid/files/big-1-py3-none-any.whl", big.hashes)
    assert get(far, tmp_path / "to").read_bytes() == DATA


def test_a_server_that_falls_silent_is_left_and_asked_again(index, big, tmp_path):
    index.faults = Faults(stall=30.0)
    begun = time.monotonic()
    problem = fails(big, tmp_path / "to", "download_failed", "sends nothing any more", seconds=0.2)
    assert time.monotonic() - begun < 8
    assert "proxy" in problem.remedy
    index.faults = Faults()
    assert get(big, tmp_path / "to").read_bytes() == DATA
    assert index.asked[-1][1] > SIZE // 2 - 1, "what had come was thrown away"


def test_cancelling_takes_less_than_a_second_even_when_nothing_moves(index, big, tmp_path):
    index.faults = Faults(stall=30.0)
    control = Control()
    control.step("download")
    threading.Timer(0.3, control.cancelled.set).start()
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        fetch_all([big], tmp_path / "to", control, Web(20))
    assert time.monotonic() - begun < 1.0
    part = tmp_path / "to" / f"{big.name}.part"
    assert DATA.startswith(part.read_bytes())


def test_nobody_there_has_its_sentence(index, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    fails(File("big", "1", f"http://127.0.0.1:{port}/big.whl", frozenset([DIGEST])), tmp_path, "download_failed", "refuses the connection")


def test_a_full_disk_has_its_sentence_and_the_next_try_goes_on(index, big, tmp_path):
    with _largest_file(100_000):
        problem = fails(big, tmp_path / "to", "disk_full", "disk is full")
    assert "Free some space" in problem.remedy
    assert get(big, tmp_path / "to").read_bytes() == DATA
    assert index.asked[-1][1] == 100_000


def test_a_folder_that_cannot_be_written_has_its_sentence(index, big):
    fails(big, Path("/sys/selfrect"), "no_permission", "no permission")


def test_progress_counts_what_was_there_and_what_comes(index, big, tmp_path):
    control = Control()
    control.step("download")
    small = File("big", "1", big.url, big.hashes, SIZE)
    fetch_all([small], tmp_path / "to", control, Web(5))
    assert control.progress.total_bytes == control.progress.done_bytes == SIZE
    assert 0.7 < control.progress.fraction < 0.8


@contextlib.contextmanager
def _largest_file(size: int):
    """As a full disk: no file grows beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
