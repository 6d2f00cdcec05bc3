# Every target sets up what it needs and does it only once. PYTHON chooses the interpreter: a path, a command, a version
# such as 3.12, or "newest"; without it, Python 3.7 is used, else the newest of 3.8 to 3.13.
PYTHON ?=
# The tests run on all cores; make test JOBS=0 runs them one after the other in one process, for a debugger.
JOBS ?= auto
pytest = -m pytest -n $(JOBS) --dist worksteal
# Further words for pytest or the demo, for example: make test ARGS="tests/test_logger.py -k csv"
ARGS ?=

.PHONY: help demo test test-all lint docs bench clean

help:
	@echo "make demo      train PPO2 on CartPole-v1, save, load, evaluate, draw the learning curve"
	@echo "make test      run the tests, without those that take minutes"
	@echo "make test-all  run all tests, on Python 3.7 and on the newest Python found"
	@echo "make lint      check the style and the types of the code"
	@echo "make docs      build the documentation into docs/_build/html"
	@echo "make bench     measure the speed beside other libraries, for hours; benchmarks/README.md says how to choose"
	@echo "make clean     remove what these commands made, the environments included"
	@echo "PYTHON=3.12 make test (or demo, ...) uses that Python, in an environment of its own"

demo:
	@python="$$(scripts/venv.sh progress "$(PYTHON)")" && "$$python" scripts/demo.py $(ARGS)

test:
	@python="$$(scripts/venv.sh tests "$(PYTHON)")" && "$$python" $(pytest) -m "not slow" $(ARGS)

# With PYTHON, that one alone.
test-all:
	@lanes="$(or $(PYTHON),$$(scripts/lanes.sh))" && for lane in $$lanes; do \
		python="$$(scripts/venv.sh tests "$$lane")" && "$$python" $(pytest) $(ARGS) || exit 1; \
	done

# Python 3.7 has no mypy that knows today's libraries.
lint:
	@python="$$(scripts/venv.sh tests "$(or $(PYTHON),newest)")" && \
		"$$python" -m ruff check stable_baselines tests scripts benchmarks setup.py && "$$python" -m mypy

docs:
	@python="$$(scripts/venv.sh docs "$(PYTHON)")" && \
		"$$python" -m sphinx -W --keep-going -b html docs docs/_build/html && echo "docs/_build/html/index.html"

bench:
	@python="$$(scripts/venv.sh progress "$(PYTHON)")" && "$$python" benchmarks/bench.py $(ARGS)

clean:
	rm -rf .venv .venv-3.* build dist *.egg-info docs/_build demo_output .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
