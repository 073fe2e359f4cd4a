# Thin targets: everything is in packaging/bootstrap.py, which works as well where make is missing.
PYTHON ?= $(shell command -v python3 || command -v python)
ARGS ?=

.PHONY: run test check bench accept setup engine doctor lock
run test check bench accept setup engine doctor lock:
	@$(PYTHON) packaging/bootstrap.py $@ $(ARGS)
