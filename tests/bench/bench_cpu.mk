# make bench-cpu: what a verdict costs the processor, beside yardsticks in the same run.

LAB_WORLD := $(filter-out tests/lab/main.c,$(SOURCES_LAB))

$(BUILD)/bench/yardstick_smtp: $(BUILD)/tests/bench/yardstick_starttls.o $(BUILD)/tests/bench/yardstick_answer.o
$(BUILD)/bench/yardstick_%: $(BUILD)/tests/bench/yardstick_%.o $(call OBJECTS,$(LAB_WORLD)) $(BUILD)/libprobes.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(PKG_LIBS)

.PHONY: bench-cpu
bench-cpu: $(BUILD)/vrfyd $(BUILD)/maillab $(BUILD)/bench/yardstick_smtp $(BUILD)/bench/yardstick_tls ## verdicts per second of processor, beside yardsticks
	@PYTHONDONTWRITEBYTECODE=1 python3 tests/bench/bench_cpu.py --build $(BUILD) --out $(BUILD)/bench
