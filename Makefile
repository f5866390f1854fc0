# The two commands:  make demo   and   make test
#
# Both set up .venv (OpenMM, CMake, Ninja, SWIG from the Python package index) and build/ by
# themselves. The machine needs: python3 with venv and headers, gcc, g++, make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(CURDIR)/$(VENV)/bin
JOBS   ?= $(shell nproc)

export PATH := $(BIN):$(PATH)
export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)
unexport PYTHONPATH OPENMM_PLUGIN_DIR

# Whatever the build reads; a change of any of them installs again.
SOURCES := $(shell find CMakeLists.txt pyproject.toml cmake engine openmmapi platforms serialization \
             wrappers tests models examples -type f -not -name '*.pyc' 2>/dev/null)

.PHONY: demo test test-long install sanitize sanitize-threads clean help

help:
	@echo "make demo      molecular dynamics of alanine dipeptide in water, the peptide by a neural network"
	@echo "make test      every test but the long ones"
	@echo "make test-long the long ones: CUDA's kernels in all precisions, with races looked for"
	@echo "make install   only set up .venv with the package"
	@echo "make sanitize  the C and C++ tests under AddressSanitizer and UndefinedBehaviourSanitizer"
	@echo "make sanitize-threads  the tests of engine and CPU platform under ThreadSanitizer"
	@echo "make clean     remove .venv, build and demo-output"

demo: $(VENV)/.installed
	$(BIN)/python examples/alanine_dipeptide.py --output demo-output

test: $(VENV)/.installed
	cd build/release && { $(BIN)/ctest -LE long --output-on-failure -j $(JOBS) --output-junit tests.xml \
	    --test-output-size-passed 1000000 --test-output-size-failed 1000000; status=$$?; \
	    $(BIN)/python $(CURDIR)/tests/skipped.py tests.xml; exit $$status; }

test-long: $(VENV)/.installed
	cd build/release && $(BIN)/ctest -L long --output-on-failure -j $(JOBS)

sanitize: $(VENV)/.tools
	$(BIN)/cmake --preset sanitize
	$(BIN)/cmake --build --preset sanitize
	$(BIN)/ctest --preset sanitize -j $(JOBS)

sanitize-threads: $(VENV)/.tools
	$(BIN)/cmake --preset sanitize-threads
	$(BIN)/cmake --build --preset sanitize-threads
	$(BIN)/ctest --preset sanitize-threads -j $(JOBS)

install: $(VENV)/.installed

$(VENV)/.tools: requirements.txt
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	    { echo "error: $(PYTHON) has no venv module. On Debian: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' || \
	    { echo "error: the headers of $(PYTHON) (Python.h) are missing. On Debian: apt-get install python3-dev"; exit 1; }
	@command -v gcc >/dev/null && command -v g++ >/dev/null || \
	    { echo "error: gcc and g++ are needed. On Debian: apt-get install g++"; exit 1; }
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.installed: $(VENV)/.tools $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps .
	@touch $@

clean:
	rm -rf $(VENV) build demo-output
