# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of models: fetched, checked, found in other tools' folders, copied, removed. No PyTorch in this room."""
