#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the lock files anew: wheels/lock.sh, with uv on the PATH (pip install uv). Afterwards look over the licences (README.md).
# The installer's lists <platform>-<backend>.txt hold PyTorch and what only that build of it needs; all else is in engine.txt.
set -euo pipefail
cd "$(dirname "$0")"

# uv's own settings, but for what pip was told about other sources.
: "${UV_INDEX_STRATEGY:=unsafe-best-match}"
export UV_INDEX_STRATEGY

torch=$(grep -h '^torch' torch-cpu.txt)
compile() { uv pip compile --quiet --upgrade --generate-hashes --no-annotate --no-header "$@"; }
lock() { compile --universal "$@"; }

lock --python-version 3.10 ../server/pyproject.toml --constraint <(echo "$torch") --output-file all.tmp
mapfile -t cuda < <(sed -nE 's/^(torch|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)==.*/\1/p' all.tmp | sort -u)
rm all.tmp
lock --python-version 3.10 ../server/pyproject.toml --constraint <(echo "$torch") "${cuda[@]/#/--no-emit-package=}" --output-file engine.txt
# The installer's own tool: one file per platform, all with their hashes.
lock --python-version 3.10 <(echo uv) --output-file uv.txt

lock --python-version 3.10 tests.in --constraint engine.txt --constraint uv.txt --output-file tests.txt

mapfile -t common < <(sed -nE 's/^([a-z0-9-]+)==.*/\1/p' engine.txt | sort -u)
# list_of NAME PYTHON-PLATFORM [TORCH-BACKEND]: with hashes where this machine can see the files, else the exact version alone,
# and the list says so. A variant's version is told apart by what follows the +.
list_of() {
    local name=$1 platform=$2 variant=${3:-} version=$torch head="# PyTorch for $1; install with engine.txt. Made by lock.sh."
    [[ -z $variant ]] || version="$torch+$variant"
    local where=(--python-platform "$platform" --python-version 3.12)
    [[ $platform != universal ]] || where=(--universal --python-version 3.10)
    if compile "${where[@]}" ${variant:+--torch-backend "$variant"} <(echo "$version") \
            --constraint engine.txt "${common[@]/#/--no-emit-package=}" --output-file list.tmp 2>/dev/null; then
        { echo "$head"; cat list.tmp; } >"$name.txt"
    else
        { echo "$head"
          echo "# Pinned by version, not locked by hash: the index of this variant could not be reached when the list was made."
          echo "$version"; } >"$name.txt"
    fi
    rm -f list.tmp
}
list_of linux-cuda universal # its libraries differ by Python
list_of linux-cuda-legacy x86_64-manylinux_2_28 cu126
list_of linux-rocm x86_64-manylinux_2_28 rocm7.2
list_of linux-xpu x86_64-manylinux_2_28 xpu
list_of linux-cpu x86_64-manylinux_2_28 cpu
list_of windows-cuda x86_64-pc-windows-msvc cu130
list_of windows-cuda-legacy x86_64-pc-windows-msvc cu126
list_of windows-xpu x86_64-pc-windows-msvc xpu
list_of windows-cpu x86_64-pc-windows-msvc
MACOSX_DEPLOYMENT_TARGET=14.0 list_of macos-mps aarch64-apple-darwin
sed 's/macos-mps/macos-cpu/' macos-mps.txt >macos-cpu.txt # one and the same build

# bpy is made for one Python alone (3.11), and 4.5 and 5.0 for numpy 1.
lock --python-version 3.11 <(printf '%s\n' pytest bpy==4.2.23) --output-file bpy-4.2.txt
lock --python-version 3.11 <(printf '%s\n' pytest bpy==4.5.15 'numpy<2') --output-file bpy-4.5.txt
lock --python-version 3.11 <(printf '%s\n' pytest bpy==5.0.1 'numpy<2') --output-file bpy-5.0.txt
