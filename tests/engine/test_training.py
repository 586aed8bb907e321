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
from selfrect.training import clock, data, losses, network, noising, paired_attention, rough, samples, small, textures  # noqa: E402
from selfrect.training import pack as packing  # noqa: E402
from selfrect.training.__main__ import main  # noqa: E402
from selfrect.training.export import WEIGHTS, export_checkpoint, export_run  # noqa: E402
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
    packing.make({name: textures.stored_path(folder, {"file": name}) for name in NAMES}, tmp_path / "pack.zip", 64, 1.0, 0.25)
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
        "turned = 0.3\nused_until = 0.05\n"
        "[[phases]]\ncrop = 32\nbatch = 8\ngroup = 2\npairs = true\nshared_attention = 0.7\nstray = 0.3\nrough = 0.5\n",
        encoding="utf-8",
    )
    return path


def run(folder: Path, name: str, steps: int, package: Path | None = None) -> dict[str, torch.Tensor]:
    """Train (or continue) the run called `name` up to `steps`; its checkpoint's tensors."""
    return load_file(train(write_recipe(folder, steps), folder / name, folder / "pack.zip", package, device="cpu"))


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
    assert 0.99 < used[-1] / 0.05 < 1.01
    torch.testing.assert_close(used, trained[: len(used)], atol=1e-5, rtol=1e-3)
    assert json.loads((package / "model_index.json").read_text())["_class_name"] == "selfrect.tiny"
    assert {path.suffix for path in package.rglob("*") if path.is_file()} == {".json", ".safetensors"}


def test_a_checkpoint_can_be_exported_at_any_moment(drawn):
    state = run(drawn, "run", 2)
    weights = load_file(export_checkpoint(drawn / "run" / "state.safetensors", drawn / "elsewhere"))
    assert weights.keys() == {name[4:] for name in state if name.startswith("ema.")}


@pytest.mark.parametrize("group", [1, 2])
def test_targets_read_the_references_of_their_group_and_references_do_not_change(group):
    torch.manual_seed(0)
    net = network.build_network((32, 32, 32), 1, 4).eval()
    attention = paired_attention.install(net)
    noisy, timesteps = torch.randn(8, 48, 8, 8), torch.full((8,), 300)
    other = torch.cat([torch.randn(1, 48, 8, 8), noisy[1:]])  # the first reference is another one
    with torch.no_grad():
        attention.share(False, group)
        plain, plain_other = (network.predict(net, batch, timesteps) for batch in (noisy, other))
        attention.share(True, group)
        shared, shared_other = (network.predict(net, batch, timesteps) for batch in (noisy, other))
        attention.share(False)
        alone = network.predict(net, noisy, timesteps)
    torch.testing.assert_close(plain, alone, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(plain[4:], plain_other[4:], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(shared[:4], plain[:4], atol=1e-5, rtol=1e-5)
    changed = (shared - shared_other)[4:].abs().amax((1, 2, 3)) > 1e-4
    assert changed.tolist() == [number < group for number in range(4)]


def ramps(count: int, side: int) -> torch.Tensor:
    """Pictures whose red says the column, green the row, and blue the picture."""
    line = torch.arange(side).float() * 255 / (side - 1)
    red, green = line.expand(side, side), line[:, None].expand(side, side)
    return torch.stack([torch.stack([red, green, torch.full((side, side), 20.0 * n)]) for n in range(count)]).round().byte()


def test_batches_depend_on_seed_and_step_only():
    pictures = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    crops = data.Crops(pictures, seed=4, turned=0.5)
    batch = crops.batch(7, 32, 8, pairs=True, group=2)
    assert batch.shape == (8, 3, 32, 32)
    assert batch.dtype == torch.float32
    assert batch.min() >= -1
    assert batch.max() <= 1
    assert torch.equal(batch, data.Crops(pictures, seed=4, turned=0.5).batch(7, 32, 8, pairs=True, group=2))
    assert not torch.equal(batch, crops.batch(8, 32, 8, pairs=True, group=2))


def test_crops_of_a_group_are_of_one_texture_and_half_of_them_are_its_own_pixels(monkeypatch):
    class Unchanged(data.Looks):
        def __call__(self, crops, means, group):
            return crops

    monkeypatch.setattr(data, "Looks", Unchanged)
    pictures, sharp = ramps(9, 64), 0
    for step in range(12):
        batch = (data.Crops(pictures, seed=1).batch(step, 16, 8, pairs=True, group=2) + 1) * 127.5
        blue = (batch[:, 2].mean((1, 2)) / 20).round().int().tolist()
        assert blue == [blue[0], blue[0], blue[2], blue[2]] * 2
        exact = (batch - batch.round()).abs().amax((1, 2, 3)) < 0.02
        for crop in batch[exact]:  # a step of one column changes red or green by that of the picture, whatever the turn
            steps = torch.stack([crop[:2].diff(dim=axis).abs().mean((1, 2)) for axis in (1, 2)])
            assert steps.max() == pytest.approx(255 / 63, rel=0.02)
        sharp += int(exact.sum())
    assert 0.25 * 96 < sharp < 0.75 * 96


def test_references_that_stray_are_noised_from_the_other_end_and_not_asked_about():
    recipe = Recipe(name="x", used_until=0.1)
    alphas = network.cosine_alphas().float()
    phase = Phase(batch=4, pairs=True, shared_attention=1.0, stray=1.0)
    images = torch.zeros(4, 3, 16, 16)
    task = noising.task(images, 3, phase, recipe, alphas)
    assert task.shared
    assert task.weight[:2].tolist() == [0.0, 0.0]
    assert (task.weight[2:] > 0).all()
    assert task.timesteps[:2].tolist() == task.timesteps[2:].tolist()
    levels = noising.strayed(task.timesteps, 700)
    assert levels[2:].tolist() == task.timesteps[2:].tolist()
    assert levels[:2].tolist() == [max(699 - t, 0) for t in task.timesteps[:2].tolist()]


def test_rough_targets_are_shown_and_clean_ones_asked_for():
    recipe, alphas = Recipe(name="x"), network.cosine_alphas().float()
    images = ramps(6, 32).float() / 127.5 - 1
    phase = Phase(batch=6, pairs=True, shared_attention=1.0, rough=1.0)
    task, plain = (noising.task(images, 1, p, recipe, alphas) for p in (phase, Phase(batch=6, pairs=True, shared_attention=1.0)))
    signal, sigma = (part.sqrt().view(-1, 1, 1, 1) for part in (alphas[task.timesteps], 1 - alphas[task.timesteps]))
    clean = torch.nn.functional.pixel_unshuffle(images, network.PATCH)
    torch.testing.assert_close(signal * task.noisy - sigma * task.target, clean, atol=1e-4, rtol=1e-4)
    assert torch.equal(task.noisy[:3], plain.noisy[:3])
    assert not torch.allclose(task.noisy[3:], plain.noisy[3:], atol=0.05)
    again = noising.task(images, 1, phase, recipe, alphas)
    assert torch.equal(task.noisy, again.noisy)


def test_roughness_is_shuffled_pixels_of_the_reference_and_small_moves():
    targets, references = ramps(4, 64).float(), torch.full((4, 3, 64, 64), 300.0)
    made = rough.roughened(targets, references, (4, -5), torch.Generator().manual_seed(2))
    background = (made == 300).all(1)
    assert 0.05 < background.float().mean() < 0.95
    step = 255 / 63
    moved = ((made - targets).abs().amax(1) > 0.5) & ~background
    assert moved.any()
    apart = (made - targets)[:, 1].abs()[moved]
    assert (apart[apart < 128] <= rough.FURTHEST * step + 1).all()  # but for what went around the edge
    strengths = rough.strength(torch.tensor([0.0, 0.75, 0.9999])).flatten()
    assert strengths.tolist() == pytest.approx([1.0, 1.0, 0.02], abs=1e-3)


def test_a_pack_keeps_to_its_size_and_keeps_the_held_out_ones_aside(drawn):
    train_on, unseen = packing.read(drawn / "pack.zip")
    assert train_on.shape[1:] == unseen.shape[1:] == (3, 64, 64)
    held = [name for name in NAMES if data.is_held_out(name, 0.25)]
    assert 0 < len(held) == len(unseen)
    assert len(train_on) == len(NAMES) - len(held)
    files = {name: textures.stored_path(drawn / "textures", {"file": name}) for name in NAMES}
    about = packing.make(files, drawn / "smaller.zip", 64, 0.0075, 0.25)
    assert about["quality"] < packing.QUALITIES[0]
    assert (drawn / "smaller.zip").stat().st_size < 7700
    with pytest.raises(ValueError, match="5 textures of 64² take"):
        packing.make(files, drawn / "none.zip", 64, 0.001, 0.25)
    assert not (drawn / "none.zip").exists()


def test_small_pictures_are_mirrored_and_large_ones_scaled_and_cut():
    pixels = np.arange(12 * 20 * 3, dtype=np.uint8).reshape(12, 20, 3)
    square = np.asarray(packing.square(Image.fromarray(pixels), 20))
    assert square.shape == (20, 20, 3)
    assert np.array_equal(square, np.pad(pixels, ((0, 8), (0, 0), (0, 0)), "symmetric"))
    assert packing.square(Image.new("L", (400, 100)), 50).size == (50, 50)


def test_a_small_checkpoint_travels_in_pieces_and_the_run_goes_on_from_it(drawn):
    state = run(drawn, "run", 4)
    pieces = export_run(drawn / "run", None, carry=drawn / "away" / "small.safetensors", pieces=0.2)
    whole = sum(tensor.numel() for name, tensor in state.items() if name.startswith("weight."))
    assert len(pieces) > 1
    assert all(piece.stat().st_size <= 200_000 for piece in pieces)
    assert sum(piece.stat().st_size for piece in pieces) < 3.2 * whole
    net = network.build_network((32, 32, 32), 1, 4)
    average = {name: torch.zeros_like(weight) for name, weight in net.named_parameters()}
    assert small.restore(drawn / "away" / "small.safetensors", net, average)["step"] == 4
    for name, weight in net.named_parameters():
        torch.testing.assert_close(weight, state[f"weight.{name}"], atol=1e-3, rtol=1e-3)
        ahead = (state[f"ema.{name}"] - state[f"weight.{name}"]).abs().max().item()
        torch.testing.assert_close(average[name], state[f"ema.{name}"], atol=0.1 * ahead + 1e-3, rtol=1e-3)
    train(write_recipe(drawn, 6), drawn / "further", drawn / "pack.zip", None, device="cpu", carried=drawn / "away" / "small.safetensors")
    log = [json.loads(line) for line in (drawn / "further" / "log.jsonl").read_text().splitlines()]
    assert log[0]["start"] == 4
    assert log[-1]["step"] == 6
    with pytest.raises(FileNotFoundError, match="nowhere"):
        small.joined(drawn / "nowhere")


def test_pack_train_and_export_are_one_command_each(drawn, monkeypatch, capsys):
    monkeypatch.chdir(drawn)
    recipe = write_recipe(drawn, 2)
    (drawn / "out" / "drawn").mkdir(parents=True)
    Image.effect_noise((64, 64), 80).save(drawn / "out" / "drawn" / "drawn_00000.png")
    recipe.write_text("side = 64\n" + recipe.read_text("utf-8"), "utf-8")
    main(["pack", str(recipe), "--textures", "textures", "--no-fetch", "--megabytes", "0.5"])
    train_on, unseen = packing.read(Path("out/training/tiny.zip"))
    assert len(train_on) + len(unseen) == len(NAMES) + 1
    main([str(recipe), "--no-package", "--device", "cpu"])
    main(["export", "out/training/tiny-0.1", "package", "--recipe", str(recipe), "--carry", "out/small.safetensors"])
    assert "small.safetensors" in capsys.readouterr().out
    assert (drawn / "package" / WEIGHTS).is_file()
    assert json.loads((drawn / "package" / "model_index.json").read_text())["version"] == "0.1"


def test_a_start_may_stop_before_the_end_of_its_run(drawn):
    recipe = write_recipe(drawn, 500)
    state = load_file(train(recipe, drawn / "short", drawn / "pack.zip", drawn / "package", device="cpu", minutes=1e-6))
    assert any(name.startswith("exp_avg.") for name in state)
    assert not (drawn / "package" / WEIGHTS).exists()
    log = [json.loads(line) for line in (drawn / "short" / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [0]  # one step was made, too few for a line; no sheet, no held-out loss


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
    state = load_file(train(recipe, drawn / "second", drawn / "pack.zip", None, device="cpu"))
    first = load_file(drawn / "package" / WEIGHTS)
    for name, weight in first.items():
        torch.testing.assert_close(state[f"weight.{name}"], weight.float(), rtol=0, atol=0)
        torch.testing.assert_close(state[f"ema.{name}"], weight.float(), rtol=0, atol=0)
