# SPDX-License-Identifier: GPL-3.0-or-later
"""One texture by its number: patterns laid out and mixed, coloured, weathered, and lit so that their height shows."""

from __future__ import annotations

import colorsys
from random import Random

import bpy
from layout import Place, bent, gradient
from patterns import ALL, Pattern
from shader_formulas import Formulas, Socket

Colour = tuple[float, float, float]


def draw(tree: bpy.types.NodeTree, number: int, seed: int) -> None:
    """Fill an empty node tree with texture `number`; the same numbers give the same nodes."""
    chance, f = Random(f"{seed}/{number}"), Formulas(tree)
    axes = f.add("ShaderNodeSeparateXYZ", {0: f.add("ShaderNodeNewGeometry", {}).outputs["Position"]}).outputs
    plane = Place(f, axes["X"], axes["Y"])
    spread = chance.choice((0.7, 1.0, 1.0, 1.5))
    at = bent(chance, plane.moved(chance.uniform(-9, 9), chance.uniform(-9, 9))) if chance.random() < 0.25 else bent(chance, plane)
    at = at.scaled(spread, spread)
    height, colour = _material(f, chance, at)
    if chance.random() < 0.55:  # another material, grown over the first or taking over across the picture
        other_height, other = _material(f, chance, bent(chance, plane) if chance.random() < 0.5 else at)
        share = gradient(chance, plane)
        if chance.random() < 0.5:  # it keeps to the hollows
            share = f.times(share, f.rise(height, chance.uniform(0.5, 1.0), chance.uniform(0.0, 0.4)))
        height, colour = _between(f, share, height, other_height), f.mix(share, colour, other)
    if chance.random() < 0.5:
        colour = _weathered(f, chance, plane, height, colour)
    _light(f, chance, height, colour)


def _material(f: Formulas, chance: Random, at: Place) -> tuple[Socket, Socket]:
    """Height and colour of one pattern, or of a small one on a large one."""
    large, palette = chance.choice(ALL)(f, chance, at), _palette(chance)
    height = large.height
    if chance.random() < 0.6:
        small = chance.choice(ALL)(f, chance, at.scaled(*[chance.uniform(2, 4)] * 2))
        height = f.plus(height, f.times(f.minus(small.height, 0.5), chance.uniform(0.1, 0.5)))
    tone = f.plus(f.times(height, chance.uniform(0.5, 1.0)), f.times(f.minus(large.piece, 0.5), chance.uniform(0.0, 0.7)))
    stops = sorted(chance.uniform(0.0, 1.0) for _ in palette)
    return height, f.mix(1.0, f.ramp(tone, list(zip(stops, palette, strict=True))), _pieces(f, chance, large), "MULTIPLY")


def _pieces(f: Formulas, chance: Random, pattern: Pattern) -> Socket:
    """A shade for each piece."""
    depth = chance.choice((0.0, chance.uniform(0.1, 0.5)))
    return f.grey(f.math("SUBTRACT", 1.0, f.times(pattern.piece, depth)))


def _palette(chance: Random) -> list[Colour]:
    """Three to five linear colours that belong together: one hue and its neighbours, now and then another; often pale."""
    hue, strong = chance.random(), chance.choice((0.15, 0.3, 0.5, 0.8)) * chance.uniform(0.5, 1.2)
    if chance.random() < 0.5:
        hue = chance.uniform(0.03, 0.17)  # earth, wood, leather, straw
    dark, bright = chance.uniform(0.03, 0.35), chance.uniform(0.45, 1.0)
    colours = []
    for _ in range(count := chance.randint(3, 5)):
        here = hue + chance.gauss(0, 0.03) + (0.5 if chance.random() < 0.08 else 0.0)
        value = dark + (bright - dark) * (len(colours) + chance.uniform(-0.4, 0.4)) / (count - 1)
        colours.append(colorsys.hsv_to_rgb(here % 1, min(max(strong + chance.gauss(0, 0.1), 0), 1), min(max(value, 0.01), 1)))
    if chance.random() < 0.4:
        colours.reverse()
    return [tuple(part**2.2 for part in colour) for colour in colours]


def _weathered(f: Formulas, chance: Random, plane: Place, height: Socket, colour: Socket) -> Socket:
    """Dirt in the hollows, worn edges or stains, more in one part of the picture than in another."""
    way, field = chance.choice(("dirt", "wear", "stains")), gradient(chance, plane)
    if way == "stains":
        share = f.times(field, f.rise(f.noise(plane.vector, chance.uniform(2, 9), 6.0, 0.7), -0.05, 0.12))
    else:
        share = f.times(field, f.rise(height, *((0.5, 0.1) if way == "dirt" else (0.6, 0.9))))
    tint = (*chance.choice(_palette(chance)), 1.0)
    return f.mix(f.times(share, chance.uniform(0.4, 0.9)), colour, tint, chance.choice(("MIX", "MULTIPLY")))


def _between(f: Formulas, share: Socket, first: Socket, second: Socket) -> Socket:
    return f.plus(first, f.times(share, f.minus(second, first)))


def _light(f: Formulas, chance: Random, height: Socket, colour: Socket) -> None:
    """Part of the colour shines by itself, the rest in a low sun over the height."""
    bump = f.add("ShaderNodeBump", {"Height": height, "Strength": chance.uniform(0.2, 1.0), "Distance": chance.uniform(0.01, 0.08)})
    lit = f.add("ShaderNodeBsdfDiffuse", {"Color": colour, "Normal": bump.outputs[0]})
    own = f.add("ShaderNodeEmission", {"Color": colour, "Strength": chance.uniform(0.25, 0.6)})
    both = f.add("ShaderNodeAddShader", {0: lit.outputs[0], 1: own.outputs[0]})
    f.add("ShaderNodeOutputMaterial", {"Surface": both.outputs[0]})
