# make bench-classify: what replies mean, per second and core.

$(BUILD)/bench/bench_classify: $(BUILD)/tests/bench/bench_classify.o $(BUILD)/libprobes.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

.PHONY: bench-classify
bench-classify: $(BUILD)/bench/bench_classify ## replies classified per second and core
	$(BUILD)/bench/bench_classify
