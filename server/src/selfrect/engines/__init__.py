# SPDX-License-Identifier: GPL-3.0-or-later
"""One folder per engine, all of one shape: `description.py` (data, no PyTorch) and `synthesize(model, request, report)`."""
