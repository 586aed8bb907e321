# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs find again of earlier ones: fewer network calls, counted at the network itself, and the same picture."""

from __future__ import annotations

import numpy as np
import pytest
import selfrect
import tiny_models
from diffusers import UNet2DConditionModel
from selfrect import kept
from selfrect.engines.self_rectification import room
from selfrect.kept import budgets
from selfrect.models.codec import AutoencoderCodec
from selfrect.problems import Problem

T = 8
BASE = {"patches": "off", "steps": T, "p1": 4, "s1": 4, "p2": 2, "s2": 2}
WAY = T - 1  # network calls of one way up or down
DETAIL = T - 1 - 2  # of the steps at which round 2, and by the way round 1, attends to a reference; as many invert it
FIRST = 2 * DETAIL + (T - 2) + 3 + 4 * WAY
AGAIN = (T - 2) + 3 + 4 * WAY  # another target, the reference's keys and values kept


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_models.make_pipeline(tmp_path_factory.mktemp("sd1"), "sd1")


@pytest.fixture(scope="module")
def model(folder):
    return selfrect.load_model(folder, device="cpu", dtype="float32")


@pytest.fixture
def calls(monkeypatch):
    """Network calls since it was last asked."""
    made, forward = [], UNet2DConditionModel.forward
    monkeypatch.setattr(UNet2DConditionModel, "forward", lambda self, x, *a, **k: made.append(len(x)) or forward(self, x, *a, **k))

    def since():
        count = sum(made)
        made.clear()
        return count

    return since


def picture(seed=0, side=64):
    coarse = np.random.default_rng(seed).random((side // 8, side // 8, 3), dtype=np.float32)
    return np.ascontiguousarray(coarse.repeat(8, 0).repeat(8, 1))


def run(model, calls, target=1, references=(0,), **settings):
    """(picture, calls that were made), the record and the progress in agreement with them."""
    heard = []
    calls()
    result = selfrect.rectify(
        model, [picture(r) for r in references], picture(target), {**BASE, **settings}, lambda *told: heard.append(told)
    )
    made = calls()
    assert result.record["network_calls"] == made
    fractions = [told[4] for told in heard]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0 or made == 0
    assert len({f for f in fractions if f}) == made
    assert all(1 <= told[1] <= told[2] for told in heard)
    return result.image, made


def fresh(model, calls, **what):
    """The picture without anything kept."""
    kept.use(memory=0, disk=0)
    return run(model, calls, **what)[0]


def close(one, other):
    return np.abs(one - other).max() < 1e-5


def test_another_target_takes_all_of_the_reference(model, calls):
    assert run(model, calls)[1] == FIRST
    image, made = run(model, calls, target=2)
    assert made == AGAIN
    assert close(image, fresh(model, calls, target=2))


def test_four_references(model, calls):
    four = (0, 3, 4, 5)
    assert run(model, calls, references=four)[1] == FIRST + 3 * 2 * DETAIL
    assert run(model, calls, references=four, target=2)[1] == AGAIN
    # One of these is new; round 1's inversion does not depend on them.
    assert run(model, calls, references=(5, 6), target=2)[1] == 2 * DETAIL + 3 * WAY


@pytest.mark.parametrize(
    ("change", "made"),
    [
        ({"s1": 3}, 3 * WAY),  # no inversion at all, neither the target's nor round 1's
        ({"s1": 5, "s2": 3}, 3 * WAY),
        ({"s2": 3}, WAY),  # round 1 is as it was, and so is round 2's inversion
        ({"p2": 1}, 2 * WAY),
        ({"p1": 5}, 4 * WAY + 3),  # the target's inversion is there; of its keys and values only those that round 2 wanted too
        ({"s1": 1}, 3 * WAY),
        ({"s2": 1}, 2 + WAY),  # the reference's inversion goes on where it stopped, by one step
        ({"seed": 5}, WAY),  # the target is opaque: no seed in it
    ],
    ids=str,
)
def test_a_changed_setting_costs_what_it_must(model, calls, change, made):
    run(model, calls)
    image, count = run(model, calls, **change)
    assert count == made + (2 if change == {"s1": 1} else 0)
    assert close(image, fresh(model, calls, **change))


def test_growing_background_depends_on_the_seed_in_each_round(model, calls):
    def grown(seed):
        target = np.dstack([picture(1), np.ones((64, 64), np.float32)])
        target[:, :32, 3] = 0
        return selfrect.rectify(model, picture(), target, {**BASE, "background_eta": 1.0, "seed": seed}).image

    first, other = grown(1), grown(2)
    assert np.abs(first - other).max() > 0.01
    assert np.array_equal(first, grown(1))  # round 1 is kept; round 2's noise does not depend on its being run
    kept.use(memory=0, disk=0)
    assert close(first, grown(1))


def test_from_disk(model, calls, tmp_path, monkeypatch):
    kept.use(tmp_path)
    run(model, calls)
    kept.use(tmp_path)  # as in another process: memory is empty
    image, made = run(model, calls, target=2)
    assert made == AGAIN + DETAIL  # keys and values stay in memory only
    assert close(image, fresh(model, calls, target=2))
    monkeypatch.setenv("SELFRECT_KEEP_KV_ON_DISK", "1")
    kept.use(tmp_path)
    run(model, calls, target=3)
    kept.use(tmp_path)
    assert run(model, calls, target=4)[1] == AGAIN


@pytest.fixture
def many(monkeypatch):
    """However few keys and values there are, they are many enough to wait on disk."""
    monkeypatch.setattr(budgets, "MANY_KEY_VALUES", 1)


def held_in_memory():
    return kept.store().memory.size()[1]


def test_many_keys_and_values_wait_on_disk(model, calls, tmp_path, many, monkeypatch):
    kept.use(tmp_path / "disk")
    image, made = run(model, calls)
    assert made == FIRST
    on_disk = held_in_memory()
    assert run(model, calls, target=2)[1] == AGAIN
    kept.use(tmp_path / "disk")  # as in another process
    assert run(model, calls, target=3)[1] == AGAIN
    monkeypatch.setenv("SELFRECT_KEEP_KV_ON_DISK", "0")
    kept.use(tmp_path / "memory")
    assert np.array_equal(image, run(model, calls)[0])
    assert on_disk < held_in_memory() / 2


def test_many_and_several_references(model, calls, tmp_path, many):
    kept.use(tmp_path)
    first = run(model, calls, references=(0, 3))[0]
    assert run(model, calls, references=(0, 3), target=2)[1] == AGAIN
    assert close(first, fresh(model, calls, references=(0, 3)))


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_what_is_lost_on_disk_in_the_middle_costs_a_new_beginning(model, tmp_path, many, how):
    kept.use(tmp_path)
    done = []

    def report(stage, *_):
        if stage == "round 2 sampling" and not done:
            done.append(stage)
            for file in tmp_path.iterdir():
                file.unlink() if how == "gone" else file.write_bytes(file.read_bytes()[:-7])

    result = selfrect.rectify(model, [picture()], picture(1), BASE, report)
    assert room.LOST in result.record["notes"]
    kept.use(memory=0, disk=0)
    assert close(result.image, selfrect.rectify(model, [picture()], picture(1), BASE).image)


def test_on_a_disk_that_cannot_be_written_they_wait_in_memory(model, calls, tmp_path, many):
    (tmp_path / "file").write_text("no folder")
    kept.use(tmp_path / "file" / "below")
    assert run(model, calls)[1] == FIRST
    assert run(model, calls, target=2)[1] == AGAIN


@pytest.mark.parametrize(("size", "disk", "wish", "place", "there"), [
    (2**30, 4 * 2**30, "", "cpu", True),
    (2**30, 4 * 2**30, "1", "cpu", True),
    (2**30, 4 * 2**30, "0", "cpu", False),
    (2**30, 4 * 2**30, "", "cuda", False),
    (2**30, 2**30, "", "cpu", False),  # a second run would push out what the first waits for
    (2**20, 4 * 2**30, "", "cpu", False),
])  # fmt: skip
def test_who_waits_on_disk(monkeypatch, size, disk, wish, place, there):
    monkeypatch.setenv("SELFRECT_KEEP_KV_ON_DISK", wish)
    assert budgets.key_values_wait_on_disk(size, place, disk) is there


def test_nothing_is_encoded_that_is_kept(model, calls, monkeypatch):
    seen, encode = [], AutoencoderCodec.encode
    monkeypatch.setattr(AutoencoderCodec, "encode", lambda self, x: seen.append(x.shape) or encode(self, x))
    run(model, calls)
    assert len(seen) == 3  # reference, target, round 1
    seen.clear()
    run(model, calls, s1=3)
    assert len(seen) == 1  # round 1's result


def test_damaged_files_only_cost_calls(model, calls, tmp_path):
    kept.use(tmp_path)
    run(model, calls)
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:-7])
    kept.use(tmp_path)
    image, made = run(model, calls)
    assert made == FIRST
    assert close(image, fresh(model, calls))


def test_a_small_budget_only_costs_calls(model, calls, tmp_path):
    kept.use(tmp_path, memory=300 * 1024, disk=100 * 1024)
    assert run(model, calls)[1] == FIRST
    image, made = run(model, calls, target=2)
    assert AGAIN <= made <= FIRST
    assert close(image, fresh(model, calls, target=2))


@pytest.mark.parametrize("change", ["steps", "dtype", "weights", "codec"])
def test_what_changes_the_numbers_shares_nothing(model, calls, folder, tmp_path, change):
    run(model, calls)
    if change == "steps":
        assert run(model, calls, steps=T + 1, p1=4)[1] == 2 * (DETAIL + 1) + (T - 1) + 3 + 4 * (WAY + 1)
        return
    if change == "dtype":
        other = selfrect.load_model(folder, device="cpu", dtype="bfloat16")
    else:
        other = selfrect.load_model(folder, device="cpu", dtype="float32")
        if change == "codec":
            other.codec.vae.encoder.conv_in.weight.mul_(1.01)
        else:
            other = selfrect.load_model(tiny_models.make_pipeline(tmp_path, "sd1", seed=1), device="cpu", dtype="float32")
    assert run(other, calls)[1] == FIRST


def test_the_recorded_reading(model, calls):
    assert run(model, calls, injection="recorded")[1] == DETAIL + (T - 2) + 4 * WAY
    image, made = run(model, calls, target=2, injection="recorded")
    assert made == (T - 2) + 4 * WAY
    assert close(image, fresh(model, calls, target=2, injection="recorded"))


@pytest.mark.parametrize("injection", ["current", "recorded"])
def test_without_room_for_keys_and_values(model, calls, monkeypatch, injection):
    """The ladder's lower rungs make the same picture."""
    image, made = run(model, calls, injection=injection)
    kept.use(memory=0, disk=0)
    lowest = room.Ladder(model).choose(0, (8, 8), [(8, 8)], 5)
    monkeypatch.setattr(room.Ladder, "choose", lambda *_: lowest)
    again, more = run(model, calls, injection=injection)
    assert lowest.kv == "recompute"
    assert more > made
    assert close(image, again)


def test_out_of_memory_steps_down_once_and_tells(model, calls, monkeypatch):
    exact = run(model, calls)[0]
    kept.use(memory=0, disk=0)
    decode, failures = AutoencoderCodec.decode, [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")]

    def failing(self, z):
        if failures:
            raise failures.pop()
        return decode(self, z)

    monkeypatch.setattr(AutoencoderCodec, "decode", failing)
    with pytest.raises(Problem) as caught:
        selfrect.rectify(model, picture(), picture(1), BASE)
    assert caught.value.code == "out_of_memory"  # twice is enough
    failures[:] = [MemoryError()]
    heard = []
    result = selfrect.rectify(model, picture(), picture(1), BASE, lambda *told: heard.append(told[4]))
    assert "not enough memory" in result.record["notes"][0]
    assert result.record["memory_rung"] != selfrect.rectify(model, picture(), picture(2), BASE).record["memory_rung"]
    assert heard == sorted(heard)
    assert close(result.image, exact)


def test_a_cancelled_run_leaves_nothing_wrong(model, calls):
    def cancel_at(count):
        def report(stage, step, steps, preview=None, fraction=0.0):
            if sum(1 for _ in heard) >= count:
                raise Problem("cancelled", "Cancelled.", "Start again.")
            heard.append(stage)

        return report

    exact = fresh(model, calls)
    kept.use()
    for count in (3, 12, 25):
        heard = []
        with pytest.raises(Problem, match="Cancelled"):
            selfrect.rectify(model, picture(), picture(1), BASE, cancel_at(count))
    image, made = run(model, calls)
    assert made < FIRST
    assert close(image, exact)
