# `make run` and `make test` each set up what they need; both are quick the second time.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.bench-installed
FUZZ_STAMP := $(VENV)/.fuzz-installed
DOCS_STAMP := $(VENV)/.docs-installed
PROTOS := $(wildcard proto/aiges_wire/pb/*.proto)

.PHONY: help install proto config-reference fmt lint type layering check test docs drills drills-peers soak run bench fuzz clean

help:            ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

install: $(STAMP)  ## make .venv with the package (editable), all extras and the development tools

$(STAMP): pyproject.toml scripts/gen_proto.py scripts/hatch_build.py $(PROTOS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[all]' --group dev
	@touch $(STAMP)

proto: $(STAMP)  ## generate the gRPC stubs again
	$(BIN)/python scripts/gen_proto.py

config-reference: $(STAMP)  ## make the tables of docs/configuration.md again
	$(BIN)/python scripts/gen_config_reference.py

fmt: $(STAMP)    ## format and sort imports
	$(BIN)/ruff check --quiet --fix-only .
	$(BIN)/ruff format .

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(STAMP)
	$(BIN)/mypy

layering: $(STAMP)
	$(BIN)/python -m pytest tests/test_layering.py

check: lint type layering  ## lint, types, import rules: what CI asks first

test: $(STAMP) $(DOCS_STAMP)  ## every test, a file of them at a time in each of two processes
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

docs: config-reference $(DOCS_STAMP)  ## make pages of the documents, in build/site; one warning fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --config-file scripts/docs_site/mkdocs.yml
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --config-file scripts/docs_site/mkdocs.zh.yml
	@echo "To look at them: $(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site 8000"

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --group docs
	@touch $(DOCS_STAMP)

drills: $(STAMP) ## break everything on purpose and print what came of it (minutes)
	$(BIN)/python tests/drills/drills.py

drills-peers: $(BENCH_STAMP)  ## the same for mosec, LitServe and uvicorn, side by side (a quarter of an hour)
	$(BIN)/python tests/drills/peers.py $(ARGS)

run: $(STAMP)    ## serve the digits sample on port 1888
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/run_sample.sh digits

bench: $(BENCH_STAMP)  ## measure beside other servers (an hour); ARGS=--save keeps the figures
	$(BIN)/python scripts/bench.py start $(ARGS)
	$(BIN)/python scripts/bench.py idle $(ARGS)
	$(BIN)/python scripts/bench.py run $(ARGS)

$(BENCH_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --group bench
	@touch $(BENCH_STAMP)

soak: SECONDS ?= 600
soak: $(STAMP)   ## sessions that come, leave and flood while workers die; SECONDS=600
	$(BIN)/python tests/drills/soak.py $(SECONDS)

fuzz: SECONDS ?= 60
fuzz: $(FUZZ_STAMP)  ## feed bytes to whatever takes bytes from outside; SECONDS=60 for each target
	$(BIN)/python tests/fuzz/fuzz.py $(SECONDS)

$(FUZZ_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --group fuzz
	@touch $(FUZZ_STAMP)

clean:           ## remove what the targets above made
	rm -rf $(VENV) build/site .cache/bench .cache/fuzz .mypy_cache .pytest_cache .ruff_cache .hypothesis dist proto/aiges_wire/pb/*_pb2*
