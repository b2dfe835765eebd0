# make bench: how fast, and with how little. It prints; wrong answers, late ones and leaks make it fail, and no
# figure that a busy machine misses.

BENCH_SERVICE = PYTHONDONTWRITEBYTECODE=1 python3 tests/bench/bench_service.py --build $(BUILD) --out $(BUILD)/bench

.PHONY: bench bench-batch bench-tarpit
bench: ## all benches: a list of addresses, tarpits, the address floor, the classifier
	@status=0; for show in batch tarpit; do $(MAKE) --no-print-directory bench-$$show || status=1; done; \
	for show in address classify; do $(MAKE) --no-print-directory bench-$$show || true; done; exit $$status
bench-batch: $(BUILD)/vrfyd $(BUILD)/maillab ## 1,000 addresses over 50 domains, against the ideal time
	@$(BENCH_SERVICE) batch
bench-tarpit: $(BUILD)/vrfyd $(BUILD)/maillab ## 5,000 hosts that never answer: memory, deadlines, descriptors
	@$(BENCH_SERVICE) tarpit
