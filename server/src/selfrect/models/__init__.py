# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading diffusion models: `loading` (name or path → Model), `store` (where models are), `codec`, `condition`, `single_file`."""
