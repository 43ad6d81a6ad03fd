# `make` lists what can be made. Everything is installed into .venv; the io lane
# (TensorFlow 2.17, where tensorflow-io works) into .venv-io, the jax lane (JAX
# without TensorFlow) into .venv-jax.

PYTHON ?= python3
CORPUS ?=
OUT ?= runs/demo

IO_PYTHON ?= $(PYTHON)
JAX_PYTHON ?= $(PYTHON)

INSTALLED := .venv/.installed
PIP := .venv/bin/python -m pip -qq --disable-pip-version-check
IO_INSTALLED := .venv-io/.installed
IO_TESTS := tests/audio/test_audio_files.py tests/audio/test_decoding.py \
	tests/audio/test_mel.py tests/audio/test_flac_check.py \
	tests/corpus/test_io_lane.py
IO_PIP := .venv-io/bin/python -m pip -qq --disable-pip-version-check
JAX_INSTALLED := .venv-jax/.installed
JAX_PIP := .venv-jax/bin/python -m pip -qq --disable-pip-version-check

# What a machine with JAX may lack, for wheels-jax.
WHEELS ?= keras namex optree soundfile cffi pycparser filelock h5py absl-py \
	tqdm rich markdown-it-py mdurl pygments
WHEELS_PYTHON ?= 3.12
WHEELS_OUT ?= wheels-jax
PLATFORMS := $(foreach one,manylinux_2_28 manylinux_2_27 manylinux_2_17 \
	manylinux2014,--platform $(one)_x86_64)

.PHONY: help install install-io install-jax wheels-jax demo test \
	test-network test-system test-all test-io test-jax test-slow lint format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' \
		$(MAKEFILE_LIST)

install: $(INSTALLED) ## make .venv with TensorFlow and this package (3 GB)

demo: $(INSTALLED) ## the whole way in 8 minutes [CORPUS=folder] [OUT=runs/demo]
	@.venv/bin/pwavenet demo --out="$(OUT)" $(if $(CORPUS),--corpus="$(CORPUS)")

PYTEST := .venv/bin/python -m pytest -n 2 --dist loadfile

test: $(INSTALLED) ## run the fast tests
	@$(PYTEST) -m "not slow and not network and not system"

test-network: $(INSTALLED) ## what traces, trains and exports networks
	@$(PYTEST) -m "network and not slow and not system"

test-system: $(INSTALLED) ## what starts other programs: wheels, Beam, kills
	@$(PYTEST) -m "system and not slow"

# One session collects once, and makes once what the tests of a file share.
test-all: $(INSTALLED) ## run the fast tests, those of networks and of programs
	@$(PYTEST) -m "not slow"

install-io: $(IO_INSTALLED) ## make .venv-io with TensorFlow 2.17 (3 GB)

test-io: $(IO_INSTALLED) ## what depends on tensorflow-io, beside TensorFlow 2.17
	@.venv-io/bin/python -m pytest $(IO_TESTS)

install-jax: $(JAX_INSTALLED) ## make .venv-jax with JAX, without TensorFlow (1 GB)

test-jax: $(INSTALLED) $(JAX_INSTALLED) ## what JAX trains against TensorFlow
	@.venv/bin/python -m pytest tests/training/test_jax_lane.py

wheels-jax: $(JAX_INSTALLED) ## wheels for a machine that has JAX and no network
	@$(JAX_PIP) download --no-deps --only-binary=:all: --implementation cp \
		--python-version $(WHEELS_PYTHON) $(PLATFORMS) \
		--constraint constraints-jax.txt --dest $(WHEELS_OUT) $(WHEELS)
	@du -cb $(WHEELS_OUT)/* | awk \
		'{ printf "%6.2f MB  %s\n", $$1 / 1e6, $$2 }'

test-slow: $(INSTALLED) ## run the tests that take long
	@.venv/bin/python -m pytest -m slow

lint: $(INSTALLED) ## check style and common mistakes
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

format: $(INSTALLED) ## put the code into the common style
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

clean: ## remove the environments and everything that was built
	rm -rf .venv .venv-io .venv-jax wheels-jax build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): setup.py pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
		2>/dev/null || { echo "This needs Python 3.10 to 3.13, but PYTHON=$(PYTHON) is \
	$$($(PYTHON) --version 2>/dev/null || echo missing); name another: make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "This Python cannot make a virtual environment; on Debian \
	or Ubuntu: sudo apt-get install python3-venv" >&2; exit 2; }
	@echo "Installing TensorFlow and pwavenet_tf into .venv: about 3 GB on \
	disk, a few minutes"
	@$(PYTHON) -m venv .venv
	@$(PIP) install --constraint constraints.txt --editable ".[beam,demo,onnx,test,tflite]"
	@$(PIP) install --constraint constraints.txt pesq 2>/dev/null \
		|| echo "pesq is left out, which evaluate uses: it could not be \
	compiled; with a C compiler: .venv/bin/pip install pesq"
	@touch $@

$(IO_INSTALLED): setup.py pyproject.toml constraints-io.txt
	@$(IO_PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' \
		2>/dev/null || { echo "The io lane needs Python 3.11 or 3.12, but IO_PYTHON=$(IO_PYTHON) is \
	$$($(IO_PYTHON) --version 2>/dev/null || echo missing); name another: make IO_PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@echo "Installing TensorFlow 2.17 and pwavenet_tf into .venv-io: a few minutes"
	@$(IO_PYTHON) -m venv .venv-io
	@$(IO_PIP) install --constraint constraints-io.txt --editable ".[test]"
	@touch $@

$(JAX_INSTALLED): setup.py pyproject.toml constraints-jax.txt
	@$(JAX_PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		2>/dev/null || { echo "The jax lane needs Python 3.11 to 3.13, but JAX_PYTHON=$(JAX_PYTHON) is \
	$$($(JAX_PYTHON) --version 2>/dev/null || echo missing); name another: make JAX_PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@echo "Installing JAX and pwavenet_tf into .venv-jax: a minute"
	@$(JAX_PYTHON) -m venv .venv-jax
	@$(JAX_PIP) install --requirement constraints-jax.txt
	@$(JAX_PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
