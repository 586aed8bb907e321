# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights in the order that the processor's convolutions and matrix multiplications read them in.

Without this PyTorch puts them into that order again at every call; in Stable Diffusion's deep levels, where a kernel has
more weights than the picture has pixels, that takes longer than the convolution itself. Only for bfloat16 on the CPU: in
float32 the order is PyTorch's own already.
"""

from __future__ import annotations

import torch

SMALL = 1 << 14  # weights; a layer below is not worth a detour through another operator


class PackedConv(torch.nn.Module):
    """nn.Conv2d, its kernel packed; pictures of any size."""

    def __init__(self, conv: torch.nn.Conv2d):
        super().__init__()
        self.padding, self.stride, self.dilation, self.groups = conv.padding, conv.stride, conv.dilation, conv.groups
        self.in_channels, self.out_channels, self.kernel_size = conv.in_channels, conv.out_channels, conv.kernel_size
        self.bias = conv.bias
        self.kernel = torch.ops.mkldnn._reorder_convolution_weight(conv.weight, self.padding, self.stride, self.dilation, self.groups, None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.padded(x, self.padding)

    def padded(self, x: torch.Tensor, padding: tuple[int, int]) -> torch.Tensor:
        """The same with another padding than its own."""
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.kernel, self.bias, padding, self.stride, self.dilation, self.groups, "none", [], ""
        )


class PackedPointwise(torch.nn.Module):
    """nn.Conv2d of 1 × 1: a matrix multiplication for every pixel, and many times faster as one than as a packed convolution."""

    def __init__(self, conv: torch.nn.Conv2d):
        super().__init__()
        self.in_channels, self.out_channels = conv.in_channels, conv.out_channels
        self.linear = PackedLinear(conv)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.movedim(1, -1)).movedim(-1, 1)


class PackedLinear(torch.nn.Module):
    """nn.Linear, or the matrix of a 1 × 1 convolution; the rows that come in may be of any number."""

    def __init__(self, layer: torch.nn.Linear | torch.nn.Conv2d):
        super().__init__()
        matrix = layer.weight.flatten(1).contiguous()
        self.out_features, self.in_features = matrix.shape
        self.bias = layer.bias
        self.matrix = torch.ops.mkldnn._reorder_linear_weight(matrix, None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self.matrix, self.bias, "none", [], "")


def pack(network: torch.nn.Module) -> None:
    """Replace the large convolutions and linear layers of a bfloat16 network on the CPU, in place. No training after this."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if type(child) is torch.nn.Conv2d and _pays(child) and _is_pointwise(child):
                setattr(parent, name, PackedPointwise(child))
            elif type(child) is torch.nn.Conv2d and _pays(child) and child.padding_mode == "zeros":
                setattr(parent, name, PackedConv(child))
            elif type(child) is torch.nn.Linear and _pays(child):
                setattr(parent, name, PackedLinear(child))


def _is_pointwise(conv: torch.nn.Conv2d) -> bool:
    return conv.kernel_size == conv.stride == (1, 1) and conv.padding == (0, 0) and conv.groups == 1


def _pays(layer: torch.nn.Conv2d | torch.nn.Linear) -> bool:
    weight = layer.weight
    return weight.device.type == "cpu" and weight.dtype == torch.bfloat16 and weight.numel() >= SMALL
