# Pioneer Hub. Needs Python 3.11 or newer (with venv) and make; everything else is brought by `make run`.
#
# Behind a mirror:  PIP_INDEX_URL=https://…/simple  MAVEN_MIRROR=https://…/maven2  make run
# Another Python:   make run PYTHON=/opt/python3.12/bin/python3
# Settings (ports, folders, limits) are environment variables: see the table in README.md.

PYTHON ?= python3
PY := .venv/bin/python
RINGS := tests/domain tests/contract tests/integration tests/journey tests/chaos
SAMPLE := deploy/city/wuzhong/sample-reports.jsonl
UV := .venv/bin/uv pip compile --quiet --no-header --universal --python-version 3.11 --generate-hashes

.DEFAULT_GOAL := help
.PHONY: help run demo test test-long test-browser bench-quick pictures lint lock clean

help: ## say what can be made
	@$(PYTHON) -c 'import re; [print(f"  make {t:12} {w}") for t, w in re.findall(r"^([a-z-]+):[^#\n]*## (.*)", open("Makefile").read(), re.M)]'

run: .venv/run.stamp ## start everything: broker, database, all rooms; Ctrl-C stops it
	@exec $(PY) -m services.console run

demo: .venv/run.stamp ## the same, and hundreds of sample reports come in
	@exec $(PY) -m services.console run --feed $(SAMPLE)

test: .venv/dev.stamp lint ## lint, types, walls, then every ring of tests on the real parts
	@$(PY) -m pytest -m "not long" $(RINGS)

test-long: .venv/dev.stamp ## the tests that take their time: frozen broker, absent database, more seeds
	@$(PY) -m pytest -m long $(RINGS)

test-browser: .venv/dev.stamp ## the pages in a real browser; needs Chromium and Chinese letters (README)
	@$(PY) -m pytest tests/browser

bench-quick: .venv/dev.stamp ## measure doors and router beside their bare limits (3 minutes)
	@$(PY) -m tests.bench.quick

pictures: .venv/dev.stamp ## take the pictures of the README again, into docs/pictures
	@$(PY) -m tests.browser.pictures

lint: .venv/dev.stamp ## style, types and the walls between the rooms
	@$(PY) -m ruff check services tests lock
	@$(PY) -m ruff format --check services tests lock
	@$(PY) -m mypy
	@.venv/bin/lint-imports --no-logo

lock: .venv/dev.stamp ## resolve lock/*.in and the broker's jars again, with hashes
	@cd lock && ../$(UV) run.in --output-file run.txt
	@cd lock && ../$(UV) --constraint run.txt dev.in --output-file dev.txt
	@$(PY) lock/jars.py lock/jars.txt $(MAVEN_MIRROR)

clean: ## remove the environment and caches; data and downloads in var/ stay
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@$(PYTHON) -c 'import pathlib, shutil; [shutil.rmtree(p) for r in ("services", "tests", "lock") for p in pathlib.Path(r).rglob("__pycache__")]'

# A stamp says that .venv holds exactly what the lock says: a second start costs nothing.
.venv/%.stamp: lock/%.txt
	@$(PYTHON) -c '' 2>/dev/null || \
		{ echo "pioneer-hub: $(PYTHON) was not found: install Python 3.11 or newer, or say make PYTHON=/path/to/python3" >&2; exit 78; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "pioneer-hub: $(PYTHON) is older than Python 3.11: install a newer one, or say make PYTHON=/path/to/python3.11" >&2; exit 78; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "pioneer-hub: Python's module venv is missing: install it (Debian and Ubuntu: apt install python3-venv)" >&2; exit 78; }
	@$(PY) -c '' 2>/dev/null || { echo "making the environment .venv"; $(PYTHON) -m venv --clear .venv; }
	@echo "installing the packages of $< into .venv"
	@$(PY) -m pip install --disable-pip-version-check --require-hashes --only-binary :all: --requirement $< || \
		{ echo "pioneer-hub: the packages could not be installed (said above): check the network, or set PIP_INDEX_URL to a mirror of PyPI" >&2; exit 78; }
	@: > $@
