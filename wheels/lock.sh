#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the lock files anew: wheels/lock.sh, with uv on the PATH (pip install uv). Afterwards look over the licences (README.md).
# PyTorch is not in engine.txt (see torch-cpu.txt), nor are the CUDA libraries that only its general build asks for.
set -euo pipefail
cd "$(dirname "$0")"

torch=$(grep -h '^torch' torch-cpu.txt)
lock() { uv pip compile --quiet --upgrade --universal --generate-hashes --no-annotate --no-header "$@"; }

lock --python-version 3.10 ../server/pyproject.toml --constraint <(echo "$torch") --output-file all.tmp
mapfile -t cuda < <(sed -nE 's/^(torch|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)==.*/\1/p' all.tmp | sort -u)
rm all.tmp
lock --python-version 3.10 ../server/pyproject.toml --constraint <(echo "$torch") "${cuda[@]/#/--no-emit-package=}" --output-file engine.txt
lock --python-version 3.10 tests.in --constraint engine.txt --output-file tests.txt

# bpy is made for one Python alone (3.11), and 4.5 and 5.0 for numpy 1.
lock --python-version 3.11 <(printf '%s\n' pytest bpy==4.2.23) --output-file bpy-4.2.txt
lock --python-version 3.11 <(printf '%s\n' pytest bpy==4.5.15 'numpy<2') --output-file bpy-4.5.txt
lock --python-version 3.11 <(printf '%s\n' pytest bpy==5.0.1 'numpy<2') --output-file bpy-5.0.txt
