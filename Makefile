# Apus: building, running and testing. `make help` lists what there is.
#
# Variables: PREFIX (/usr/local), UNITDIR, DESTDIR and STRIP (-s; empty: with debug information) for install; CI=1 makes every compiler warning an error; PLOT=1 lets chaos
# draw docs/never-lands.svg and .png.

PREFIX ?= /usr/local
SWIFT ?= swift
RELEASE = $(SWIFT) build -c release --static-swift-stdlib
STRIP ?= -s
UNITDIR ?= $(PREFIX)/lib/systemd/system
SOURCES = Package.swift Sources Tests

# What make run shows: folders of this tree, so that nothing else of the machine is touched.
RUN = $(CURDIR)/run
BIN = $(CURDIR)/.build/release
DEB = $(CURDIR)/.build/deb

.DEFAULT_GOAL := help
.PHONY: help run build test variant soak chaos install install-files deb deb-files format lint bench toolchain packages-build \
    packages-deb packages-test packages-bench

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: build ## build, then run the broker in the foreground: MQTT on 127.0.0.1:1883, WebSocket on 127.0.0.1:2884
	@mkdir -p $(RUN)/state $(RUN)/runtime
	@echo
	@echo "Try it from another terminal (Ctrl-C here stops the broker):"
	@echo "  $(BIN)/apusctl sub --topic 'hello/#'"
	@echo "  $(BIN)/apusctl pub --topic hello/world --message 'Good morning'"
	@echo
	@STATE_DIRECTORY=$(RUN)/state RUNTIME_DIRECTORY=$(RUN)/runtime exec $(BIN)/apusd

build: toolchain packages-build ## build release binaries into .build/release; they need no toolchain to run
	$(RELEASE)

test: build variant deb packages-test ## run every test: units, then real processes with real clients
	@APUS_BIN=$(BIN) Tests/run

variant: toolchain packages-build ## build programs with another layout of what passes between them, for the tests of upgrades
	@$(SWIFT) build --scratch-path .build-variant -Xswiftc -DAPUS_LAYOUT_VARIANT

soak: build packages-test ## run the long forms of the tests of crashes, power cuts and damage: ten minutes
	@APUS_BIN=$(BIN) Tests/soak

chaos: build packages-bench packages-test ## replace, stop and kill every worker under 10,000 clients; mosquitto restarted beside it
	@APUS_BIN=$(BIN) Tests/chaos/selftest
	@Tests/chaos/run --mosquitto --report .build/chaos-mosquitto.json
	@APUS_BIN=$(BIN) Tests/chaos/run --report .build/chaos.json
ifdef PLOT
	@Tests/chaos/plot docs/never-lands Apus=.build/chaos.json mosquitto=.build/chaos-mosquitto.json
endif

install: build packages-build install-files ## install into PREFIX (/usr/local), below DESTDIR

# What `make install` does once the programs are there; also what the package is made of.
install-files:
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/apus \
	    $(DESTDIR)$(UNITDIR) $(DESTDIR)/etc/apus
	install $(STRIP) $(BIN)/apusd $(DESTDIR)$(PREFIX)/sbin/
	install $(STRIP) $(BIN)/apusctl $(DESTDIR)$(PREFIX)/bin/
	install $(STRIP) $(BIN)/apus-listener $(BIN)/apus-router $(BIN)/apus-bridge $(BIN)/apus-auth $(DESTDIR)$(PREFIX)/libexec/apus/
	install packaging/symbolize $(DESTDIR)$(PREFIX)/libexec/apus/
	packaging/make-units $(PREFIX) $(DESTDIR)$(UNITDIR)
	install -D -m 644 units/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/apus.conf
	install -D -m 644 units/tmpfiles.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/apus.conf
	install -D -m 644 units/apus.catalog $(DESTDIR)$(PREFIX)/lib/systemd/catalog/apus.catalog
	install -D -m 644 units/private.conf $(DESTDIR)$(PREFIX)/share/apus/private.conf
	packaging/make-manual $(BIN)/apusctl .build/manual
	for page in .build/manual/*; do \
	    install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done
	packaging/make-completion $(BIN)/apusctl $(DESTDIR)$(PREFIX)/share
	[ -e $(DESTDIR)/etc/apus/apus.toml ] || install -m 644 units/apus.toml $(DESTDIR)/etc/apus/

deb: build packages-deb deb-files ## make the Debian packages: .build/deb/apus_VERSION_ARCHITECTURE.deb

deb-files:
	packaging/make-deb $(BIN) $(DEB)

format: toolchain ## put all Swift files into the project's format
	$(SWIFT) format --in-place --parallel --recursive $(SOURCES)

lint: toolchain ## check the format of all Swift files
	$(SWIFT) format lint --strict --parallel --recursive $(SOURCES)

bench: build packages-bench ## measure Apus beside Debian's mosquitto
	@APUS_BIN=$(BIN) Benchmarks/run

toolchain:
	@packaging/check-swift

packages-build packages-deb packages-test packages-bench: packages-%:
	@packaging/install-packages $*
