# `make run` listens, `make test` proves that it works; both install what is missing first.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup run test check bench soak

help: ## show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.program ## install the program into .venv, and what it needs of the system
	@echo ".venv/bin/listener is ready"

run: .venv/.program ## listen: to the microphone, or to the demo scene where there is none (ARGS="..." is passed on)
	@exec .venv/bin/listener run $(ARGS)

test: .venv/.program .venv/.dev .venv/.servers ## run the whole test suite (ARGS="..." is passed on)
	@exec .venv/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

check: .venv/.program .venv/.dev ## linters, types and layering
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: .venv/.program .venv/.dev ## measure, side by side with what one would do without (ARGS="..." is passed on)
	@exec .venv/bin/python -m benchmarks $(ARGS)

soak: .venv/.program .venv/.dev ## let HOURS of sound with faults through the engine (ARGS=--save keeps the result)
	@exec .venv/bin/python -m benchmarks.soak --hours $(or $(HOURS),24) --seed $(or $(SEED),1) $(ARGS)

# A stamp says that its part was set up after the last change of what it is made from.
.venv/.program: pyproject.toml constraints.txt scripts/setup.sh
	@PYTHON="$(PYTHON)" scripts/setup.sh program
	@touch $@

.venv/.dev: .venv/.program
	@scripts/setup.sh dev
	@touch $@

.venv/.servers: scripts/setup.sh
	@scripts/setup.sh servers
	@touch $@
