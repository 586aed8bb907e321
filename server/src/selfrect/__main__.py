# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m selfrect` is the command `selfrect`."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
