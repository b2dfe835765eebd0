# vrfyd: `make run` starts it, `make test` tests it, `make help` lists the rest.
#
# DEV=1 adds -Werror and sanitizers: SAN=address,undefined (default) or SAN=thread.
# Areas bring targets of their own in tests/*/*.mk and probes/*/*.mk; a `##` comment puts one into help.

SHELL  := /bin/bash
BUILD  ?= build$(if $(DEV),-$(if $(filter thread,$(SAN)),tsan,dev))
CC     ?= cc
CLANG  ?= clang
ONCE   ?=

PKGS       := libcares libmicrohttpd openssl jansson libidn2 libpsl
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lev -lunistring -lm -lpthread

WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wmissing-prototypes -Wswitch-enum
# libev's initialisers break strict aliasing by design.
CFLAGS_ALL := -std=c17 -D_GNU_SOURCE -I. -g -fno-strict-aliasing $(WARNINGS) $(PKG_CFLAGS)
ifdef DEV
SAN         ?= address,undefined
CFLAGS_ALL  += -O1 -Werror -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all
LDFLAGS_ALL := -fsanitize=$(SAN)
else
CFLAGS_ALL  += -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong \
               -fstack-clash-protection -fPIE
LDFLAGS_ALL := -pie -Wl,-z,relro,-z,now,-z,noexecstack
endif
CFLAGS_ALL  += $(CFLAGS)
LDFLAGS_ALL += $(LDFLAGS)

# Narrow AREAS to build a part while another is being rewritten.
AREAS           ?= $(notdir $(wildcard probes/*))
SOURCES_PROBES  := $(foreach area,$(AREAS),$(wildcard probes/$(area)/*.c))
SOURCES_SERVICE := $(filter-out service/main.c,$(wildcard service/*.c))
SOURCES_API     := $(wildcard api/*.c)
SOURCES_LAB     := $(wildcard tests/lab/*.c)
SOURCES_SUPPORT := $(wildcard tests/support/*.c)
UNITS           := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
OBJECTS          = $(patsubst %.c,$(BUILD)/%.o,$(1))

.PHONY: all
all: $(BUILD)/vrfyd $(BUILD)/maillab ## build the programs (needs `make deps-build` once)

$(BUILD)/libprobes.a: $(call OBJECTS,$(SOURCES_PROBES))
$(BUILD)/libservice.a: $(call OBJECTS,$(SOURCES_SERVICE))
$(BUILD)/libapi.a: $(call OBJECTS,$(SOURCES_API))
$(BUILD)/libsupport.a: $(call OBJECTS,$(SOURCES_SUPPORT))
$(BUILD)/lib%.a:
	@rm -f $@; ar rcs $@ $^

$(BUILD)/vrfyd: $(BUILD)/service/main.o $(BUILD)/libapi.a $(BUILD)/libservice.a $(BUILD)/libprobes.a
	@echo "  LD $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)
$(BUILD)/maillab: $(call OBJECTS,$(SOURCES_LAB)) $(BUILD)/libprobes.a
	@echo "  LD $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

# One program a test file.
$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libsupport.a $(BUILD)/libapi.a $(BUILD)/libservice.a \
                 $(BUILD)/libprobes.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ -lcmocka $(PKG_LIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# --- set-up ---------------------------------------------------------------------

DEPS_BUILD := gcc libc6-dev make pkg-config libev-dev libc-ares-dev libmicrohttpd-dev libssl-dev \
              libjansson-dev libidn2-dev libunistring-dev libpsl-dev uthash-dev ca-certificates
DEPS_RUN   := $(DEPS_BUILD) curl
DEPS_DEMO  := $(DEPS_RUN) python3
DEPS_TEST  := $(DEPS_DEMO) libcmocka-dev openssl procps
DEPS_DEV   := $(DEPS_TEST) git clang clang-format clang-tidy cppcheck shellcheck valgrind libpcre2-dev \
              python3-email-validator

.PHONY: deps deps-build deps-run deps-demo deps-test
deps-build: ; @tests/support/deps.sh $(DEPS_BUILD)
deps-run: ; @tests/support/deps.sh $(DEPS_RUN)
deps-demo: ; @tests/support/deps.sh $(DEPS_DEMO)
deps-test: ; @tests/support/deps.sh $(DEPS_TEST)
deps: ## install everything that any target needs (apt; root)
	@tests/support/deps.sh $(DEPS_DEV)
	@tests/support/deps.sh libclang-rt-$$($(CLANG) -dumpversion | cut -d. -f1)-dev
	@tests/interop/deps.sh

# --- use ------------------------------------------------------------------------

PORT ?= 8080
.PHONY: run demo
run: deps-run ## install, build, start the service on http://localhost:8080 (PORT=)
	@$(MAKE) -s --no-print-directory -j2 all
	@echo "try:  curl -s http://localhost:$(PORT)/v1/verify -H 'Content-Type: application/json' -d '{\"email\":\"jane@gmail.con\",\"policy\":\"signup\"}'"
	@echo "stop: Ctrl-C    another port: make run PORT=8081"
	@exec $(BUILD)/vrfyd serve --auth off --listen 127.0.0.1:$(PORT)

# --- tests ----------------------------------------------------------------------

.PHONY: test check units
test: deps-test ## install, build, run every test that needs no root and no network
	@$(MAKE) -s --no-print-directory -j2 all units
	@$(MAKE) --no-print-directory check
units: $(UNITS)
check: all units
	@tests/support/run_all.sh $(BUILD)

.PHONY: valgrind
valgrind: units ## the unit tests under valgrind
	@TEST_SLOWNESS=9 tests/support/run_units.sh valgrind -q --error-exitcode=99 --leak-check=full -- $(UNITS)

# --- fuzzing --------------------------------------------------------------------

FUZZ_SECONDS ?= 60
FUZZERS      := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_FLAGS   := -std=c17 -D_GNU_SOURCE -I. -g -O1 -fno-strict-aliasing $(PKG_CFLAGS) \
                -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FUZZ_SOURCES := $(SOURCES_PROBES) $(SOURCES_SERVICE) $(SOURCES_API)

.PHONY: fuzz $(addprefix fuzz-,$(FUZZERS))
fuzz: $(addprefix fuzz-,$(FUZZERS)) ## every fuzz target for FUZZ_SECONDS (60) each; needs clang
build-fuzz/%.o: %.c
	@mkdir -p $(@D)
	@$(CLANG) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<
build-fuzz/libfuzzed.a: $(patsubst %.c,build-fuzz/%.o,$(FUZZ_SOURCES))
	@rm -f $@; ar rcs $@ $^
build-fuzz/fuzz_%: build-fuzz/tests/fuzz/fuzz_%.o build-fuzz/libfuzzed.a
	@$(CLANG) -fsanitize=fuzzer,address,undefined -o $@ $^ $(PKG_LIBS)
$(addprefix fuzz-,$(FUZZERS)): fuzz-%: build-fuzz/fuzz_%
	@mkdir -p build-fuzz/found/$* tests/fuzz/corpus/$*
	@echo "fuzz $*: $(FUZZ_SECONDS) s"
	@build-fuzz/fuzz_$* -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
	    -artifact_prefix=build-fuzz/found/ build-fuzz/found/$* tests/fuzz/corpus/$* \
	    > build-fuzz/$*.log 2>&1 || { tail -40 build-fuzz/$*.log; exit 1; }
	@grep -E 'stat::number_of_executed_units' build-fuzz/$*.log

# --- habits ---------------------------------------------------------------------

.PHONY: lint fmt
lint: ## formatting, clang-tidy, cppcheck, include directions, banned functions
	@tests/lint/lint.sh
fmt: ## format every C file
	@git ls-files '*.c' '*.h' | xargs clang-format -i

.PHONY: image
image: ## build the container image vrfyd:latest
	docker build -t vrfyd:latest .

.PHONY: clean help
clean: ; rm -rf build build-dev build-tsan build-fuzz
help: ## this list
	@grep -hE '^[a-z][a-z-]*:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## ?/  \1\t/' | expand -t 20 | sort

.SECONDARY:
include $(wildcard probes/*/*.mk tests/*/*.mk)
-include $(shell find $(BUILD) build-fuzz -name '*.d' 2>/dev/null)
