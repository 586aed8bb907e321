# SPDX-License-Identifier: GPL-3.0-or-later
"""Training in small: drawn textures, a tiny network, a few steps, on the CPU."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from safetensors.torch import load_file  # noqa: E402
from selfrect.training import clock, data, losses, network, paired_attention, samples, textures  # noqa: E402
from selfrect.training.export import WEIGHTS, export_checkpoint  # noqa: E402
from selfrect.training.loop import train  # noqa: E402
from selfrect.training.recipe import Phase, Recipe, read_recipe  # noqa: E402

RECIPES = Path(__file__).parents[2] / "server" / "recipes"
NAMES = [f"drawn_{index}.png" for index in range(5)]
COLUMNS = ["file", "source", "original_path", "licence", "licence_class", "width", "height", "orig_sha256"]


@pytest.fixture
def drawn(tmp_path) -> Path:
    """A folder with a recipe's table and its textures: stripes, waves and grain."""
    folder = tmp_path / "textures"
    folder.mkdir()
    across = np.linspace(0, 40, 96)
    for index, name in enumerate(NAMES):
        waves = np.sin(across[:, None] * (index + 1) / 3) + np.cos(across[None, :] + index)
        grain = np.random.default_rng(index).normal(0, 10, (96, 96, 3))
        pixels = np.clip(waves[..., None] * [50, 40, 30] + 120 + grain, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(textures.stored_path(folder, {"file": name}), "WEBP", lossless=True)
    with open(tmp_path / "textures.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows({**dict.fromkeys(COLUMNS, "1"), "file": name, "licence_class": "ok"} for name in NAMES)
    return tmp_path


def write_recipe(folder: Path, steps: int) -> Path:
    """A recipe for a network of a second or two, through all kinds of phases."""
    path = folder / f"tiny-{steps}.toml"
    path.write_text(
        f'name = "tiny"\nsteps = {steps}\nchannels = [32, 32, 32]\nlayers = 1\nprecision = "float32"\n'
        "warmup = 2\nsheet_crop = 32\nsheet_steps = 2\nend_emphasis = 0.3\nleast_weight = 0.1\ndecay = 0.0\n"
        "[[phases]]\ncrop = 32\nbatch = 4\npairs = true\nshared_attention = 0.5\n",
        encoding="utf-8",
    )
    return path


def run(folder: Path, name: str, steps: int, package: Path | None = None) -> dict[str, torch.Tensor]:
    """Train (or continue) the run called `name` up to `steps`; its checkpoint's tensors."""
    return load_file(train(write_recipe(folder, steps), folder / name, folder / "textures", package, device="cpu"))


def test_an_interrupted_run_ends_with_the_same_weights(drawn):
    straight = run(drawn, "straight", 6)
    run(drawn, "broken", 3)
    resumed = run(drawn, "broken", 6)
    assert straight.keys() == resumed.keys()
    assert any(name.startswith("exp_avg.") for name in straight)
    different = [name for name in straight if not torch.equal(straight[name], resumed[name])]
    assert different == []


def test_training_moves_the_weights_and_logs_and_draws(drawn):
    first, last = run(drawn, "run", 1), run(drawn, "run", 20)
    assert not torch.equal(first["weight.conv_in.weight"], last["weight.conv_in.weight"])
    entries = [json.loads(line) for line in (drawn / "run" / "log.jsonl").read_text().splitlines()]
    assert any("loss" in entry for entry in entries)
    levels = [set(map(int, entry["held_out"])) for entry in entries if isinstance(entry.get("held_out"), dict)]
    assert levels == [set(samples.LEVELS)] * 2
    assert (drawn / "run" / "sheet-000020.png").exists()


def test_the_export_is_float16_safetensors_and_loads(drawn):
    diffusers = pytest.importorskip("diffusers")
    package = drawn / "models" / "tiny"
    state = run(drawn, "run", 2, package)
    weights = load_file(package / WEIGHTS)
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    loaded = diffusers.UNet2DConditionModel.from_pretrained(package / "unet")
    torch.testing.assert_close(loaded.conv_in.weight, state["ema.conv_in.weight"], atol=1e-3, rtol=1e-3)
    scheduler = diffusers.DDIMScheduler.from_pretrained(package / "scheduler")
    assert scheduler.config.prediction_type == "v_prediction"
    trained, used = network.cosine_alphas().float(), scheduler.alphas_cumprod
    assert 0.99 < used[-1] / network.USED_UNTIL < 1.01
    torch.testing.assert_close(used, trained[: len(used)], atol=1e-5, rtol=1e-3)
    assert json.loads((package / "model_index.json").read_text())["_class_name"] == "selfrect.tiny"
    assert {path.suffix for path in package.rglob("*") if path.is_file()} == {".json", ".safetensors"}


def test_a_checkpoint_can_be_exported_at_any_moment(drawn):
    state = run(drawn, "run", 2)
    weights = load_file(export_checkpoint(drawn / "run" / "state.safetensors", drawn / "elsewhere"))
    assert weights.keys() == {name[4:] for name in state if name.startswith("ema.")}


def test_targets_read_their_own_reference_and_references_do_not_change(drawn):
    torch.manual_seed(0)
    net = network.build_network((32, 32, 32), 1, 4).eval()
    attention = paired_attention.install(net)
    noisy, timesteps = torch.randn(4, 48, 8, 8), torch.full((4,), 300)
    swapped = noisy[[1, 0, 2, 3]]  # other references for the same targets
    with torch.no_grad():
        plain, plain_swapped = (network.predict(net, batch, timesteps) for batch in (noisy, swapped))
        attention.share(True)
        shared, shared_swapped = (network.predict(net, batch, timesteps) for batch in (noisy, swapped))
    torch.testing.assert_close(plain[2:], plain_swapped[2:], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(shared[:2], plain[:2], atol=1e-5, rtol=1e-5)
    assert (shared[2:] - plain[2:]).abs().max() > 1e-4
    assert (shared[2:] - shared_swapped[2:]).abs().max() > 1e-4


def test_batches_depend_on_seed_and_step_only():
    pictures = [np.random.default_rng(index).integers(0, 256, (80, 100, 3), dtype=np.uint8) for index in range(3)]
    crops = data.Crops(pictures, seed=4)
    batch = crops.batch(7, 32, 6, pairs=True)
    assert batch.shape == (6, 3, 32, 32)
    assert batch.dtype == torch.float32
    assert batch.min() >= -1
    assert batch.max() <= 1
    assert torch.equal(batch, data.Crops(pictures, seed=4).batch(7, 32, 6, pairs=True))
    assert not torch.equal(batch, crops.batch(8, 32, 6, pairs=True))


def test_v_and_its_weights():
    clean, noise = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4)
    alphas = torch.tensor([0.999, 0.5, 0.001])
    noisy, v = losses.add_noise(clean, noise, alphas)
    signal, sigma = (part.sqrt().view(-1, 1, 1, 1) for part in (alphas, 1 - alphas))
    torch.testing.assert_close(signal * noisy - sigma * v, clean, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sigma * noisy + signal * v, noise, atol=1e-5, rtol=1e-5)
    expected = torch.tensor([0.005, 0.5, 0.001])
    torch.testing.assert_close(losses.weights(alphas, 5.0, 0.0), expected, atol=1e-4, rtol=1e-3)
    assert losses.weights(alphas, 5.0, 0.2).min() == pytest.approx(0.2)


def test_the_schedule_falls_from_clean_to_noise():
    alphas = network.cosine_alphas()
    assert len(alphas) == 1000
    assert (alphas[1:] < alphas[:-1]).all()
    assert alphas[0] > 0.9999
    assert alphas[-1] == pytest.approx(1e-5)


def test_learning_rate_and_clock():
    recipe = Recipe(name="x", warmup=10, decay=0.5, learning_rate=1.0)
    assert clock.learning_rate(recipe, 0, 0.0) == pytest.approx(0.1)
    assert clock.learning_rate(recipe, 100, 0.4) == pytest.approx(1.0)
    assert clock.learning_rate(recipe, 100, 1.0) == pytest.approx(0.01)
    assert clock.Clock(10, 0.0).progress(5) == 0.5
    assert clock.Clock(0, 100.0, before=300.0).progress(5) == pytest.approx(0.75, abs=1e-3)
    with pytest.raises(ValueError, match="needs an end"):
        clock.Clock(0, 0.0)


def test_recipes_are_read_and_mistakes_named(tmp_path):
    recipe = read_recipe(RECIPES / "mini.toml")
    assert recipe.phase_at(0.0) == recipe.phases[0]
    assert recipe.phase_at(0.999) == recipe.phases[-1]
    assert recipe.phases[-1].until == 1.0
    assert all(isinstance(phase, Phase) for phase in recipe.phases)
    (tmp_path / "bad.toml").write_text('name = "x"\nlearningrate = 1\n')
    with pytest.raises(ValueError, match="learningrate"):
        read_recipe(tmp_path / "bad.toml")


def test_every_texture_has_a_licence_a_source_and_a_hash():
    rows = textures.read_table(RECIPES / "textures.csv")
    assert len(rows) > 1000
    for row in rows:
        assert list(row) == COLUMNS
        assert all(row.values()), row
        assert row["licence_class"] in textures.LICENCE_CLASSES
        assert len(row["orig_sha256"]) == 64
        assert int(row["orig_sha256"], 16) >= 0
        assert row["source"].count("==") == 1
    assert len({Path(row["file"]).stem for row in rows}) == len(rows) == len({row["orig_sha256"] for row in rows})
    held_out = sum(data.is_held_out(row["file"], 0.03) for row in rows)
    assert 0.02 < held_out / len(rows) < 0.04


@pytest.mark.parametrize("licence_class", ["gpl2-only-or-unclear", "review-provenance", ""])
def test_a_table_with_a_forbidden_licence_is_refused(tmp_path, licence_class):
    table = tmp_path / "textures.csv"
    table.write_text(f"file,licence_class\na.png,ok\nb.png,{licence_class}\n")
    with pytest.raises(ValueError, match=r"b\.png"):
        textures.read_table(table)


def test_large_textures_are_scaled_and_small_ones_kept(tmp_path):
    for size, expected in (((1024, 2048), (384, 768)), ((256, 300), (256, 300)), ((500, 2000), (384, 768))):
        Image.new("RGBA", size, (200, 10, 10, 50)).save(tmp_path / "original.png")
        textures.store((tmp_path / "original.png").read_bytes(), tmp_path / "kept.webp")
        with Image.open(tmp_path / "kept.webp") as kept:
            assert (kept.size, kept.mode) == (expected, "RGB")


def test_a_run_begins_with_the_weights_of_another(drawn):
    run(drawn, "first", 3, drawn / "package")
    recipe = write_recipe(drawn, 0)
    weights = (drawn / "package" / WEIGHTS).relative_to(drawn)
    recipe.write_text(f'start_from = "{weights.as_posix()}"\nmax_hours = 1e-9\n' + recipe.read_text("utf-8"), "utf-8")
    state = load_file(train(recipe, drawn / "second", drawn / "textures", None, device="cpu"))
    first = load_file(drawn / "package" / WEIGHTS)
    for name, weight in first.items():
        torch.testing.assert_close(state[f"weight.{name}"], weight.float(), rtol=0, atol=0)
        torch.testing.assert_close(state[f"ema.{name}"], weight.float(), rtol=0, atol=0)
