# One command for each promise. Every target makes the environment that it needs, in .venv, and does so once.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
SETUP  := $(BIN)/python setup.py --quiet
SOURCES := $(wildcard csrc/*.* csrc/*/*.* mlpfast/core/*.p[yx][xd] mlpfast/core/*/*.pxd)

.PHONY: help demo test lint format bench docs sanitize test-aarch64 package clean
.DEFAULT_GOAL := help

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.built  ## watch a network learn handwritten digits
	@$(BIN)/mlpfast demo

test: $(VENV)/.test  ## run the tests (ARGS="-k softmax" is passed on to pytest)
	$(BIN)/python -m pytest $(ARGS)

C_COMPILERS := gcc clang
C_SOURCES := $(wildcard csrc/*.[ch] csrc/*.inl csrc/*/*.* tests/*.c tests/*/*.c bench/*.c)
CORE_SOURCES := $(wildcard mlpfast/core/*.p[yx]* mlpfast/core/*/*.p[yx]*)
LINT_FLAGS := -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Werror
lint: $(VENV)/.dev  ## ruff, mypy, cython-lint; warnings of C, ours and Cython's, are errors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/cython-lint --no-pycodestyle mlpfast/core
	@awk 'length > 120 { print FILENAME ":" FNR ": longer than 120 characters"; found = 1 } END { exit found }' \
		$(C_SOURCES) $(CORE_SOURCES) </dev/null
	for compiler in $(C_COMPILERS); do \
		if command -v $$compiler >/dev/null; then \
			OPTIMIZE=-O2 sh csrc/compile.sh $$compiler build/lint/$$compiler || exit 1; \
		else echo "lint: $$compiler is missing, so its warnings of our C were not looked at"; fi; done
	MLPFAST_EXTRA_FLAGS="$(LINT_FLAGS)" $(SETUP) build_ext --build-temp build/lint/modules --build-lib build/lint/lib

format: $(VENV)/.dev  ## format the Python code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench  ## measure mlpfast beside its peers and write docs/benchmarks.md
	$(BIN)/python -m bench $(ARGS)

docs: $(VENV)/.docs  ## run the examples, build the documentation into docs/_build, check its links
	@rm -rf docs/gallery docs/generated  # what was made of files that are gone since would stay
	$(BIN)/sphinx-build --quiet -W --keep-going docs docs/_build
	$(BIN)/python docs/check_links.py docs/_build
	@echo "Open docs/_build/index.html"

# The environment's interpreter has no sanitizer in it, so their run-time libraries are loaded ahead of it. CPython
# does not free everything at its exit: leaks are not looked for.
# PYTHONSAFEPATH keeps the tree's own mlpfast, which is not sanitized, out of the way of what the tests start.
SANITIZED := build/sanitize
SANITIZER_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1 -g \
	-U_FORTIFY_SOURCE
sanitize: $(VENV)/.test  ## run the tests under the address and undefined-behaviour sanitizers
	CC=$(CC) MLPFAST_EXTRA_FLAGS="$(SANITIZER_FLAGS)" \
		$(SETUP) build --build-base $(SANITIZED) --build-lib $(SANITIZED)/lib
	LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libstdc++.so.6)" \
		ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc \
		PYTHONSAFEPATH=1 PYTHONPATH=$(CURDIR)/$(SANITIZED)/lib:$(CURDIR)/tests:$(CURDIR)/examples \
		$(BIN)/pytest -p no:cacheprovider $(ARGS)

test-aarch64:  ## the kernels give the same bits under an emulated aarch64 (skipped where its tools are missing)
	sh tests/aarch64/run.sh

# Built the way that an index gets it: the sdist from the tree, the wheel from the sdist; imported far from the tree.
PACKAGED := build/package
package: $(VENV)/.dev  ## build sdist and wheel, install the wheel afresh, import it
	rm -rf $(PACKAGED)
	$(BIN)/python -m build --outdir $(PACKAGED) .
	$(BIN)/python -m venv $(PACKAGED)/venv
	$(PACKAGED)/venv/bin/python -m pip --disable-pip-version-check --quiet install $(PACKAGED)/*.whl
	cd / && $(CURDIR)/$(PACKAGED)/venv/bin/mlpfast info
	cd $(PACKAGED) && venv/bin/mlpfast demo --epochs 1
	@size=$$(cat $(PACKAGED)/*.whl | wc -c); echo "The wheel has $$size bytes"; test $$size -lt 2400000

clean:  ## remove everything that was made here, the environment too
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf docs/_build docs/gallery docs/generated
	rm -f mlpfast/core/*.so mlpfast/core/*.c
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- The environment, step by step; a stamp file says that a step is done ---

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "mlpfast needs Python 3.10 or newer: make PYTHON=/path/to/python3"; exit 1; }
	@echo "Making the environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing (Debian: apt install python3-venv)"; exit 1; }
	@echo "Installing what the build needs: setuptools, Cython, NumPy"
	@$(PIP) install 'setuptools>=77' 'Cython>=3.0,<4' 'numpy>=2'  # pyproject.toml's build-system.requires
	@touch $@

# What has changed is compiled, a line for each file (pip would not show them); then an editable installation, which
# finds all compiled, unless there is one already and only sources have changed.
$(VENV)/.built: pyproject.toml setup.py $(SOURCES) | $(VENV)/.python
	@echo "Compiling mlpfast"
	@$(SETUP) build_ext --inplace
	@$(if $(filter pyproject.toml setup.py,$?),echo "Installing mlpfast and what it needs" && \
		$(PIP) install --no-build-isolation --editable .)
	@touch $@

# mlpfast is installed by now: these bring only what the extra adds.
$(VENV)/.test $(VENV)/.dev $(VENV)/.docs $(VENV)/.bench: $(VENV)/.%: pyproject.toml | $(VENV)/.built
	@echo "Installing what 'make $(MAKECMDGOALS)' needs"
	@$(PIP) install 'mlpfast[$*]'
	@touch $@
