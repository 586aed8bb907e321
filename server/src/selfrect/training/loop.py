# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop."""

from __future__ import annotations

import json
import math
import signal
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

from selfrect.training import checkpoint, clock, losses, noising, pack, samples, small
from selfrect.training.data import Crops
from selfrect.training.export import export_weights
from selfrect.training.network import build_network, cosine_alphas, predict, write_descriptions
from selfrect.training.paired_attention import install
from selfrect.training.recipe import Phase, Recipe, read_recipe

LOG_EVERY = 20  # steps


def train(recipe_path, output_dir, pack_path, package_dir=None, until=None, device=None, minutes=0.0, carried=None) -> Path:
    """Train as the recipe says, from its last checkpoint in `output_dir` if there is one.

    `pack_path`: what `pack.make` wrote. `package_dir`: where the averaged weights go, every so many minutes and at the
    end; None leaves it out. `until`: an end by the clock, "HH:MM", in place of the recipe's `max_hours`. `minutes`: this
    start stops after so long, though the run is not at its end. `carried`: a small checkpoint to go on from, where
    there is no whole one. Returns the path of the last checkpoint.
    """
    recipe = read_recipe(Path(recipe_path))
    run = Run(recipe, Path(pack_path), Path(output_dir), package_dir and Path(package_dir), device)
    if recipe.start_from:
        run.begin_with(Path(recipe_path).parent / recipe.start_from)
    run.start(until, carried and Path(carried))
    signal.signal(signal.SIGTERM, run.ask_to_stop)
    paused = clock.Every(minutes or math.inf)
    while (progress := run.clock.progress(run.step)) < 1.0 and not run.stopping:
        run.train_step(recipe.phase_at(progress), clock.learning_rate(recipe, run.step - run.fresh, progress))
        run.report_when_due(progress)
        run.stopping = run.stopping or paused()
    run.save()
    if not run.stopping:
        run.show()
        run.export()
    return run.state_path


class Run:
    """Everything a run holds, and the few things it does."""

    def __init__(self, recipe: Recipe, pack_path: Path, output_dir: Path, package_dir, device=None) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.output_dir, self.package_dir = recipe, output_dir, package_dir
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")
        self.network = build_network(recipe.channels, recipe.layers, recipe.heads)
        self.network.to(self.device, memory_format=torch.channels_last)
        self.attention = install(self.network)
        # nothing is compiled before it is called
        self.compiled = torch.compile(self.network, dynamic=False, mode=recipe.compile_mode)
        self.average = {name: weight.detach().clone() for name, weight in self.network.named_parameters()}
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        self.alphas = cosine_alphas().float().to(self.device)
        pictures, held_out = pack.read(pack_path, self.device)
        self.crops = Crops(pictures, recipe.seed, recipe.turned)
        self.unseen = Crops(held_out if len(held_out) else pictures, seed=1)

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

    def start(self, until: str | None = None, carried: Path | None = None) -> None:
        """Pick up the last checkpoint, or start afresh; from now on the clock runs."""
        self.output_dir.mkdir(parents=True, exist_ok=True)
        counters = {"step": 0, "seconds": 0.0}
        if self.state_path.exists():
            counters = checkpoint.restore(self.state_path, self.network, self.average, self.optimizer)
        elif carried:
            counters = small.restore(carried, self.network, self.average)
            counters["fresh"] = counters["step"]
        self.step, self.fresh = counters["step"], counters.get("fresh", 0)
        before = counters["seconds"]
        left = clock.seconds_until(until) if until else max(self.recipe.max_hours * 3600 - before, 1e-6) if self.recipe.max_hours else 0.0
        self.clock = clock.Clock(self.recipe.steps, left, before)
        self.losses, self.last_log, self.stopping = [], time.monotonic(), False
        self.due = [
            (clock.Every(self.recipe.checkpoint_minutes), self.save),
            (clock.Every(self.recipe.sample_minutes), self.show),
            (clock.Every(self.recipe.export_minutes), self.export),
        ]
        self.log({"start": self.step, "textures": len(self.crops.pictures), "held_out": len(self.unseen.pictures)})

    def ask_to_stop(self, *_) -> None:
        """On SIGTERM: finish the step, save, end; the next start continues from here."""
        self.stopping = True

    def train_step(self, phase: Phase, rate: float) -> None:
        """One batch: noise it, predict v, step, average."""
        images = self.crops.batch(self.step, phase.crop, phase.batch, phase.pairs, phase.group)
        task = noising.task(images, self.step, phase, self.recipe, self.alphas)
        self.attention.share(task.shared, phase.group)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"):
            network = self.compiled if self.recipe.compile else self.network
            predicted = predict(network, task.noisy.to(memory_format=torch.channels_last), task.timesteps)
        loss = losses.v_loss(predicted, task.target, task.weight)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.update_average()
        self.losses.append(loss.detach().clone())  # what a compiled graph returns, its next run may overwrite

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
        counters = {"step": self.step, "seconds": self.clock.elapsed(), "fresh": self.fresh}
        checkpoint.save(self.state_path, self.network, self.average, self.optimizer, counters)

    def show(self) -> None:
        """Held-out loss, and a sheet: references, targets, pictures from noise without and with the reference."""
        images = self.unseen.batch(0, self.recipe.sheet_crop, 16, pairs=True)
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
            write_descriptions(self.network, self.package_dir, self.recipe.version, self.recipe.used_until)
            export_weights(self.average, self.package_dir)
