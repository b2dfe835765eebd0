# make test-routes: several source addresses, SOCKS5 proxies, and what follows from a refusal.

.PHONY: test-routes
test-routes: $(BUILD)/vrfyd $(BUILD)/maillab ## source addresses and proxies over real sockets; T=word picks tests
	@MAILLAB=$(BUILD)/maillab VRFYD=$(BUILD)/vrfyd PYTHONDONTWRITEBYTECODE=1 python3 tests/routes/run.py $(T)
