# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept between runs, in memory and on disk: budgets, eviction, damage, other processes, full and read-only disks."""

from __future__ import annotations

import json
import multiprocessing
import os
import time

import numpy as np
import pytest
import torch
from selfrect import cli, kept
from selfrect.kept import budgets
from selfrect.kept.in_memory import InMemory
from selfrect.kept.keys import hash_of, key_of
from selfrect.kept.on_disk import OnDisk
from selfrect.problems import Problem

KB = 1024


def tensors(value=1.0, kilobytes=1):
    return {"z": torch.full((kilobytes * KB // 4,), value)}


def same(one, other):
    return one is not None and one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def disk(tmp_path):
    return OnDisk(tmp_path / "inversions", 100 * KB)


# ---------------------------------------------------------------- memory


def test_memory_gives_up_the_least_recently_used():
    memory = InMemory(lambda place: 3 * KB)
    for name in "abc":
        memory.put(name, tensors())
    memory.get("a")
    memory.put("d", tensors())
    assert [memory.has(name) for name in "abcd"] == [True, False, True, True]
    assert memory.size() == (3, 3 * KB)


def test_memory_refuses_what_is_larger_than_all_of_it():
    memory = InMemory(lambda place: 3 * KB)
    memory.put("a", tensors())
    memory.put("b", tensors(kilobytes=4))
    assert memory.has("a")
    assert not memory.has("b")


# ---------------------------------------------------------------- disk


def test_disk_gives_back_what_it_was_given(disk):
    given = {"1": torch.randn(1, 4, 8, 8), "half": torch.randn(3, 5).half(), "bf16": torch.randn(2, 2).bfloat16()}
    disk.write("a", given)
    assert same(disk.read("a"), given)
    assert disk.read("b") is None


def test_disk_gives_up_the_least_recently_used(disk):
    for number, name in enumerate("abc"):
        disk.write(name, tensors(kilobytes=30))
        os.utime(disk.folder / f"{name}.safetensors", (number, number))
    disk.read("a")
    disk.write("d", tensors(kilobytes=30))
    assert [disk.has(name) for name in "abcd"] == [True, False, True, True]
    assert sum(entry.size for entry in disk.entries()) <= disk.budget


def test_disk_refuses_what_is_larger_than_all_of_it(disk):
    disk.write("a", tensors(kilobytes=30))
    disk.write("b", tensors(kilobytes=101))
    assert disk.has("a")
    assert not disk.has("b")


def cut(data):
    return data[: len(data) // 2]


def flip(data):
    return data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]


def zeros_at_the_end(data):
    """As a crash of the whole machine leaves it."""
    return data[:-512] + bytes(512)


def foreign(data):
    from safetensors.torch import save

    return save(tensors())


@pytest.mark.parametrize("damage", [cut, flip, zeros_at_the_end, foreign, lambda data: b"", lambda data: b"\xff" * 64])
def test_a_damaged_file_is_thrown_away(disk, damage):
    disk.write("a", tensors(0.3))
    file = disk.folder / "a.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    assert disk.read("a") is None
    assert not file.exists()
    disk.write("a", tensors(0.3))
    assert same(disk.read("a"), tensors(0.3))


def test_no_half_written_file_is_ever_seen(disk, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    disk.write("a", tensors())
    assert list(disk.folder.iterdir()) == []


def test_a_place_that_cannot_be_written_only_costs_time(tmp_path):
    (tmp_path / "file").write_text("here no folder can be")
    disk = OnDisk(tmp_path / "file" / "inversions", 100 * KB)
    disk.write("a", tensors())
    assert disk.read("a") is None
    assert disk.entries() == []
    disk.clear()


def test_what_a_dead_process_left_unfinished_is_cleared_away(disk):
    disk.write("a", tensors())
    old, new = disk.folder / "b.safetensors.123.part", disk.folder / "c.safetensors.124.part"
    old.write_bytes(b"half")
    new.write_bytes(b"half")  # another process is at it
    os.utime(old, (time.time() - 7200,) * 2)
    disk.write("d", tensors())
    assert not old.exists()
    assert new.exists()


def _write_often(folder, value):
    disk = OnDisk(folder, 100 * KB)
    for k in range(60):
        disk.write(f"k{k % 4}", tensors(value, 30))  # three fit: both evict all the time


def test_two_processes_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_often, args=(tmp_path, value)) for value in (1.0, 2.0)]
    for worker in workers:
        worker.start()
    disk, seen = OnDisk(tmp_path, 100 * KB), 0
    while any(worker.is_alive() for worker in workers):
        for k in range(4):
            found = disk.read(f"k{k}")
            assert found is None or same(found, tensors(1.0, 30)) or same(found, tensors(2.0, 30))
            seen += found is not None
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert seen
    assert not list(tmp_path.glob("*.part"))


# ---------------------------------------------------------------- both, keys, budgets, command


def test_the_store_looks_into_memory_then_disk(tmp_path):
    kept.use(tmp_path).put("a", tensors())
    again = kept.use(tmp_path)  # another process, as it were
    assert not again.memory.has("a")
    assert same(again.get("a"), tensors())
    assert again.memory.has("a")
    again.release()
    assert again.has("a")
    assert again.clear() == {"entries": 1, "bytes": pytest.approx(KB, rel=0.5)}
    assert not again.has("a")


def test_a_budget_of_nothing_keeps_nothing(tmp_path):
    store = kept.use(tmp_path, memory=0, disk=0)
    store.put("a", tensors())
    assert store.get("a") is None
    assert list(tmp_path.iterdir()) == []


def test_keys_tell_everything_apart():
    picture = np.zeros((1, 3, 4, 4), np.float32)
    other = picture.copy()
    other[0, 0, 0, 0] = 1e-7
    assert hash_of(picture) == hash_of(picture.copy())
    assert len({hash_of(picture), hash_of(other), hash_of(picture.reshape(1, 3, 2, 8)), hash_of(picture.astype(np.float64))}) == 4
    assert key_of("a", 1) == key_of("a", 1) != key_of("a", 2)


def test_budgets_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("SELFRECT_KEEP_DISK", "500M")
    monkeypatch.setenv("SELFRECT_KEEP_MEMORY", "0")
    assert budgets.disk() == 500 * 2**20
    assert budgets.memory("cpu") == 0
    monkeypatch.setenv("SELFRECT_KEEP_DISK", "much")
    with pytest.raises(Problem, match="SELFRECT_KEEP_DISK"):
        budgets.disk()
    monkeypatch.delenv("SELFRECT_KEEP_MEMORY")
    assert budgets.memory("cpu") > 2**20


def test_the_command_shows_and_clears(tmp_path, capsys):
    kept.use(tmp_path).put("a", tensors(kilobytes=2048))
    assert cli.main(["cache"]) == 0
    assert capsys.readouterr().out == f"1 file, 2 MB of 4.0 GB, in {tmp_path}\n"
    assert cli.main(["cache", "--clear", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["entries"], told["cleared"]["entries"]) == (0, 2)  # in memory and on disk
    assert list(tmp_path.iterdir()) == []
