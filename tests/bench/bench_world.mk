# make bench-world: a whole mail internet asked until all has settled, against the ideal and a naive client.

DELAY_MS ?= 20
FAULTS   ?= 3
NAIVE    ?= 10

# SEED, DOMAINS and ADDRESSES have smaller defaults for `make accuracy`.
world_value = $(if $(filter command environment,$(origin $(1))),$($(1)),$(2))

$(BUILD)/bench/naive: $(BUILD)/tests/bench/naive.o $(BUILD)/libservice.a $(BUILD)/libprobes.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

.PHONY: bench-world
bench-world: $(BUILD)/vrfyd $(BUILD)/maillab $(BUILD)/bench/naive ## a world asked until it has settled: SEED= DOMAINS= ADDRESSES= DELAY_MS= FAULTS=% NAIVE=% MIX=file
	@PYTHONDONTWRITEBYTECODE=1 python3 tests/bench/bench_world.py --build $(BUILD) --out $(BUILD)/bench \
	    --seed $(call world_value,SEED,1) --domains $(call world_value,DOMAINS,1000) \
	    --addresses $(call world_value,ADDRESSES,100000) --delay-ms $(DELAY_MS) --faults $(FAULTS) --naive $(NAIVE) $(if $(MIX),--mix $(MIX))

.PHONY: bench-outage
bench-outage: $(BUILD)/vrfyd $(BUILD)/maillab ## the network pulled for 30 s in the middle of a run
	@PYTHONDONTWRITEBYTECODE=1 python3 tests/bench/outage.py --build $(BUILD) --out $(BUILD)/bench

.PHONY: bench-flight
bench-flight: $(BUILD)/vrfyd $(BUILD)/maillab ## 1,000, 5,000 and 15,000 sessions open at once on one loop: memory, cost, timers
	@PYTHONDONTWRITEBYTECODE=1 python3 tests/bench/bench_flight.py --build $(BUILD) --out $(BUILD)/bench
