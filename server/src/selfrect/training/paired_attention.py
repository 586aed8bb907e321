# SPDX-License-Identifier: GPL-3.0-or-later
"""Self-attention in which the second half of the batch looks at the first: training for what rectifying does.

Self-rectification lets the picture being made attend, with its own queries, to the keys and values of the reference
(Zhou et al. 2024, arXiv 2401.02847, section 3.3). A network that was never asked to do that obeys poorly when it is
small; so it is trained on batches [references; targets] with the same injection in the same layers, the up path.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F


class PairedSelfAttention:
    """A diffusers attention processor; the plain one while `shared` is false.

    `shared` is a tensor and chosen on with `where`, so that a compiled network is one graph for both.
    """

    def __init__(self, device: torch.device) -> None:
        self.shared = torch.tensor(False, device=device)

    def share(self, on: bool) -> None:
        """Switch, in place: the graph has seen this tensor."""
        self.shared.fill_(on)

    def __call__(self, attn, hidden_states: torch.Tensor, *_, **__) -> torch.Tensor:
        """Tokens (B, N, C) to tokens (B, N, C); B = 2n, entry n + i is the target of reference i."""
        queries, keys, values = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        half = len(hidden_states) // 2
        if 2 * half == len(hidden_states):
            keys, values = (torch.where(self.shared, part[:half].repeat(2, 1, 1), part) for part in (keys, values))
        split = [part.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for part in (queries, keys, values)]
        mixed = F.scaled_dot_product_attention(*split)  # (B, heads, N, C / heads)
        return attn.to_out[0](mixed.transpose(1, 2).flatten(2))


def install(network) -> PairedSelfAttention:
    """Put one processor into all self-attention of the up path; its `share` switches all of them."""
    processor = PairedSelfAttention(network.device)
    for name, module in network.named_modules():
        if name.startswith("up_blocks.") and name.endswith(".attn1"):
            module.set_processor(processor)
    return processor
