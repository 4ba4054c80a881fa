# `make demo` shows the product on a real systemd, `make test` proves it, `make deb` builds the package. All of them
# install what they need.

PYTHON := /usr/bin/python3
VENV := .venv
RELEASE := bookworm
# Seconds for a test with its fixtures, of which some fetch a release of Debian. One that hangs fails.
PYTEST := $(VENV)/bin/python -m pytest --timeout=600
# Modules of tests, four on two cores, for half of the time they wait; each has nodes of its own.
SIDE_BY_SIDE := --numprocesses=4 --dist=loadfile
# Tests of clusters wait more, and each of the two has three nodes at a time, or more.
TWO_CLUSTERS := --numprocesses=2 --dist=loadfile
# What cluster managers call, on single nodes.
MANAGERS := tests/agent tests/keepalived
# The core without a machine, in 20,000 histories: a minute of two processors, which it has for itself.
HISTORIES := tests/histories/test_simulation.py
# The daemon on the real systemd, driven at random for minutes.
DRIVEN := tests/daemon/test_driving.py tests/daemon/test_kill_moments.py tests/histories/test_simulation_truth.py
# Limits at work, and a clock that is set, which take minutes where a virtual machine has to be emulated for them.
LIMITS := tests/daemon/test_limits.py tests/daemon/test_set_clock.py tests/lab/test_virtual_machine.py \
	tests/rehearsal/test_controllers.py
# Debian's own versions of everything that the product and its lab run on.
PACKAGES := busybox-static curl dbus fish iproute2 jq libxml2-utils locales mandoc perl procps python3 python3-click python3-hypothesis \
	python3-jinja2 python3-jsonschema python3-pip python3-prometheus-client python3-pystemd python3-pytest \
	python3-pytest-timeout python3-pytest-xdist python3-setuptools python3-venv python3-wheel qemu-system-x86 systemd tmux \
	util-linux zsh
# What builds the package, and what tests it on other releases.
DEB_PACKAGES := debhelper dh-python dpkg-dev make pybuild-plugin-pyproject python3-all python3-setuptools
ROOT_PACKAGES := lintian mmdebstrap

# Shell text: install those of the packages that are missing.
define install
	@missing=$$(for package in $(1); do \
		dpkg-query --show --showformat='$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed \
			|| echo $$package; done); \
	if [ -n "$$missing" ]; then \
		echo "Installing Debian packages:" $$missing; \
		[ "$$(id -u)" = 0 ] || { echo "Run this as root, or install them yourself." >&2; exit 1; }; \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq --option Dpkg::Use-Pty=0 \
			install --yes --no-install-recommends $$missing >/dev/null; \
	fi
endef

.PHONY: help packages deb-packages root-packages demo demo-cluster test test-histories test-limits test-cluster test-package test-release lint generated screens deb bench clean

help:
	@echo 'make demo    the main job on a real systemd, in a throwaway node'
	@echo 'make demo-cluster  three nodes with Pacemaker and fencing: groups move, a node dies; a minute'
	@echo 'make test    the test suite, linters included'
	@echo 'make test-histories   the core without a machine, in 20,000 random histories, and the daemon driven at random'
	@echo 'make test-limits   limits of memory, tasks and the like at work, in a virtual machine where need be'
	@echo 'make test-cluster  the resource agent, keepalived, and three nodes with Pacemaker: groups move, nodes die'
	@echo 'make test-package  the Debian package, on the releases that RELEASES names'
	@echo 'make test-release  all tests of nodes with the Debian package installed, on RELEASE (bookworm, trixie, unstable)'
	@echo 'make lint    ruff and mypy'
	@echo 'make generated  completions and lists of options in man pages, from the definitions of the options'
	@echo 'make screens  the screens of docs/screens.md, captured anew'
	@echo 'make deb     the Debian package, in dist/'
	@echo 'make bench   the figures of bench/'
	@echo 'make clean   remove what the others made'

packages:
	$(call install,$(PACKAGES))

deb-packages:
	$(call install,$(DEB_PACKAGES))

root-packages:
	$(call install,$(ROOT_PACKAGES))

# ruff is not in Debian 12; all else in this environment is Debian's.
$(VENV)/installed: pyproject.toml | packages
	@echo 'Installing the linters into $(VENV)'
	@$(PYTHON) -m venv --system-site-packages $(VENV)
	@$(VENV)/bin/pip --quiet --disable-pip-version-check install $$($(PYTHON) -c "import tomllib; \
		print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['lint'])")
	@touch $@

demo: packages
	@$(PYTHON) -m demo

# Debian's Pacemaker and its like are fetched once, into build/programs; nothing is installed here but what builds the
# project's package.
demo-cluster: packages deb-packages
	@$(PYTHON) -m demo cluster

test: $(VENV)/installed
	$(PYTEST) $(SIDE_BY_SIDE) $(addprefix --ignore=,tests/cluster $(MANAGERS) tests/package $(HISTORIES) $(DRIVEN) $(LIMITS))

test-histories: $(VENV)/installed
	$(PYTEST) $(HISTORIES)
	$(PYTEST) $(SIDE_BY_SIDE) $(DRIVEN)

test-limits: $(VENV)/installed
	$(PYTEST) $(LIMITS)

# First what needs one node at a time; then three nodes with the project's packages, which need both processors.
# Debian's programs for them are fetched once, into build/programs.
test-cluster: $(VENV)/installed deb-packages
	$(PYTEST) $(SIDE_BY_SIDE) $(MANAGERS)
	$(PYTEST) $(TWO_CLUSTERS) tests/cluster

# Apart from the others, for it makes roots of other releases, a minute each, and installs what is built into them.
test-package: $(VENV)/installed deb-packages root-packages
	$(PYTEST) tests/package

# All tests of nodes, or those of TESTS, without those of EXCEPT, in nodes of one release with the Debian package
# installed.
test-release: $(VENV)/installed deb-packages root-packages
	LAB_RELEASE=$(RELEASE) $(PYTEST) $(SIDE_BY_SIDE) $(addprefix --ignore=,tests/cluster tests/package $(EXCEPT)) $(TESTS)

lint: $(VENV)/installed
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

generated: packages
	@$(PYTHON) -m generate

# docs/screens.md, captured anew from terminals of a node.
screens: $(VENV)/installed
	SCREENS=write $(PYTEST) tests/docs/test_screens.py

deb: deb-packages
	@packaging/build-deb dist

bench: packages
	@$(PYTHON) -m bench

clean:
	rm -rf build dist $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
