# SPDX-License-Identifier: GPL-3.0-or-later
"""Shader nodes written as formulas: each method adds nodes and returns the output socket. Operands are sockets or plain values."""

from __future__ import annotations

import bpy

Socket = bpy.types.NodeSocket


class Formulas:
    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self.tree = tree

    def add(self, kind: str, inputs: dict, **attributes) -> bpy.types.Node:
        """A node of this kind; inputs by name or by place, since some nodes use a name more than once."""
        node = self.tree.nodes.new(kind)
        for name, value in attributes.items():
            setattr(node, name, value)
        for name, value in inputs.items():
            if isinstance(value, Socket):
                self.tree.links.new(value, node.inputs[name])
            else:
                node.inputs[name].default_value = value
        return node

    def math(self, operation: str, *operands) -> Socket:
        return self.add("ShaderNodeMath", dict(enumerate(operands)), operation=operation).outputs[0]

    def plus(self, first, *others) -> Socket:
        for other in others:
            first = self.math("ADD", first, other)
        return first

    def minus(self, first, second) -> Socket:
        return self.math("SUBTRACT", first, second)

    def times(self, first, *others) -> Socket:
        for other in others:
            first = self.math("MULTIPLY", first, other)
        return first

    def over(self, first, second) -> Socket:
        return self.math("DIVIDE", first, second)

    def vector(self, x, y, z=0.0) -> Socket:
        return self.add("ShaderNodeCombineXYZ", {"X": x, "Y": y, "Z": z}).outputs[0]

    def grey(self, value) -> Socket:
        return self.add("ShaderNodeCombineColor", {0: value, 1: value, 2: value}).outputs[0]

    def noise(self, vector, scale: float, detail: float = 4.0, roughness: float = 0.55) -> Socket:
        """Noise around 0, about -0.5 to 0.5."""
        inputs = {"Vector": vector, "Scale": scale, "Detail": detail, "Roughness": roughness}
        return self.minus(self.add("ShaderNodeTexNoise", inputs).outputs[0], 0.5)

    def rise(self, value, start: float, end: float) -> Socket:
        """0 where value is at start or before, 1 at end or behind, straight between; start may be above end."""
        return self.add("ShaderNodeMapRange", {"Value": value, "From Min": start, "From Max": end}).outputs[0]

    def ramp(self, factor, stops: list[tuple[float, tuple[float, float, float]]]) -> Socket:
        """A colour for each value of factor; stops: (position, linear RGB), in order."""
        node = self.add("ShaderNodeValToRGB", {"Fac": factor})
        elements = node.color_ramp.elements
        while len(elements) < len(stops):
            elements.new(1.0)
        for element, (position, colour) in zip(elements, stops, strict=True):
            element.position, element.color = position, (*colour, 1.0)
        return node.outputs["Color"]

    def mix(self, factor, first, second, blend: str = "MIX") -> Socket:
        """Blender's Mix node; its colour sockets share their names with others, hence the numbers."""
        return self.add("ShaderNodeMix", {0: factor, 6: first, 7: second}, data_type="RGBA", blend_type=blend).outputs[2]
