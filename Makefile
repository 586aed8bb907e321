# SPDX-License-Identifier: GPL-3.0-or-later
# make demo           the main job on an example, through Blender without a window; pictures in out/demo
#                     RECTIFY="--background-eta 1 …" hands options to `selfrect rectify`
# make test           every test that needs no root
# make test-blender   the built extension in real Blenders, 4.3 and 5.2, and the offline bundle (root on Debian: it makes chroots)
# make bench          the plain way against ours: calls, seconds, memory, pictures; out/bench.json (BENCH=--quick: a few minutes)
# make zip            the extension, out/selfrect_blender.zip
# make repository     the same as a repository for a web server or a network drive, out/repository
# make offline-bundle PLATFORM=linux BACKEND=cpu    the extension with all wheels in one zip, for machines without a network
# make clean          deletes the results; make distclean also the environments
# Needs Python 3.10 or newer, and Python 3.11 for Blender's module. PYTHON=… and PYTHON311=… choose them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: demo test test-ruff test-engine test-blender bench zip repository offline-bundle test-install clean distclean

BPY := 4.2 4.5 5.0
TORCH := $(if $(findstring GPU,$(shell nvidia-smi -L 2>/dev/null)),cuda,cpu)
# what PyTorch is made from, and how pip takes it: the general build with CUDA by its hashes, that for the processor by its version
PYTORCH := $(if $(filter cuda,$(TORCH)),linux-cuda,torch-cpu).txt
BY_HASH := $(if $(filter cuda,$(TORCH)),--no-deps --require-hashes)
EXTENSION_TOOL := .venv-bpy-4.5/bin/python \
	.venv-bpy-4.5/lib/python3.11/site-packages/bpy/4.5/scripts/addons_core/bl_pkg/cli/blender_ext.py
PIP := bin/python -m pip --disable-pip-version-check --quiet

# $(call python,candidates,condition on v): the first candidate that is a Python of such a version and can make environments
python = $(shell for p in $(1); do "$$p" -c 'import sys, ensurepip; v = sys.version_info[:2]; sys.exit(not ($(2)))' \
	2>/dev/null && echo "$$p" && break; done)
PYTHON = $(call python,python3 python3.13 python3.12 python3.11 python3.10,(3, 10) <= v <= (3, 14))
PYTHON311 = $(call python,python3.11 python3,v == (3, 11))

demo: .venv/.ready .venv-bpy-4.5/.ready zip
	.venv-bpy-4.5/bin/python tests/data/demo.py --zip out/selfrect_blender.zip --engine .venv --output out/demo $(RECTIFY)

test: test-ruff test-engine $(BPY:%=test-bpy-%)

# One thread: the tests' pictures are tiny, and on a busy machine two threads spend their time waiting for each other.
test-engine test-bpy-%: export OMP_NUM_THREADS = 1

test-ruff: .venv/.ready
	.venv/bin/ruff check .

test-engine: .venv/.ready
	.venv/bin/python -m pytest tests/protocol tests/host tests/engine tests/bench tests/soak

test-bpy-%: .venv-bpy-%/.ready .venv/.ready zip
	.venv-bpy-$*/bin/python -m pytest tests/blender

test-blender: .venv/.ready repository
	tests/real_blender/chroot.sh trixie
	tests/real_blender/chroot.sh sid
	.venv/bin/python -m pytest tests/install tests/real_blender

# The offline bundle for linux × cpu, installed in a network namespace without a route (root).
test-install: .venv/.ready .venv-bpy-4.5/.ready
	.venv/bin/python -m pytest tests/install

# Alone on the machine, or the numbers are those of the others' work.
bench: .venv/.ready
	.venv/bin/python -W ignore tests/bench/bench.py $(BENCH)

# Blender's own packer, which the bpy module brings along. What it leaves out is said in blender_manifest.toml.
zip: .venv-bpy-4.5/.ready
	mkdir -p out
	$(EXTENSION_TOOL) build --source-dir . --output-filepath out/selfrect_blender.zip

# PYTHON_VERSION=3.12 for another Python than 3.11; PYTHON_ARCHIVE=… a managed Python to pack as well; ARCH=aarch64.
offline-bundle: .venv/.ready .venv-bpy-4.5/.ready
	mkdir -p out
	.venv/bin/python wheels/offline_bundle.py --platform $(PLATFORM) --backend $(BACKEND) $(ARCH:%=--arch %) \
		--python-version $(or $(PYTHON_VERSION),3.11) $(PYTHON_ARCHIVE:%=--python-archive %) --packer $(EXTENSION_TOOL)

# One version at a time: of two with the same name, Blender would have to guess. No network, no Blender.
repository: zip
	rm -rf out/repository
	mkdir -p out/repository
	cp out/selfrect_blender.zip out/repository/selfrect_blender-$(shell sed -nE 's/^version = "(.*)"/\1/p' blender_manifest.toml).zip
	$(EXTENSION_TOOL) server-generate --repo-dir out/repository --html --html-template wheels/repository.html

# The engine, with what tests need. The build tool comes from engine.txt too, hence --no-build-isolation.
.venv/.ready: wheels/engine.txt wheels/tests.txt wheels/$(PYTORCH) server/pyproject.toml
	@[[ -n "$(PYTHON)" ]] || { echo "make: no Python 3.10…3.14 with venv was found; install one (Debian: apt install python3-venv)" \
		"or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	[[ -x .venv/bin/python ]] || $(PYTHON) -m venv .venv
	.venv/$(PIP) install --no-deps --require-hashes -r wheels/engine.txt -r wheels/tests.txt
	.venv/$(PIP) install $(BY_HASH) -r wheels/$(PYTORCH)
	.venv/$(PIP) install --no-deps --no-build-isolation --editable server
	.venv/$(PIP) check
	touch $@

.venv-bpy-%/.ready: wheels/bpy-%.txt
	@[[ -n "$(PYTHON311)" ]] || { echo "make: Blender's module needs Python 3.11 exactly, with venv (Debian 12: apt install" \
		"python3.11-venv); name it: make PYTHON311=/path/to/python3.11" >&2; exit 1; }
	[[ -x .venv-bpy-$*/bin/python ]] || $(PYTHON311) -m venv .venv-bpy-$*
	.venv-bpy-$*/$(PIP) install --only-binary :all: --no-deps --require-hashes -r $<
	@.venv-bpy-$*/bin/python -c 'import bpy' || { echo "make: bpy $* cannot start. On Debian it needs: apt install libx11-6" \
		"libxrender1 libxxf86vm1 libxfixes3 libxi6 libxkbcommon0 libsm6 libice6 libgl1 libgomp1 libegl1 libgl1-mesa-dri" >&2; exit 1; }
	touch $@

clean:
	rm -rf out/demo out/gui out/real_blender out/repository out/selfrect_blender.zip

distclean: clean
	rm -rf .venv $(BPY:%=.venv-bpy-%)
