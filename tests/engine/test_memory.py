# SPDX-License-Identifier: GPL-3.0-or-later
"""Budgets and the ladder: what is chosen fits, a step down takes less, and a limit given by the user is kept."""

from __future__ import annotations

import itertools
import subprocess
import sys
import textwrap

import pytest
import tiny_models
import torch
from selfrect import kept, memory, system_memory
from selfrect.models.loading import load_model
from selfrect.problems import Problem

GIB = 2**30


@pytest.fixture(autouse=True)
def no_limit(monkeypatch, tmp_path):
    monkeypatch.delenv(memory.VARIABLE, raising=False)
    monkeypatch.setenv("SELFRECT_CACHE", str(tmp_path / "cache"))
    yield
    memory.set_limit(None)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(tiny_models.make_pipeline(tmp_path_factory.mktemp("sd1"), "sd1"), device="cpu", dtype="float32")


@pytest.mark.parametrize(
    ("text", "size"), [("3G", 3 * GIB), ("800M", 800 * 2**20), ("1.5 GB", GIB * 3 // 2), ("512MiB", 2**29), ("1000", 1000), ("2g", 2 * GIB)]
)
def test_sizes(text, size):
    assert memory.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-3G", "3X", "G", "0", "3G4"])
def test_no_sizes(text):
    with pytest.raises(Problem, match="no amount of memory"):
        memory.parse_size(text)


def test_a_limit_is_the_budget(monkeypatch):
    device = torch.device("cpu")
    assert memory.budget(device) > memory.held(device)
    memory.set_limit("1G")
    assert memory.budget(device) == GIB
    memory.set_limit(None)
    monkeypatch.setenv(memory.VARIABLE, "700M")
    assert memory.budget(device) == 700 * 2**20


def test_what_the_machine_has():
    assert system_memory.total() > 0
    assert 0 < system_memory.available() <= system_memory.total()
    assert system_memory.peak() > 0


SIZES = {"target": (128, 128), "references": [(64, 64)] * 4, "kept_steps": 44}


@pytest.fixture
def nothing_on_disk(monkeypatch):
    monkeypatch.setenv("SELFRECT_KEEP_KV_ON_DISK", "0")


def test_many_keys_and_values_wait_on_disk_and_take_no_memory(model, monkeypatch):
    ladder, rung = memory.Ladder(model), memory.LADDER[0]
    assert ladder.on_disk(**SIZES)
    need = ladder.need(rung, **SIZES)
    monkeypatch.setenv("SELFRECT_KEEP_KV_ON_DISK", "0")
    assert not ladder.on_disk(**SIZES)
    assert ladder.need(rung, **SIZES) > need + 200 * 2**20
    monkeypatch.delenv("SELFRECT_KEEP_KV_ON_DISK")
    kept.use(disk=0)
    assert not ladder.on_disk(**SIZES)
    kept.use()
    assert ladder.on_disk(**SIZES)
    ladder.disk = False
    assert not ladder.on_disk(**SIZES)


def test_every_rung_takes_no_more_than_the_one_above(model, nothing_on_disk):
    ladder = memory.Ladder(model)
    base = memory.held(model.device)
    need = [ladder.need(rung, **SIZES) - base for rung in memory.LADDER]
    slack = 16 * 2**20  # what the process holds is read anew each time
    assert all(lower <= upper + slack for upper, lower in itertools.pairwise(need))
    assert need[-1] < need[0] / 4


def test_the_highest_rung_that_fits(model, nothing_on_disk):
    ladder = memory.Ladder(model)
    assert ladder.choose(2**60, **SIZES) == memory.LADDER[0]
    assert ladder.choose(0, **SIZES) == memory.LADDER[-1]
    between = (ladder.need(memory.LADDER[1], **SIZES) + ladder.need(memory.LADDER[3], **SIZES)) // 2
    assert ladder.choose(between, **SIZES).kv == "recompute"


def test_steps_down_end(model):
    ladder, rung, seen = memory.Ladder(model), memory.LADDER[0], []
    while rung := ladder.below(rung):
        seen.append(rung)
    assert len(seen) == len(set(seen))
    assert not any(rung.kv == "ram" for rung in seen)  # on a processor that is where they are anyway
    assert seen[-1] == memory.LADDER[-1]


def test_windows_bound_what_a_call_sees():
    rung, small = memory.LADDER[0], memory.LADDER[-1]
    sizes = memory.Sizes((512, 40), [(64, 64)], 44, window=64)
    assert sizes.seen(sizes.target, rung) == (64, 40)
    assert sizes.seen(sizes.target, small) == (48, 40)
    assert memory.Sizes((512, 40), [], 44).seen((512, 40), rung) == (512, 40)


def test_windows_bound_the_need(model):
    call = memory.Ladder(model).footprint.network_call
    assert 50 * call((64, 64), 1, False) < call((512, 512), 1, False)


def test_key_values_are_counted_to_the_byte(model):
    from selfrect.engines.self_rectification.network import Network
    from selfrect.progress import Progress

    with torch.inference_mode():
        left = Network(model, 50, 2, Progress(lambda *_, **__: None, 1)).key_values(torch.randn(1, 4, 24, 40), 25)
    held = sum(x.nbytes for x in left.layers.values())
    assert memory.Ladder(model).footprint.key_values((24, 40)) == held


@torch.inference_mode()
def test_applied_changes_no_picture(model):
    rung = memory.Rung("recompute", 1, True, True, False, None)
    z = torch.randn(1, 4, 40, 40)
    ask = {"encoder_hidden_states": model.condition.embedding}
    eps, picture = model.unet(z, 5, **ask).sample, model.codec.decode(z)
    with memory.applied(model, rung):
        torch.testing.assert_close(model.unet(z, 5, **ask).sample, eps, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(model.codec.decode(z), picture, atol=1e-3, rtol=1e-3)


LIMITED = """
    import resource, numpy as np, selfrect
    from selfrect import kept, memory
    kept.use(memory=0, disk=0)
    model = selfrect.load_model("mini", device="cpu", dtype="float32")
    settings = dict(steps=6, p1=1, s1=1, p2=1, s2=1, augment=3, patches="off")
    picture = lambda side, seed: np.random.default_rng(seed).random((side, side, 3), np.float32)
    selfrect.rectify(model, picture(64, 0), picture(64, 1), settings)
    ladder, held = memory.Ladder(model), memory.held(model.device)
    most, least = (ladder.need(memory.LADDER[k], (48, 48), [(80, 80)] * 4, 4, 128) - held for k in (1, 3))
    data = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) * 1024
    room = (most + least) // 2
    memory.set_limit(memory.held(model.device) + room)
    resource.setrlimit(resource.RLIMIT_DATA, (data + room + 64 * 2**20,) * 2)
    print(selfrect.rectify(model, picture(320, 0), picture(192, 1), settings).record["memory_rung"]["kv"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process's memory are Linux's")
@pytest.mark.slow
def test_a_limit_is_kept_on_the_processor():
    """The kernel refuses what goes beyond: the run must know beforehand what it can afford, and choose accordingly."""
    command = [sys.executable, "-c", textwrap.dedent(LIMITED)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["recompute"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize(("side", "gib"), [(512, 4), (1024, 8)])
def test_stable_diffusions_shape_fits_a_small_gpu(tmp_path, side, gib):
    """SD 1.4's shape with random weights, few steps, in so much of the device's memory."""
    import numpy as np
    import selfrect

    sys.path.insert(0, str(tiny_models.Path(__file__).parents[1] / "bench"))
    import subjects

    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(gib * GIB / total, 1.0))
    try:
        model = load_model(subjects.folder("sd"), device="cuda")
        rng = np.random.default_rng(0)
        settings = {"steps": 4, "p1": 2, "s1": 2, "p2": 1, "s2": 1, "patches": "off"}
        result = selfrect.rectify(model, rng.random((512, 512, 3), np.float32), rng.random((side, side, 3), np.float32), settings)
        assert result.image.shape == (side, side, 3)
        assert torch.cuda.max_memory_reserved() <= gib * GIB
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_the_command_lines_limit(tmp_path, monkeypatch, capsys):
    from selfrect.cli import main

    files = ["--reference", "none.png", "--target", "none.png", "--output", str(tmp_path / "out.png")]
    assert main(["rectify", *files, "--memory", "plenty"]) == 2
    assert "plenty" in capsys.readouterr().err
    assert main(["rectify", *files, "--memory", "900M"]) == 2  # there is no such picture
    assert memory.limit() == 900 * 2**20
