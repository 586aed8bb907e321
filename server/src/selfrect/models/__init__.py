# SPDX-License-Identifier: GPL-3.0-or-later
"""Diffusion models: `loading` (name or path → Model) by `folder` or `single_file`; `store` (where they are), `codec`, `condition`."""
