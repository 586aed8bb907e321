# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a machine has to the backend it should get, and to what stands in the way; the lists in wheels/ themselves."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

from selfrect_blender.host.engine_source import problems
from selfrect_blender.host.install import Gpu, Machine, places, plan, resolve, root_in
from selfrect_blender.host.install.backends import backends, choices, unfit
from selfrect_blender.host.install.machine import examine, nvidia_cards
from selfrect_blender.host.install.plan import make_plan
from selfrect_blender.host.install.resolve import known_hashes
from selfrect_blender.host.install.uv import pinned

LISTS = places.LISTS_FOLDER


def machine(platform: str = "linux", *gpus: Gpu, arch: str = "x86_64", system: str = "") -> Machine:
    return Machine(platform, arch, system, 32 << 30, gpus)


def nvidia(capability: str, driver: str = "580.65.06") -> Gpu:
    return Gpu("nvidia", "NVIDIA card", 8 << 30, driver, capability)


def recommended(found: Machine) -> str:
    return next(choice.name for choice in choices(found) if choice.recommended)


@pytest.mark.parametrize(
    ("gpu", "backend"),
    [
        (nvidia("12.0"), "cuda"),  # Blackwell
        (nvidia("8.6"), "cuda"),
        (nvidia("7.5"), "cuda"),  # Turing, the oldest of CUDA 13
        (nvidia("7.0"), "cuda-legacy"),  # Volta
        (nvidia("6.1"), "cuda-legacy"),  # Pascal
        (nvidia("5.2"), "cuda-legacy"),
        (nvidia("3.5"), "cpu"),  # Kepler
        (nvidia("8.6", "535.104"), "cuda-legacy"),  # a driver that CUDA 13 refuses
        (nvidia("12.0", "570.1"), "cpu"),  # too new for the old line, too old a driver for the new one
        (nvidia("8.6", "470.1"), "cpu"),
        (nvidia("6.1", "CUDA 12"), "cuda-legacy"),  # as the driver's library alone tells it
    ],
)
@pytest.mark.parametrize("platform", ["linux", "windows"])
def test_an_nvidia_card_gets_the_cuda_that_has_code_for_it(gpu, backend, platform):
    assert recommended(machine(platform, gpu)) == backend
    assert all(choice.reason for choice in choices(machine(platform, gpu)))


@pytest.mark.parametrize(
    ("found", "backend"),
    [
        (machine("linux", Gpu("amd", "Radeon", 0, "", "gfx1100")), "rocm"),
        (machine("linux", Gpu("amd", "Radeon", 0, "", "gfx803")), "cpu"),
        (machine("linux", Gpu("amd", "Radeon")), "cpu"),
        (machine("windows", Gpu("amd", "Radeon", 0, "", "gfx1100")), "cpu"),
        (machine("linux", Gpu("intel", "Arc", 0, "", "discrete")), "xpu"),
        (machine("windows", Gpu("intel", "Arc", 0, "", "discrete")), "xpu"),
        (machine("linux", Gpu("intel", "UHD 630")), "cpu"),
        (machine("linux", Gpu("intel", "UHD"), nvidia("8.9")), "cuda"),
        (machine("macos", Gpu("apple", "Apple GPU"), arch="aarch64", system="15.1"), "mps"),
        (machine("linux", arch="aarch64"), "cpu"),
        (machine("windows"), "cpu"),
    ],
)
def test_other_machines(found, backend):
    assert recommended(found) == backend


@pytest.mark.parametrize("found", [machine("macos", arch="x86_64"), machine("macos", arch="aarch64", system="13.6"),
                                   machine("windows", arch="aarch64"), machine("freebsd14"), machine("linux", arch="riscv64")])  # fmt: skip
def test_a_machine_that_cannot_is_told_so_before_anything_is_fetched(found, tmp_path):
    assert unfit(found)
    with pytest.raises(problems.Problem) as caught:
        make_plan(tmp_path, machine=found)
    assert caught.value.code == "bad_machine"


def test_what_nvidia_smi_says():
    lines = ["NVIDIA GeForce GTX 1080, 8192, 535.183.01, 6.1", "NVIDIA H100, 81559, 580.65.06, 9.0", "No devices were found", "x, y, z"]
    cards = nvidia_cards(lines)
    assert [(card.title, card.memory, card.capability) for card in cards] == [
        ("NVIDIA GeForce GTX 1080", 8 << 30, "6.1"),
        ("NVIDIA H100", 81559 << 20, "9.0"),
    ]


def test_this_machine_can_be_examined():
    found = examine()
    assert found.platform in ("linux", "windows", "macos")
    assert found.memory > 1 << 30


def test_by_hand_any_backend_can_be_taken(tmp_path):
    made = make_plan(tmp_path / "root", "cuda", machine=machine())
    assert made.backend == "cuda"
    assert made.download_bytes > 2 << 30
    assert any("Not recommended" in note for note in made.notes)
    with pytest.raises(problems.Problem, match="no backend “directml”"):
        make_plan(tmp_path, "directml", machine=machine())


def test_what_is_downloaded_already_is_not_counted_again(tmp_path):
    before = make_plan(tmp_path, "cpu", machine=machine()).download_bytes
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads/torch.whl.part").write_bytes(b"x" * 1_000_000)
    assert make_plan(tmp_path, "cpu", machine=machine()).download_bytes == before - 1_000_000


def test_too_little_disk_is_told_with_the_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "free_bytes", lambda path: 1 << 30)
    obstacle = make_plan(tmp_path, "cuda", machine=machine()).obstacles[0]
    assert obstacle.code == "disk_full"
    assert "has 1.1 GB" in obstacle.sentence


def test_a_path_too_long_for_windows_is_told_before_the_download(tmp_path):
    short = Machine("windows", "x86_64", "11", 32 << 30, (), long_paths=False)
    assert make_plan(Path("/tmp/s"), "cpu", machine=short).obstacles == ()
    long = tmp_path / ("long " * 20).strip()
    obstacle = make_plan(long, "cpu", machine=short).obstacles[0]
    assert obstacle.code == "path_too_long"
    assert "259" in obstacle.sentence
    assert make_plan(long, "cpu", machine=Machine("windows", "x86_64", "11", 32 << 30)).obstacles == ()


def test_a_folder_that_is_in_use_gets_one_of_ours_in_it(tmp_path):
    assert root_in(tmp_path) == tmp_path
    assert root_in(tmp_path / "new") == tmp_path / "new"
    (tmp_path / "picture.png").touch()
    assert root_in(tmp_path) == tmp_path / "selfrect-engine"
    (tmp_path / "env").mkdir()
    assert root_in(tmp_path) == tmp_path, "one that is ours already"


@pytest.mark.parametrize("platform", ["linux", "windows", "macos"])
def test_every_backend_has_its_list_and_says_honestly_whether_it_is_locked(platform):
    for backend in backends(platform).values():
        text = (LISTS / backend.list_name).read_text("utf-8")
        assert re.search(r"^torch==\d", text, re.MULTILINE), backend.list_name
        pinned_only = "not locked by hash" in text
        assert pinned_only != backend.locked
        if backend.locked:
            every = re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE)
            assert {(name.lower(), version) for name, version in every} == set(known_hashes([LISTS / backend.list_name]))
        else:
            assert backend.torch_backend
    assert len(backends(platform)) >= 2


def test_uv_is_pinned_with_the_hashes_of_all_platforms():
    version, hashes = pinned()
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert len(hashes) >= 10


def test_no_address_of_an_index_stands_in_our_files():
    ours = [*LISTS.glob("*.t*"), *LISTS.glob("*.sh"), *Path(places.__file__).parent.glob("*.py")]
    assert [path.name for path in ours if re.search(r"https?://[\w-]+(\.[\w-]+)+", path.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    ("name", "version", "told", "locked", "right"),
    [
        ("torch", "1.0", "a" * 64, True, True),
        ("torch", "1.0", "b" * 64, True, False),  # another file than the list's
        ("torch", "1.0+cpu", "b" * 64, True, False),  # another version, though it would satisfy ==
        ("strange", "1.0", "b" * 64, True, False),  # not in the list at all
        ("gpu-library", "3.0", "b" * 64, False, True),  # a list that is only pinned
        ("torch", "1.0+cpu", "b" * 64, False, False),  # what is locked stays locked
    ],
)
def test_only_what_the_lists_allow_is_taken(name, version, told, locked, right):
    known = {("torch", "1.0"): frozenset(["a" * 64, "c" * 64])}
    package = {"name": name, "version": version, "wheels": [{"url": "http://h/x.whl", "hashes": {"sha256": told}}]}
    if right:
        assert resolve._file(package, known, locked).hashes == {told}
    else:
        with pytest.raises(problems.Problem) as caught:
            resolve._file(package, known, locked)
        assert caught.value.code == "hash_mismatch"
