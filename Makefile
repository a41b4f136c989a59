# Every target sets up what it needs by itself; only Python >= 3.11 and make are asked for.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --no-input
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

# Shows how far pip is, and all that it said if it fails.
define PROGRESS
import sys
seen, said, failed = 0, [], False
for line in sys.stdin:
    said.append(line)
    failed = failed or line == "pip has failed\n"
    seen += line.startswith("Collecting ")
    if line.startswith("Collecting ") and seen % 10 == 0:
        print(f"  {seen} packages", flush=True)
    if line.startswith("Installing collected packages"):
        print("  unpacking", flush=True)
sys.exit("".join(said) if failed else 0)
endef
export PROGRESS
# $(call install,<lock file>)
install = { $(PIP) install --require-hashes -r $(1) 2>&1 || echo "pip has failed"; } | $(BIN)/python -c "$$PROGRESS"

# Judges what pip-audit found: it takes a package that no index told it anything of for one that is in order.
define VERDICT
import json, sys
said = sys.stdin.read()
try:
    packages = json.loads(said)["dependencies"]
except ValueError:
    sys.exit("no index of vulnerabilities could be reached: nothing was audited")
told = [one for one in packages if "vulns" in one]
bad = [f"{one['name']} {one['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'no version'}"
       for one in told for hole in one["vulns"]]
if bad:
    sys.exit("\n".join(bad))
if not told:
    sys.exit(f"no index of vulnerabilities could be reached: none of {len(packages)} packages was audited")
if len(told) < len(packages):
    sys.exit("not audited: " + ", ".join(one["name"] for one in packages if "vulns" not in one))
print(f"  {len(told)} packages, no known vulnerability")
endef
export VERDICT
# $(call audit,<lock file>)
audit = { echo "pip-audit $(1)"; $(BIN)/pip-audit -r $(1) --require-hashes --disable-pip --progress-spinner off -f json \
	2>/dev/null | $(BIN)/python -c "$$VERDICT"; }

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo serve test check bench chaos fuzz audit docs format lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

demo: $(VENV)/.runtime ## everything on this machine: Postgres, Redis, simulators, gateway, a tour, then serving
	@$(BIN)/pms-gateway demo --with-parent

serve: $(VENV)/.runtime ## the gateway and a worker, with Postgres and Redis along, data kept in .local
	@$(BIN)/pms-gateway serve --embedded --with-worker

# What runs as processes of its own, and what is broken on purpose, waits more than it works: it goes beside the rest,
# except on servers that the environment names, of which there is one set.
APART := tests/chaos tests/cli/conformance tests/cli/test_rotation.py tests/cli/test_setup.py tests/cli/test_demo.py tests/cli/test_worker.py tests/cli/test_graceful_stop.py tests/cli/test_single_hotel.py tests/cli/test_new_vendor.py tests/api/test_postgres_modes.py tests/store/test_quota.py tests/api/test_quota.py tests/api/test_schemathesis.py

test: $(VENV)/.dev ## pytest on real Postgres and Redis
	@if [ -n "$$DATABASE_URL$$REDIS_URL" ]; then exec $(BIN)/pytest; fi; \
	log=$$(mktemp); $(BIN)/pytest $(APART) >$$log 2>&1 & beside=$$!; \
	$(BIN)/pytest $(addprefix --ignore=,$(APART)); rest=$$?; \
	wait $$beside; apart=$$?; cat $$log; rm -f $$log; exit $$((rest || apart))

check: $(VENV)/.dev ## format, lint, types, floors, ledger, stale docs
	@echo "ruff format" && $(BIN)/ruff format --check -q .
	@echo "ruff check" && $(BIN)/ruff check -q .
	@echo "mypy --strict" && $(BIN)/mypy --no-error-summary
	@echo "hadolint" && $(BIN)/hadolint Dockerfile
	@echo "bandit" && $(BIN)/bandit -q -c pyproject.toml -r app migrations
	@echo "import-linter" && $(BIN)/lint-imports --no-cache
	@echo "ledger and docs" && $(BIN)/pms-gateway matrix --check

bench: $(VENV)/.dev ## how fast it is against yardsticks, with Postgres on disk; a minute and a half
	@$(BIN)/python -m tests.bench

chaos: $(VENV)/.dev ## the five zeros under every fault: eight seeds of all subjects, then some writes at the pace of real life
	@CHAOS_SEED=1,2,3,4,5,6,7,8 CHAOS_WRITES=300 CHAOS_UNSCALED=20 $(BIN)/pytest tests/chaos

fuzz: $(VENV)/.dev ## every operation with and without a key, by a machine that reads only the document; half an hour, never twice alike
	@FUZZ_EXAMPLES=100 $(BIN)/pytest tests/api/test_schemathesis.py

audit: $(VENV)/.dev ## known vulnerabilities of everything in the lock files; asks a public index
	@$(call audit,requirements.lock)
	@$(call audit,requirements-dev.lock)

docs: $(VENV)/.dev ## print the tables of README.md and .env.example again
	@$(BIN)/pms-gateway matrix --write

format: $(VENV)/.dev ## put the code into shape
	@$(BIN)/ruff format -q . && $(BIN)/ruff check -q --fix .

lock: $(VENV)/.dev ## resolve pyproject.toml into the two lock files again
	@$(COMPILE) --extra embedded --extra build pyproject.toml -o requirements.lock
	@$(COMPILE) --extra embedded --extra build --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## forget the virtual environment and local state
	rm -rf $(VENV) .local .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12"; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing what the gateway needs into $(VENV): about half a minute the first time"
	@$(call install,requirements.lock)
	@$(PIP) install -qq --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "installing the development tools into $(VENV)"
	@$(call install,requirements-dev.lock)
	@touch $@
