# Two commands for a stranger: `make run` and `make test`. Both set everything up first.
.DEFAULT_GOAL := help
.PHONY: help install run test check soak bench lock clean
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
# One more than there are cores, as many tests wait for a process or a clock.
WORKERS := $(shell n=$$(nproc); echo $$((n > 3 ? 4 : n + 1)))

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## Set up .venv and models/ (does nothing when they are there; PYTHON=… picks the interpreter)
	@PYTHON="$(PYTHON)" sh bootstrap/install.sh $(if $(COMPUTE),--compute $(COMPUTE))

run: install ## Serve the demo personas on http://127.0.0.1:8000 (Ctrl-C stops everything)
	@exec $(BIN)/repertory serve --demo

test: install clients ## Run every test but the long random ones, with branch coverage
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile -m "not engine and not alone and not soak" \
		--cov --cov-branch --cov-report= --cov-fail-under=0
	@$(BIN)/pytest -m "(engine or alone) and not soak" --cov --cov-branch --cov-append --cov-report=term:skip-covered

check: install static $(if $(STATIC_ONLY),,clients) ## Formatting, lint, types, layers, and the tests that need no engine (STATIC_ONLY=1: no tests)
	@$(if $(STATIC_ONLY),:,$(BIN)/pytest -q -n $(WORKERS) --dist loadfile -m "not engine and not alone and not soak")

.PHONY: static clients
clients: install
	@$(BIN)/python -m bootstrap.clients

static: install
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

soak: install ## Run the long random tests
	@$(BIN)/pytest -m soak --timeout=0 -s

bench: install ## Run the comparisons in benchmarks/ on the real engine (SECTIONS="…" only these)
	@$(BIN)/python -m benchmarks $(SECTIONS)

lock: install ## Resolve pyproject.toml into requirements/*.lock (UPGRADE=1 takes the newest versions)
	@$(BIN)/python -m bootstrap.lock $(if $(UPGRADE),--upgrade)

clean: ## Remove what tools left behind (keeps .venv, .venv-clients, models/ and data/)
	@rm -rf build htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
