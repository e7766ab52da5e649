# Everything a newcomer needs is `make run` and `make test`; `make help` lists
# the rest. A target fetches what it lacks: Go modules always, programs of the
# operating system where apt is there and we are root (see .ci/need).

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
BINARIES := servicelink refcore netsim playground simprot
TOOL     := go tool -modfile=tools/go.mod
SUITE    := go run ./test/suite

# FUZZTIME is the time of one fuzz target; by default all share FUZZTOTAL.
FUZZTIME  ?=
FUZZTOTAL ?= 5m
# ARGS are handed to the program a target starts: make run ARGS=--help
ARGS ?=
# PYTHON has the msgpack library, or gets it where it is Debian's.
PYTHON ?= /usr/bin/python3
# SOURCE_DATE_EPOCH is the time a release is from, seconds of Unix time.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
# SCREENSHOTS is where the browser test leaves its pictures.
SCREENSHOTS ?= $(CURDIR)/bin/screenshots

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## start gateway, reference core and simulated networks with phones; open the printed address
	@[ -e bin/playground ] && echo building || echo 'building; the first time takes a minute or two'
	@CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ ./cmd/playground
	@exec bin/playground $(ARGS)

.PHONY: test
test: ## every test of the module: race detector, shuffled order, and none of the promised ones left out
	@.ci/need gcc gcc libc6-dev
	CGO_ENABLED=1 $(SUITE) test -- -race -shuffle=on -count=1 -timeout=10m ./...

.PHONY: build
build: ## bin/servicelink, bin/refcore, bin/netsim, bin/playground, bin/simprot: static, reproducible, with their version
	CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ $(BINARIES:%=./cmd/%)

.PHONY: lint
lint: ## linters and formatting, versions pinned in tools/go.mod
	@$(TOOL) golangci-lint run ./...
	@cd tools && go tool golangci-lint run ./...
	@go mod verify >/dev/null

.PHONY: fmt
fmt: ## rewrite the sources as `make lint` wants them
	@$(TOOL) golangci-lint fmt ./...

.PHONY: fuzz
fuzz: ## every fuzz target of the module, FUZZTOTAL (5m) in all or FUZZTIME each
	$(SUITE) fuzz -total '$(FUZZTOTAL)' -each '$(FUZZTIME)'

.PHONY: browser
browser: ## conversations and faults in a real Chromium, screenshots into SCREENSHOTS
	@.ci/need chromium chromium
	@$(MAKE) --no-print-directory build
	SCREENSHOTS='$(SCREENSHOTS)' $(SUITE) browser -- -tags browser -count=1 -timeout=10m ./test/browser

.PHONY: grammy
grammy: ## a bot on a library of others (Node.js, npm ci) against the simulated Telegram
	@.ci/need npm nodejs npm
	@$(MAKE) --no-print-directory build
	@mkdir -p bin/grammy && cp test/netsim/grammy/{package.json,package-lock.json,bot.mjs} bin/grammy/
	npm ci --prefix bin/grammy --ignore-scripts --no-audit --no-fund
	GRAMMY='$(CURDIR)/bin/grammy' $(SUITE) grammy -- -tags grammy -count=1 -timeout=5m ./test/netsim/grammy

.PHONY: twilio
twilio: ## what the tests take for Twilio's signatures, signed again with Twilio's library (Node.js, npm ci); ARGS=-write keeps them
	@.ci/need npm nodejs npm
	@mkdir -p bin/twilio && cp test/twilio/sign/{package.json,package-lock.json,sign.mjs,requests.mjs} bin/twilio/
	npm ci --prefix bin/twilio --ignore-scripts --no-audit --no-fund
	TWILIO='$(CURDIR)/bin/twilio' $(SUITE) twilio -- -tags twilio -count=1 -timeout=5m ./test/twilio/sign $(if $(ARGS),-args $(ARGS))

.PHONY: openapi
openapi: ## the Twilio connectors and the simulated Twilio, held against Twilio's own OpenAPI (Node.js, npm ci)
	@.ci/need npm nodejs npm
	@mkdir -p bin/openapi && cp test/twilio/openapi/{package.json,package-lock.json,cut.mjs} bin/openapi/
	npm ci --prefix bin/openapi --ignore-scripts --no-audit --no-fund --loglevel=error
	OPENAPI='$(CURDIR)/bin/openapi' $(SUITE) openapi -- -tags openapi -count=1 -timeout=5m ./test/twilio/openapi

.PHONY: proxies
proxies: export PATH := $(PATH):/usr/sbin
proxies: ## nginx and HAProxy in front of the gateway, with the files in examples/proxies
	@.ci/need nginx nginx-light
	@.ci/need haproxy haproxy
	@$(MAKE) --no-print-directory build BINARIES=servicelink
	$(SUITE) proxies -- -tags proxies -count=1 -parallel=18 -timeout=5m ./test/proxies

.PHONY: mail
mail: export PATH := $(PATH):/usr/sbin
mail: ## messages end to end with Dovecot, Postfix, smtp-sink and aiosmtpd; needs root
	@.ci/need dovecot dovecot-imapd dovecot-pop3d dovecot-lmtpd
	@.ci/need postfix postfix
	@PYTHON='$(PYTHON)' .ci/need python:aiosmtpd python3 python3-aiosmtpd
	@PYTHON='$(PYTHON)' .ci/need python:test.test_email python3 libpython3.11-testsuite
	@$(MAKE) --no-print-directory build BINARIES='servicelink refcore'
	PYTHON='$(PYTHON)' $(SUITE) mail -- -tags mail -count=1 -timeout=15m ./test/mail ./connectors/email

.PHONY: second
second: ## SimProt in Python, written from SPEC.md: every vector, and the example core with a gateway
	@PYTHON='$(PYTHON)' .ci/need python:msgpack python3 python3-msgpack
	PYTHON='$(PYTHON)' $(SUITE) second -- -tags second -count=1 -timeout=10m ./test/second

.PHONY: sim
sim: ## the gateway in a model world, on virtual time: fixed seeds, then a minute of fresh ones; ARGS='-for 10m'
	@mkdir -p bin && rm -f bin/sim.txt
	$(SUITE) sim -- -tags sim -count=1 -timeout=0 ./test/sim -args -runs 300 -report '$(CURDIR)/bin/sim.txt' $(ARGS)
	@cat bin/sim.txt

.PHONY: mutants
mutants: ## switches off one rule of the gateway after the other: the simulation must notice each; RULES='(settle|strikes)'
	$(SUITE) mutants -- -tags mutants -run 'TestMutants/$(RULES)' -count=1 -timeout=60m ./test/sim

.PHONY: chaos
chaos: ## the real programs under faults that dice choose, for a minute; ARGS='-kills 200 -seed N -for 10m'
	@.ci/need nft nftables && .ci/need ip iproute2 && .ci/need mkfs.ext4 e2fsprogs
	@mkdir -p bin && rm -rf bin/chaos
	CHAOS_REPORT='$(CURDIR)/bin/chaos' $(SUITE) chaos -- -tags chaos -count=1 -timeout=0 ./test/chaos -args $(ARGS)
	@sed '/^verdict/q' bin/chaos/report.txt

.PHONY: release
release: ## bin/release: static programs for Linux on amd64 and arm64, checksums, what they are linked from
	SOURCE_DATE_EPOCH='$(SOURCE_DATE_EPOCH)' deploy/release.sh '$(VERSION)' bin/release

.PHONY: image
image: release ## bin/image: images of the release, made without a daemon
	@.ci/need buildah buildah ca-certificates
	SOURCE_DATE_EPOCH='$(SOURCE_DATE_EPOCH)' deploy/image/build.sh '$(VERSION)' bin/release bin/image

.PHONY: deploy
deploy: image ## what operators are given, checked: release, images, unit, alerts, dashboard
	@.ci/need promtool prometheus
	@.ci/need systemd-analyze systemd
	VERSION='$(VERSION)' SOURCE_DATE_EPOCH='$(SOURCE_DATE_EPOCH)' RELEASE='$(CURDIR)/bin/release' IMAGES='$(CURDIR)/bin/image' \
		$(SUITE) deploy -- -tags deploy -count=1 -timeout=8m ./test/deploy

.PHONY: bench
bench: build ## the figures: machine, medians and ratios of interleaved runs (about half an hour)
	@.ci/need wrk wrk
	@echo building bin/bench
	@CGO_ENABLED=0 go build -buildvcs=false -trimpath -o bin/ ./test/bench ./cmd/netsim
	@bin/bench $(ARGS)

.PHONY: vuln
vuln: ## known vulnerabilities of what is linked; VULNDB names a database where the public one is out of reach
	@db=$$(.ci/vulndb) && echo "database: $${db:-the public one}" && $(TOOL) govulncheck $${db:+-db "$$db"} ./...

.PHONY: clean
clean: ## remove what the targets above made
	rm -rf bin data
