# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a pattern lies: coordinates that bend, turn and change their scale across the picture, and fields from 0 to 1 over it."""

from __future__ import annotations

import math
from random import Random

from shader_formulas import Formulas, Socket


class Place:
    """A point of the plane, x and y in [-1, 1], as sockets; each method gives another place."""

    def __init__(self, f: Formulas, x: Socket, y: Socket) -> None:
        self.f, self.x, self.y = f, x, y

    @property
    def vector(self) -> Socket:
        return self.f.vector(self.x, self.y)

    def turned(self, angle) -> Place:
        """By an angle in radians, a number or a socket."""
        f = self.f
        cos, sin = (f.math(name, angle) for name in ("COSINE", "SINE"))
        return Place(f, f.minus(f.times(cos, self.x), f.times(sin, self.y)), f.plus(f.times(sin, self.x), f.times(cos, self.y)))

    def moved(self, x, y) -> Place:
        return Place(self.f, self.f.plus(self.x, x), self.f.plus(self.y, y))

    def scaled(self, x, y) -> Place:
        return Place(self.f, self.f.times(self.x, x), self.f.times(self.y, y))

    def warped(self, amount: float, scale: float, detail: float, where: float) -> Place:
        """Pushed about by noise. where: a number that tells one noise from another."""
        f, there = self.f, [self.moved(where + k, 7.3 * k + where) for k in (0.0, 31.7)]
        return self.moved(*(f.times(f.noise(place.vector, scale, detail), amount) for place in there))

    def polar(self, cx: float, cy: float, rays: float) -> Place:
        """Distance from a centre, and the angle around it, so that lines become rings or rays."""
        f, dx, dy = self.f, self.f.minus(self.x, cx), self.f.minus(self.y, cy)
        radius = f.math("SQRT", f.plus(f.times(dx, dx), f.times(dy, dy), 0.002))
        return Place(f, f.times(f.math("ARCTAN2", dy, dx), rays / math.pi), radius)

    def towards(self, strength: float) -> Place:
        """Smaller and smaller upwards, as a floor that goes away from the eye."""
        f = self.f
        depth = f.over(1.0, f.plus(1.0 + strength, f.times(self.y, strength)))
        return Place(f, f.times(self.x, depth, 1 + strength), f.times(depth, -(1 + strength) / strength))

    def swirled(self, cx: float, cy: float, amount: float, reach: float) -> Place:
        """Turned around a centre, the more the nearer."""
        f, here = self.f, self.moved(-cx, -cy)
        square = f.plus(f.times(here.x, here.x), f.times(here.y, here.y))
        return here.turned(f.times(f.math("EXPONENT", f.times(square, -1 / reach**2)), amount)).moved(cx, cy)


def bent(chance: Random, place: Place) -> Place:
    """One of the ways in which a texture is not the same everywhere; a quarter of the time it is."""
    way = chance.choice(("straight", "straight", "flow", "flow", "swirl", "towards", "fan", "lens", "flow and swirl"))
    if "flow" in way:
        place = place.warped(chance.uniform(0.3, 1.1), chance.uniform(0.5, 1.3), 1.0, chance.uniform(0, 99))
    if "swirl" in way:
        place = place.swirled(chance.uniform(-0.6, 0.6), chance.uniform(-0.6, 0.6), chance.uniform(-3, 3), chance.uniform(0.4, 1.0))
    if way == "towards":
        place = place.towards(chance.uniform(0.4, 0.8))
    if way == "fan":
        place = place.polar(chance.uniform(-1.6, 1.6), chance.choice((-1.5, 1.4)), chance.uniform(3, 6))
    if way == "lens":
        square = place.f.plus(place.f.times(place.x, place.x), place.f.times(place.y, place.y))
        grow = place.f.plus(1.0, place.f.times(square, chance.uniform(0.3, 1.2)))
        place = place.scaled(grow, grow)
    return place.turned(chance.uniform(0, 2 * math.pi) if chance.random() < 0.6 else 0.0)


def gradient(chance: Random, place: Place) -> Socket:
    """A field from about 0 to 1 that goes over the picture once: across it, from a spot, or in patches; its edge is ragged."""
    f, way = place.f, chance.choice(("across", "spot", "patches"))
    ragged = f.times(f.noise(place.vector, chance.uniform(2, 6), 4.0, 0.6), chance.uniform(0.3, 1.5))
    if way == "patches":
        return f.rise(f.plus(f.noise(place.vector, chance.uniform(0.7, 1.6), 1.0), f.times(ragged, 0.25)), -0.15, 0.15)
    if way == "spot":
        dx, dy = f.minus(place.x, chance.uniform(-0.8, 0.8)), f.minus(place.y, chance.uniform(-0.8, 0.8))
        distance = f.math("SQRT", f.plus(f.times(dx, dx), f.times(dy, dy)))
        return f.rise(f.plus(distance, ragged), chance.uniform(0.9, 1.6), chance.uniform(0.0, 0.5))
    along = place.turned(chance.uniform(0, 2 * math.pi)).x
    return f.rise(f.plus(along, ragged), chance.uniform(-0.9, -0.2), chance.uniform(0.2, 0.9))
