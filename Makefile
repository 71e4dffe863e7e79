# `make demo` runs the main job, `make test` the tests; each sets up all it needs in a fresh checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FLAGSHIP := dbsi_mobile_focus_float16_1024x1536
DEMO := demo_output
FUZZ_CASES ?= 5000
# Files in the order of `tests/longest.py`, not those of many tests first, of which most take no time.
SIDE_BY_SIDE := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# Left alone, TensorFlow chooses by the processor, and a test's verdict would depend on whose machine it is.
WITH_ONEDNN := TF_ENABLE_ONEDNN_OPTS=1
WITHOUT_ONEDNN := TF_ENABLE_ONEDNN_OPTS=0
# Images of containers often forbid bytecode, and then every process that a test starts compiles our modules anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo train-demo test check lint fuzz fuzz-models fuzz-documents fuzz-sources nightly oldest newest software-gpu browser clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(READY) try-software-gpu ## export, check, time and render a sample photo; a summary with the paths
	$(BIN)/python -m export --only $(FLAGSHIP) --out $(DEMO)/models --allow-unchecked
	$(BIN)/bokeh-tf bench $(DEMO)/models/$(FLAGSHIP).tflite --rounds 5 --out $(DEMO)/timings
	$(BIN)/bokeh-tf render docs/pictures/photos/otters.jpg -o $(DEMO)/pictures --compare --overwrite --model $(DEMO)/models/$(FLAGSHIP).tflite
	@$(BIN)/python -m export.summary $(DEMO)

train-demo: $(READY) try-software-gpu ## train for minutes, killed and resumed; export and compare before and after
	$(BIN)/python -m export.train_demo $(DEMO)/training

test: $(READY) try-software-gpu ## run the tests, the numeric ones with oneDNN and without
	$(WITH_ONEDNN) $(BIN)/python -m pytest $(SIDE_BY_SIDE)
	$(WITHOUT_ONEDNN) $(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "numeric and not twice_nightly and not slow and not device and not gpu" \
		$$($(BIN)/python -m tests.numeric)

lint: $(READY) ## check style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test ## lint and test

fuzz: fuzz-models fuzz-documents fuzz-sources ## throw damaged files at all that reads them (FUZZ_CASES=200000 for long)

fuzz-models: $(READY)
	$(BIN)/python -m tests.fuzz --cases $(FUZZ_CASES)

fuzz-documents: $(READY)
	$(BIN)/python -m tests.fuzz --reader documents --cases $(FUZZ_CASES)

fuzz-sources: $(READY)
	$(BIN)/python -m tests.fuzz --reader sources --cases $(FUZZ_CASES) --seconds 60

nightly: $(READY) try-software-gpu ## run the slow tests and a long fuzz too
	BOKEH_ADBD=$$(.ci/adbd.sh) $(WITH_ONEDNN) $(BIN)/python -m pytest -m "not device"
	$(WITHOUT_ONEDNN) $(BIN)/python -m pytest -m "numeric and not device and not gpu" $$($(BIN)/python -m tests.numeric)
	$(BIN)/python -m tests.fuzz --cases 1000000 --seconds 1800 --seed $$(date +%Y%m%d)
	$(BIN)/python -m tests.fuzz --reader documents --cases 1000000 --seconds 900 --seed $$(date +%Y%m%d)
	$(BIN)/python -m tests.fuzz --reader sources --cases 20000 --seconds 900 --seed $$(date +%Y%m%d)
	$(BIN)/python -m tests.fuzz --reader repair --cases 20000 --seconds 900 --seed $$(date +%Y%m%d)
	$(BIN)/python -m tests.fuzz --reader native --cases 500 --seconds 900 --seed $$(date +%Y%m%d)

# What a user meets whose environment holds old releases: the rooms of the base install, and the rendering of models.
OLDEST := .venv-oldest
NEWEST := .venv-newest
ROOMS_OF_USERS := tests/commands tests/photos tests/rendering tests/bench/test_bench_compare.py \
	tests/bench/test_bench_page.py tests/bench/test_report_command.py tests/delegate/test_report_formats.py \
	tests/tflite/test_damaged_files.py tests/tflite/test_inspection.py tests/tflite/test_release.py \
	tests/training/test_checkpoints.py
TEST_TOOLS := pytest pytest-xdist jsonschema check-jsonschema

oldest: ## run tests with the oldest dependencies that setup.py allows, in an environment of its own
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[tensorflow]' $(TEST_TOOLS)
	$(OLDEST)/bin/python .ci/lowest_constraints.py > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install --quiet -e '.[tensorflow]' $(TEST_TOOLS) -c $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pytest $(SIDE_BY_SIDE) $(ROOMS_OF_USERS)

newest: ## the same with the newest ones, prereleases of the runtime included
	$(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[tensorflow]' $(TEST_TOOLS)
	$(NEWEST)/bin/python -m pip install --quiet --upgrade --pre ai-edge-litert
	$(NEWEST)/bin/python -m pytest $(SIDE_BY_SIDE) $(ROOMS_OF_USERS)

software-gpu: ## install a software Vulkan adapter (Debian, Ubuntu; needs root once)
	sh .ci/software-gpu.sh

browser: ## install Chromium and npm for the tests in a browser (Debian; needs root once)
	sh .ci/browser.sh

# A machine without root still gets everything else: the check then says UNAVAILABLE and how to mend it.
.PHONY: try-software-gpu
try-software-gpu: $(READY)
	@$(BIN)/python -m bokeh_tf.tflite.running.gpu_adapter >/dev/null 2>&1 || sh .ci/software-gpu.sh || \
		echo "No Vulkan adapter: the delegate check will say UNAVAILABLE." >&2

$(READY): setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || \
		{ echo "Python's venv is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

clean: ## remove the environment and what the demo made
	rm -rf $(VENV) $(OLDEST) $(NEWEST) demo_output
