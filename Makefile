# Everything a contributor runs. `make help` lists the targets; each works on a fresh machine with Python >= 3.11 and make.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; exit; }; done; echo python3)
WORKERS ?= 2
PYTEST_ARGS ?=
KEEP ?=
SHELL_FILES = .ci/run $(shell git ls-files '*.sh')

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Make .venv from requirements/dev.txt (exact versions, hashes checked); does nothing when it matches
	@$(PYTHON) tools/setup_venv.py $(VENV)

.PHONY: demo
demo: setup ## Real Envoy, issuer, upstream and sidecar; prints request -> decision (KEEP=1 leaves them running)
	@KEEP=$(KEEP) $(BIN)/python -m examples.demo

.PHONY: test
test: setup ## Run all tests (PYTEST_ARGS="…" for more, WORKERS=n for other than two at once)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -q $(PYTEST_ARGS)

.PHONY: lint
lint: setup ## Style, types, layers, YAML, shell, Dockerfile, generated files, Envoy configuration
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .
	$(BIN)/shellcheck $(SHELL_FILES)
	$(BIN)/hadolint Dockerfile
	@$(MAKE) gen-check
	@for file in envoy/*.yaml; do echo "envoy --mode validate -c $$file"; $(BIN)/envoy --mode validate -l error -c "$$file" || exit 1; done

.PHONY: format
format: setup ## Rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: gen
gen: setup ## Write what is generated: protobuf code, reference pages
	$(BIN)/python tools/gen_protos.py
	$(BIN)/python -m tools.docs_reference
	$(BIN)/python -m tools.docs_performance
	$(BIN)/python -m tools.docs_reliability

.PHONY: gen-check
gen-check: setup ## Fail when something generated differs from its source
	$(BIN)/python tools/gen_protos.py --check
	$(BIN)/python -m tools.docs_reference --check
	$(BIN)/python -m tools.docs_performance --check
	$(BIN)/python -m tools.docs_reliability --check

.PHONY: bench
bench: setup ## Measure everything in docs/performance.md; prints a table, writes benchmarks/results/
	$(BIN)/python -m benchmarks

.PHONY: guard
guard: setup ## A short benchmark that fails when a ratio has left its wide margin
	$(BIN)/python -m benchmarks --guard

.PHONY: fault
fault: setup ## The fault matrix: every row, with the figures of docs/reliability.md (minutes)
	$(BIN)/python -m campaigns.fault

.PHONY: mutate
mutate: setup ## Break the decision path in named ways; every break must turn a named test red (SHARE=N runs one in N)
	$(BIN)/python -m campaigns.mutate $(if $(SHARE),--share $(SHARE))

.PHONY: fuzz
fuzz: setup ## Compare decisions with an independent evaluator, and feed every parser with mutations (SECONDS=N bounds it)
	$(BIN)/python -m campaigns.fuzz $(if $(SECONDS),--seconds $(SECONDS))

.PHONY: upstreams
upstreams: setup ## Node, express and a Go program in build/upstreams, for upstream-truth and its tests
	@$(BIN)/python tools/setup_upstreams.py

.PHONY: upstream-truth
upstream-truth: upstreams ## Odd paths through Envoy to FastAPI, Flask, express, Node and Go: none may reach more than its rule lets (SECONDS=N bounds it)
	$(BIN)/python -m campaigns.paths $(if $(SECONDS),--seconds $(SECONDS))

.PHONY: coverage
coverage: setup ## Branch coverage of engine, authn, authz and wire by the tests that run in process; below 95 % is an error
	$(BIN)/python -m pytest -q -n auto tests/unit tests/ports tests/conformance tests/goldens tests/fronts \
		--cov --cov-report=term-missing:skip-covered --cov-fail-under=95

MESH_TOOLS = istio.io/istio/istioctl/cmd/istioctl@v0.0.0-20260827124520-eed52ebb66ad github.com/envoyproxy/gateway/cmd/egctl@v1.9.1

.PHONY: mesh
mesh: upstreams ## Check envoy/istio with istioctl and envoy/envoy-gateway with egctl; builds both from source first where they are missing (minutes)
	@for tool in $(MESH_TOOLS); do \
		name=$${tool##*/}; name=$${name%@*}; \
		command -v "$$name" >/dev/null || [ -x "$${GOBIN:-$$HOME/go/bin}/$$name" ] || { \
			echo "mesh: building $$tool"; \
			GOROOT="$(CURDIR)/build/upstreams/toolchains/go" GOTOOLCHAIN=local CGO_ENABLED=0 \
				build/upstreams/toolchains/go/bin/go install "$$tool" || exit 1; }; \
	done
	$(BIN)/python -m pytest -q -m mesh tests/project/test_manifests.py

.PHONY: loadtest
loadtest: setup h2load ## Drive the sidecar with h2load through both fronts and check the content of the replies
	@$(BIN)/python -m loadtest

.PHONY: h2load
h2load:
	@command -v h2load >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo 'loadtest: h2load is missing; installing nghttp2-client with apt-get'; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nghttp2-client >/dev/null; \
	else \
		echo 'loadtest: h2load is missing; install it (Debian: nghttp2-client, macOS: brew install nghttp2)' >&2; exit 1; \
	fi

.PHONY: check
check: ## All that CI runs: lint, benchmark guard, demo, shares of fuzzing and the mutants, odd paths, tests
	@$(MAKE) lint
	@$(MAKE) guard
	@$(MAKE) demo
	@$(MAKE) fuzz SECONDS=40
	@$(MAKE) mutate SHARE=4
	@$(MAKE) upstream-truth SECONDS=30
	@$(MAKE) test

.PHONY: lock
lock: setup ## Renew the lock files after a change of pyproject.toml (UPGRADE=1 takes newer versions)
	$(BIN)/uv pip compile $(LOCK_FLAGS) -o requirements/runtime.txt pyproject.toml
	$(BIN)/uv pip compile $(LOCK_FLAGS) --extra test --extra dev -c requirements/runtime.txt -o requirements/dev.txt pyproject.toml
	$(BIN)/uv pip compile $(LOCK_FLAGS) -c requirements/dev.txt -o requirements/build.txt requirements/build.in
	$(BIN)/uv pip compile $(LOCK_FLAGS) -o requirements/upstreams.txt requirements/upstreams.in

LOCK_FLAGS = --quiet --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: ## Remove what was made here, the environment included
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
