# SPDX-License-Identifier: GPL-3.0-or-later
"""Self-attention in which the second half of the batch looks at the first: training for what rectifying does.

Self-rectification lets the picture being made attend, with its own queries, to the keys and values of the reference
(Zhou et al. 2024, arXiv 2401.02847, section 3.3). A network that was never asked to do that obeys poorly when it is
small; so it is trained on batches [references; targets] with the same injection in the same layers, the up path. Several
references together, as turned copies are in use, make one softmax over all their tokens.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F


class PairedSelfAttention:
    """A diffusers attention processor; the plain one while `shared` is false.

    `shared` is a tensor and chosen on with `where`, so that a compiled network is one graph for both.
    """

    def __init__(self, device: torch.device) -> None:
        self.shared, self.group = torch.tensor(False, device=device), 1

    def share(self, on: bool, group: int = 1) -> None:
        """Switch, in place: the graph has seen this tensor. group: so many references in a row are looked at together."""
        self.shared.fill_(on)
        self.group = group

    def __call__(self, attn, hidden_states: torch.Tensor, *_, **__) -> torch.Tensor:
        """Tokens (B, N, C) to tokens (B, N, C); B = 2n, entry n + i is the target of reference i."""
        queries, keys, values = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        if len(hidden_states) % (2 * self.group) == 0:
            keys, values = (torch.where(self.shared, self._joined(part), part.repeat(1, self.group, 1)) for part in (keys, values))
        split = [part.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for part in (queries, keys, values)]
        mixed = F.scaled_dot_product_attention(*split)  # (B, heads, N, C / heads)
        return attn.to_out[0](mixed.transpose(1, 2).flatten(2))

    def _joined(self, part: torch.Tensor) -> torch.Tensor:
        """Of each reference its own, of each target those of its group's references: (B, group · N, C).

        What is there several times over weighs no more in a softmax than once.
        """
        references = part[: len(part) // 2]
        of_group = references.unflatten(0, (-1, self.group)).flatten(1, 2).repeat_interleave(self.group, 0)
        return torch.cat([references.repeat(1, self.group, 1), of_group])


def install(network) -> PairedSelfAttention:
    """Put one processor into all self-attention of the up path; its `share` switches all of them."""
    processor = PairedSelfAttention(network.device)
    for name, module in network.named_modules():
        if name.startswith("up_blocks.") and name.endswith(".attn1"):
            module.set_processor(processor)
    return processor
