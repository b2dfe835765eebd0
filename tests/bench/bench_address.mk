# make bench-address: the address floor against its targets, a regular expression and Python.

$(BUILD)/bench/bench_address: $(BUILD)/tests/bench/bench_address.o $(BUILD)/libprobes.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ -lpcre2-8 $(PKG_LIBS)
$(BUILD)/tests/bench/bench_address.o: CFLAGS_ALL += -DPCRE2_CODE_UNIT_WIDTH=8

.PHONY: bench-address
bench-address: $(BUILD)/bench/bench_address ## the address floor, a regular expression and Python
	$(BUILD)/bench/bench_address tests/bench/bench_email_validator.py
