# SPDX-License-Identifier: GPL-3.0-or-later
"""What a texture is made of. Each pattern gives its height, about 0 to 1, and a field of its own that tells its pieces apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from layout import Place
from shader_formulas import Formulas, Socket


@dataclass(frozen=True)
class Pattern:
    """height: 0 deep, 1 high. piece: from 0 to 1, of one value within a stone, a brick, a board."""

    height: Socket
    piece: Socket


def noise(f: Formulas, chance: Random, at: Place) -> Pattern:
    """Clouds, ground, stone; sometimes with ridges."""
    scale, detail, rough = chance.uniform(1.5, 7), chance.uniform(3, 9), chance.uniform(0.45, 0.75)
    at = at.scaled(1.0, chance.choice((1.0, 1.0, chance.uniform(2, 6))))
    height = f.plus(f.times(f.noise(at.vector, scale, detail, rough), 1.6), 0.5)
    if chance.random() < 0.4:
        height = f.math("SUBTRACT", 1.0, f.times(f.math("ABSOLUTE", f.minus(height, 0.5)), 3.0))
    return Pattern(height, f.plus(f.noise(at.vector, scale * 0.4, 2.0), 0.5))


def cells(f: Formulas, chance: Random, at: Place) -> Pattern:
    """Pebbles, scales, leather, cracked mud, paving."""
    at = at.warped(chance.uniform(0.0, 0.12), 4.0, 2.0, chance.uniform(0, 99)).scaled(1.0, chance.choice((1.0, 1.0, chance.uniform(1, 3))))
    inputs = {"Vector": at.vector, "Scale": chance.uniform(3, 13), "Randomness": chance.choice((1.0, 0.9, chance.uniform(0.1, 0.8)))}
    plain = f.add("ShaderNodeTexVoronoi", inputs, feature="F1")
    piece = f.add("ShaderNodeSeparateColor", {0: plain.outputs["Color"]}).outputs[0]
    if chance.random() < 0.6:
        edge = f.add("ShaderNodeTexVoronoi", inputs, feature="DISTANCE_TO_EDGE").outputs[0]
        return Pattern(f.rise(edge, chance.uniform(0, 0.04), chance.uniform(0.07, 0.35)), piece)
    smooth = f.add("ShaderNodeTexVoronoi", inputs, feature=chance.choice(("F1", "SMOOTH_F1", "F2"))).outputs["Distance"]
    return Pattern(f.math("SUBTRACT", chance.uniform(0.9, 1.2), smooth), piece)


def waves(f: Formulas, chance: Random, at: Place) -> Pattern:
    """Ripples in sand, marble, fur, brushed metal."""
    inputs = {
        "Vector": at.vector, "Scale": chance.uniform(1.5, 8), "Distortion": chance.uniform(0, 9), "Detail": chance.uniform(1, 5),
        "Detail Scale": chance.uniform(0.5, 3),
    }  # fmt: skip
    kind, profile = chance.choice(("BANDS", "BANDS", "RINGS")), chance.choice(("SIN", "SAW", "TRI"))
    made = f.add("ShaderNodeTexWave", inputs, wave_type=kind, wave_profile=profile)
    return Pattern(made.outputs["Fac" if "Fac" in made.outputs else "Factor"], f.plus(f.noise(at.vector, 2.0), 0.5))


def bricks(f: Formulas, chance: Random, at: Place) -> Pattern:
    """Walls, boards, tiles; not quite straight."""
    at = at.warped(chance.uniform(0.0, 0.05), chance.uniform(2, 8), 2.0, chance.uniform(0, 99))
    inputs = {
        "Vector": at.vector, "Scale": chance.uniform(3, 9),
        "Mortar Size": chance.uniform(0.008, 0.04), "Mortar Smooth": chance.uniform(0, 0.8),
        "Brick Width": chance.uniform(0.3, 1.4), "Row Height": chance.uniform(0.2, 0.5), "Bias": chance.uniform(-0.3, 0.3),
        "Color1": (0, 0, 0, 1), "Color2": (1, 1, 1, 1), "Mortar": (0.5, 0.5, 0.5, 1),
    }  # fmt: skip
    offset, squash = chance.choice((0.0, 0.5, 0.5, 0.33)), chance.choice((1.0, chance.uniform(0.5, 1.5)))
    made = f.add("ShaderNodeTexBrick", inputs, offset=offset, squash=squash)
    piece = f.add("ShaderNodeSeparateColor", {0: made.outputs["Color"]}).outputs[0]
    mortar = made.outputs["Fac" if "Fac" in made.outputs else "Factor"]
    return Pattern(f.math("SUBTRACT", 1.0, mortar), piece)


def wood(f: Formulas, chance: Random, at: Place) -> Pattern:
    """Year rings that flow along the grain, and around a knot now and then."""
    for _ in range(chance.choice((0, 1, 1, 2))):
        at = _around(f, chance, at)
    grain = f.plus(at.y, f.times(f.noise(at.vector, 1.3, 2.0), chance.uniform(0.1, 0.6)))
    fibres = f.noise(f.vector(f.times(at.x, 1.6), f.times(grain, 26.0)), 2.0, 5.0, 0.75)
    years = f.times(grain, chance.uniform(4, 16))
    year = f.math("FRACT", f.plus(years, f.times(fibres, 0.5), f.times(f.noise(f.vector(0.0, grain), 5.0), 1.6)))
    return Pattern(f.plus(f.math("SUBTRACT", 0.9, f.times(f.math("POWER", year, 3.0), 0.8)), f.times(fibres, 0.6)), f.plus(fibres, 0.5))


def weave(f: Formulas, chance: Random, at: Place) -> Pattern:
    """Cloth, baskets, nets: threads over and under each other."""
    count = chance.uniform(8, 22)
    x, y = (f.times(part, count) for part in (at.x, at.y))
    across, along = (f.math("ABSOLUTE", f.math("SINE", f.times(part, math.pi))) for part in (x, y))
    turn = f.math("FLOORED_MODULO", f.plus(f.math("FLOOR", x), f.times(f.math("FLOOR", y), chance.choice((1.0, 1.0, 2.0)))), 2.0)
    height = f.plus(f.times(turn, across), f.times(f.math("SUBTRACT", 1.0, turn), along))
    return Pattern(f.plus(f.math("POWER", height, chance.uniform(0.4, 1.2)), f.times(f.noise(at.vector, 40.0), 0.3)), turn)


def fibres(f: Formulas, chance: Random, at: Place) -> Pattern:
    """Hair, grass, straw, bark: long thin noise in two layers."""
    length = chance.uniform(5, 16)
    first = f.noise(at.scaled(length, 1.0).vector, chance.uniform(1.5, 4), 5.0, 0.6)
    other = at.turned(chance.uniform(0.1, 0.5)).scaled(length * 1.3, 1.0)
    second = f.noise(other.vector, chance.uniform(2, 5), 4.0, 0.6)
    return Pattern(f.plus(f.math("MAXIMUM", first, second), f.times(first, 0.6), 0.35), f.plus(second, 0.5))


def _around(f: Formulas, chance: Random, at: Place) -> Place:
    """Grain as a stream past a round obstacle: ψ = y − Σ (y − c) R² / max(r², R²)."""
    cx, cy, radius = chance.uniform(-0.8, 0.8), chance.uniform(-0.8, 0.8), chance.uniform(0.06, 0.2)
    dx, dy = f.minus(at.x, cx), f.minus(at.y, cy)
    square = f.plus(f.times(dx, dx, 0.6), f.times(dy, dy))
    return Place(f, at.x, f.minus(at.y, f.times(dy, f.over(1.2 * radius**2, f.math("MAXIMUM", square, radius**2)))))


ALL = (noise, cells, cells, waves, bricks, wood, weave, fibres)
