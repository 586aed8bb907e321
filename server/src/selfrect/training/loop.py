# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from selfrect.training import checkpoint, clock, losses, samples
from selfrect.training.data import Crops, is_held_out, load_textures
from selfrect.training.export import export_weights
from selfrect.training.network import PATCH, build_network, cosine_alphas, predict, write_descriptions
from selfrect.training.paired_attention import install
from selfrect.training.recipe import Phase, Recipe, read_recipe
from selfrect.training.textures import read_table

LOG_EVERY = 20  # steps


def train(recipe_path, output_dir, textures_dir, package_dir=None, until=None, device=None) -> Path:
    """Train as the recipe says, from its last checkpoint in `output_dir` if there is one.

    `textures_dir`: what `textures.fetch` filled. `package_dir`: where the averaged weights go, every so many minutes
    and at the end; None leaves it out. `until`: an end by the clock, "HH:MM", in place of the recipe's `max_hours`.
    Returns the path of the last checkpoint.
    """
    recipe = read_recipe(Path(recipe_path))
    names = [row["file"] for row in read_table(Path(recipe_path).parent / recipe.textures)]
    run = Run(recipe, names, Path(textures_dir), Path(output_dir), package_dir and Path(package_dir), device)
    if recipe.start_from:
        run.begin_with(Path(recipe_path).parent / recipe.start_from)
    run.start(clock.seconds_until(until) if until else recipe.max_hours * 3600)
    signal.signal(signal.SIGTERM, run.ask_to_stop)
    while (progress := run.clock.progress(run.step)) < 1.0 and not run.stopping:
        run.train_step(recipe.phase_at(progress), clock.learning_rate(recipe, run.step, progress))
        run.report_when_due(progress)
    run.save()
    if not run.stopping:
        run.show()
        run.export()
    return run.state_path


class Run:
    """Everything a run holds, and the few things it does."""

    def __init__(self, recipe: Recipe, names, textures_dir: Path, output_dir: Path, package_dir, device=None) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.output_dir, self.package_dir = recipe, output_dir, package_dir
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.network = build_network(recipe.channels, recipe.layers, recipe.heads)
        self.network.to(self.device, memory_format=torch.channels_last)
        self.attention = install(self.network)
        self.compiled = torch.compile(self.network, dynamic=False)  # nothing is compiled before it is called
        self.average = {name: weight.detach().clone() for name, weight in self.network.named_parameters()}
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        self.alphas = cosine_alphas().float().to(self.device)
        self.crops = Crops(load_textures(textures_dir, [n for n in names if not self.held_out(n)]), recipe.seed)
        unseen = load_textures(textures_dir, [n for n in names if self.held_out(n)])
        self.unseen = Crops(unseen or self.crops.textures, seed=1)

    def held_out(self, name: str) -> bool:
        """Whether a texture is kept out of training."""
        return is_held_out(name, self.recipe.held_out)

    @property
    def state_path(self) -> Path:
        """The run's one checkpoint."""
        return self.output_dir / "state.safetensors"

    @torch.no_grad()
    def begin_with(self, weights: Path) -> None:
        """Take over the weights of an earlier run, also as the average so far; a checkpoint of this run goes before them."""
        stored = load_file(weights, device=str(self.device))
        for name, weight in self.network.named_parameters():
            weight.copy_(stored[name])
            self.average[name].copy_(stored[name])

    def start(self, seconds: float) -> None:
        """Pick up the last checkpoint, or start afresh; from now on the clock runs."""
        self.output_dir.mkdir(parents=True, exist_ok=True)
        counters = {"step": 0, "seconds": 0.0}
        if self.state_path.exists():
            counters = checkpoint.restore(self.state_path, self.network, self.average, self.optimizer)
        self.step = counters["step"]
        self.clock = clock.Clock(self.recipe.steps, seconds, counters["seconds"])
        self.losses, self.last_log, self.stopping = [], time.monotonic(), False
        self.due = [
            (clock.Every(self.recipe.checkpoint_minutes), self.save),
            (clock.Every(self.recipe.sample_minutes), self.show),
            (clock.Every(self.recipe.export_minutes), self.export),
        ]
        self.log({"start": self.step, "textures": len(self.crops.textures), "held_out": len(self.unseen.textures)})
        if self.package_dir:
            write_descriptions(self.network, self.package_dir, self.recipe.version)

    def ask_to_stop(self, *_) -> None:
        """On SIGTERM: finish the step, save, end; the next start continues from here."""
        self.stopping = True

    def train_step(self, phase: Phase, rate: float) -> None:
        """One batch: noise it, predict v, step, average. All chance comes from (seed, step)."""
        chance = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.step)
        images = self.crops.batch(self.step, phase.crop, phase.batch, phase.pairs).to(self.device)
        clean = F.pixel_unshuffle(images, PATCH)
        timesteps = self.draw_timesteps(chance, phase)
        noise = torch.randn(clean.shape, generator=chance).to(self.device)
        noisy, target = losses.add_noise(clean, noise, self.alphas[timesteps])
        shared = phase.pairs and torch.rand((), generator=chance).item() < phase.shared_attention
        self.attention.share(shared)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"):
            network = self.compiled if self.recipe.compile else self.network
            predicted = predict(network, noisy.to(memory_format=torch.channels_last), timesteps)
        weight = losses.weights(self.alphas[timesteps], self.recipe.min_snr_gamma, self.recipe.least_weight)
        loss = losses.v_loss(predicted, target, weight)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.update_average()
        self.losses.append(loss.detach())

    def draw_timesteps(self, chance: torch.Generator, phase: Phase) -> torch.Tensor:
        """Timesteps (batch,): uniform, and a part of them from both ends; a pair's two crops are noised alike."""
        count = phase.batch // 2 if phase.pairs else phase.batch
        uniform = torch.rand(count, generator=chance)
        ends = torch.rand(count, generator=chance) < self.recipe.end_emphasis
        place = torch.where(ends, (uniform * 0.4 + 0.8) % 1.0, uniform)  # [0.8, 1.2): the highest fifth, the lowest
        timesteps = (place * len(self.alphas)).long().clamp(max=len(self.alphas) - 1).to(self.device)
        return torch.cat([timesteps, timesteps]) if phase.pairs else timesteps

    @torch.no_grad()
    def update_average(self) -> None:
        """Exponential moving average; short at first, so that the random start is forgotten."""
        random_start = not self.recipe.start_from
        keep = min(self.recipe.ema, (1 + self.step) / (10 + self.step)) if random_start else self.recipe.ema
        weights = [weight.detach() for weight in self.network.parameters()]
        torch._foreach_lerp_(list(self.average.values()), weights, 1 - keep)

    def report_when_due(self, progress: float) -> None:
        """Log, and whatever else its time has come for."""
        if self.step % LOG_EVERY == 0:
            now = time.monotonic()
            rate = self.optimizer.param_groups[0]["lr"]
            loss = torch.stack(self.losses).mean().item()
            pace = len(self.losses) / (now - self.last_log)
            entry = {"loss": loss, "rate": rate, "steps_per_s": pace, "progress": progress}
            self.log({name: float(f"{value:.4g}") for name, value in entry.items()})
            self.losses, self.last_log = [], now
        for due, action in self.due:
            if due():
                action()

    def log(self, entry: dict) -> None:
        """One line of JSON."""
        line = json.dumps({"step": self.step, "time": time.strftime("%H:%M:%S"), **entry})
        with open(self.output_dir / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def save(self) -> None:
        """Checkpoint."""
        counters = {"step": self.step, "seconds": self.clock.elapsed()}
        checkpoint.save(self.state_path, self.network, self.average, self.optimizer, counters)

    def show(self) -> None:
        """Held-out loss, and a sheet: references, targets, pictures from noise without and with the reference."""
        images = self.unseen.batch(0, self.recipe.sheet_crop, 16, pairs=True).to(self.device)
        with samples.averaged(self.network, self.average):
            self.attention.share(False)
            self.log({"held_out": samples.held_out_loss(self.network, self.alphas, images)})
            references = images[:8]
            made = [
                samples.sample(self.network, self.attention, self.alphas, references, shared, self.recipe.sheet_steps)
                for shared in (False, True)
            ]
        samples.write_sheet(self.output_dir / f"sheet-{self.step:06d}.png", [references, images[8:], *made])

    def export(self) -> None:
        """The averaged weights, for everybody else."""
        if self.package_dir:
            export_weights(self.average, self.package_dir)
