# make run    set-up, release build, train, serve
# make test   set-up, tests
#
# Everything else is plain SwiftPM: swift build | swift test | swift format.

CONFIG    ?= config/quickstart.yaml
LOG       ?= .leeway/leeway.log
PACKAGES  := libcurl4-openssl-dev libssl-dev zlib1g-dev dataset-fashion-mnist pkg-config
LIBRARIES := libcurl openssl zlib
# Exclusive access is checked while testing; at run time the checks cost a tenth of a request.
RELEASE_FLAGS := -Xswiftc -enforce-exclusivity=unchecked

.PHONY: run test build lint setup clean

# What concerns a person is shown; the log goes to a file, whose end is shown if the start fails.
run: build
	@mkdir -p $(dir $(LOG))
	@echo "leeway: starting with $(CONFIG), the log is in $(LOG)"
	@.build/release/leeway serve --config $(CONFIG) 2>>$(LOG) \
	    || { tail -n 3 $(LOG) >&2; exit 1; }

# Tests that hold connections come first: beside the numerics they wait for a processor until
# their peers give up.
CONNECTED := HTTPTransportTests|TLSTransportTests|ServingTests|TransferTests|ApplianceTests|FlowTests

test: setup
	swift test --filter '$(CONNECTED)'
	swift test --skip '$(CONNECTED)'

build: setup
	@echo "leeway: building the release (some minutes the first time)"
	swift build -c release --static-swift-stdlib --product leeway $(RELEASE_FLAGS)

lint:
	swift format lint --strict --recursive Package.swift Sources Tests

# Installs what is missing, and says what it does. Only Debian and its relatives are known here.
setup:
	@command -v swift >/dev/null || { echo "leeway: no Swift toolchain: see swift.org/install" >&2; exit 1; }
	@if pkg-config --exists $(LIBRARIES) 2>/dev/null && dpkg -s dataset-fashion-mnist >/dev/null 2>&1; then \
	    exit 0; \
	elif ! command -v apt-get >/dev/null; then \
	    pkg-config --exists $(LIBRARIES) 2>/dev/null && exit 0; \
	    echo "leeway: please install the development files of libcurl, OpenSSL 3 and zlib (Debian: $(PACKAGES))" >&2; \
	    exit 1; \
	fi; \
	echo "leeway: installing the Debian packages $(PACKAGES)"; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	$$sudo apt-get update -qq && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(PACKAGES) >/dev/null

clean:
	rm -rf .build
