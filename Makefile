# `make demo` and `make test` each do everything on a fresh machine; they need make and Python 3.11 to 3.14 with pip and venv.

# The interpreter: PYTHON=…, or else the first of these with a supported version.
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,$(if $(shell \
	$(name) -c 'import sys, venv, ensurepip; print(*["fits"] * ((3, 11) <= sys.version_info < (3, 15)))' 2>/dev/null),$(name))))

# WITH_TORCH=1 also installs PyTorch (several GB with CUDA), ONNX Runtime and the training dependencies, so that no test is skipped
# for lack of them.
WITH_TORCH ?=
DEMO_ARGS ?=
PYTEST_ARGS ?=

BIN := .venv/bin
comma := ,
DEMO := .venv/.installed-demo
TEST := .venv/.installed-test$(if $(WITH_TORCH),-torch)

.DEFAULT_GOAL := help
.PHONY: help demo test lint format docs site lock bench proofs audit sbom clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(DEMO) ## Play a sample day through the whole pipeline, live in this terminal (DEMO_ARGS=…)
	$(BIN)/tagpulse demo $(DEMO_ARGS)

test: lint site ## Lint, type-check, build the site and run every test, on two processes (PYTEST_ARGS=…, WITH_TORCH=1)
	$(BIN)/pytest --numprocesses 2 --dist loadfile --max-worker-restart 0 $(PYTEST_ARGS)

lint: $(TEST) ## Lint and type-check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

site: $(TEST) ## Build the documentation site in build/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

format: $(TEST) ## Sort the imports and format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(TEST) ## Generate the reference pages, JSON Schemas, AsyncAPI document and dashboards from the code
	$(BIN)/python -m streams.reference docs
	$(BIN)/python -m streams.cli.reference docs
	$(BIN)/python -m deploy.grafana.boards

# Locked versions are kept unless pyproject.toml excludes them; UPGRADE=1 takes the newest versions.
# CUDA packages are left out: torch pins them itself, and builds of torch without CUDA do not need them.
lock: $(TEST) ## Regenerate constraints.txt from pyproject.toml (UPGRADE=1: newest versions)
	$(BIN)/pip install --quiet 'uv>=0.9'
	$(BIN)/uv pip compile pyproject.toml --quiet --universal --all-extras --python-version 3.11 $(if $(UPGRADE),--upgrade) \
		--no-annotate --no-header --no-emit-index-url --no-emit-find-links --no-emit-package setuptools \
		--output-file constraints.txt > /dev/null
	sed -i.all -E '/^(cuda|nvidia|triton)/d' constraints.txt
	rm constraints.txt.all

bench: $(TEST) ## Measure the speed of every part against a bare peer
	$(BIN)/python benchmarks/pipeline.py
	$(BIN)/python benchmarks/sources.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/model.py
	$(BIN)/python benchmarks/topics.py
	$(BIN)/python benchmarks/store.py
	$(BIN)/python benchmarks/query.py
	$(BIN)/python benchmarks/replay.py
	$(BIN)/python benchmarks/spikes.py

# Rounds that are already in tests/faults/proofs.jsonl are skipped; remove the file to start from scratch.
proofs: $(TEST) ## Run every fault in full (an hour and a half, plus two hours of randomised rounds) and write docs/proofs.md
	$(BIN)/pytest tests/faults --full-proofs --proofs tests/faults/proofs.jsonl $(PYTEST_ARGS)
	$(BIN)/python -m tests.faults.proofs

audit: $(TEST) ## Check the dependencies for known vulnerabilities on PyPI; packages unknown to it are listed
	$(BIN)/pip install --quiet --disable-pip-version-check 'pip-audit>=2.9,<3'
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip --progress-spinner off

sbom: $(TEST) ## Write build/sbom.json: a CycloneDX bill of materials of the installed packages
	$(BIN)/pip install --quiet --disable-pip-version-check 'cyclonedx-bom>=7,<8'
	mkdir -p build
	$(BIN)/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible --output-file build/sbom.json

clean: ## Remove the virtual environment, caches and build artefacts
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info build dist

$(DEMO): pyproject.toml constraints.txt
	$(call install,demo)

# The test installation includes the demo's, so `make demo` after `make test` installs nothing again.
$(TEST): pyproject.toml constraints.txt
	$(call install,demo$(comma)docs$(comma)test$(if $(WITH_TORCH),$(comma)onnx$(comma)torch$(comma)train))
	@touch $(DEMO)

define install
@test -n "$(PYTHON)" || { echo "no Python 3.11 to 3.14 with venv found: install one (on Debian also python3-venv), or run make PYTHON=/path/to/python3" >&2; exit 1; }
test -x $(BIN)/pip || $(PYTHON) -m venv .venv
$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(1)]'
@touch $@
endef
