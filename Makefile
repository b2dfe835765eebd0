# vrfyd: `make run` starts it, `make test` tests it, `make help` lists the rest.
# DEV=1 adds -Werror and the sanitizers (SAN=address,undefined by default, SAN=thread for TSan).

BUILD  ?= build$(if $(DEV),-dev)$(if $(filter thread,$(SAN)),-tsan)
CC     ?= cc
PKGS   := libcares libmicrohttpd openssl jansson libidn2 libpsl
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lev -lunistring -lm -lpthread

WARN   := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wmissing-prototypes -Wswitch-enum
# libev's initialiser macros break strict aliasing by design.
CFLAGS_ALL := -std=c17 -D_GNU_SOURCE -I. -g -fno-strict-aliasing $(WARN) $(PKG_CFLAGS)
ifdef DEV
SAN    ?= address,undefined
CFLAGS_ALL += -O1 -Werror -fno-omit-frame-pointer -fsanitize=$(SAN)
LDFLAGS_ALL := -fsanitize=$(SAN)
else
CFLAGS_ALL += -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fPIE
LDFLAGS_ALL := -pie -Wl,-z,relro,-z,now,-z,noexecstack
endif
CFLAGS_ALL += $(CFLAGS)
LDFLAGS_ALL += $(LDFLAGS)

# Narrow these to build one area while another is being rewritten.
AREAS   ?= $(notdir $(wildcard probes/*))
SOURCES_PROBES  := $(filter-out %/data.c,$(foreach area,$(AREAS),$(wildcard probes/$(area)/*.c)))
SOURCES_SERVICE := $(filter-out service/main.c,$(wildcard service/*.c))
SOURCES_API     := $(wildcard api/*.c)
SOURCES_LAB     := $(wildcard tests/lab/*.c)
SOURCES_UNIT    := $(wildcard tests/unit/test_*.c)
OBJECTS  = $(patsubst %.c,$(BUILD)/%.o,$(1))

.PHONY: all
all: $(BUILD)/vrfyd $(BUILD)/maillab

$(BUILD)/libprobes.a: $(call OBJECTS,$(SOURCES_PROBES))
	@rm -f $@; ar rcs $@ $^
$(BUILD)/libservice.a: $(call OBJECTS,$(SOURCES_SERVICE))
	@rm -f $@; ar rcs $@ $^
$(BUILD)/libapi.a: $(call OBJECTS,$(SOURCES_API))
	@rm -f $@; ar rcs $@ $^

$(BUILD)/vrfyd: $(BUILD)/service/main.o $(BUILD)/libapi.a $(BUILD)/libservice.a $(BUILD)/libprobes.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)
$(BUILD)/maillab: $(call OBJECTS,$(SOURCES_LAB)) $(BUILD)/libprobes.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

# Unit tests: one program a file, against the archives.
$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(wildcard tests/support/*.c) $(BUILD)/libprobes.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $(filter %.o %.c,$^) $(wildcard $(BUILD)/libapi.a) $(wildcard $(BUILD)/libservice.a) $(BUILD)/libprobes.a -lcmocka $(PKG_LIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

-include $(wildcard tests/*/*.mk probes/*/*.mk)
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
