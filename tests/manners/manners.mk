# make test-manners: what the service costs mail servers, and how it keeps its promises, counted by the lab.

$(BUILD)/connect_log.so: tests/manners/connect_log.c
	@mkdir -p $(@D)
	$(CC) -std=c17 -D_GNU_SOURCE -O1 $(WARNINGS) -fPIC -shared -o $@ $< -ldl

.PHONY: test-manners
test-manners: $(BUILD)/vrfyd $(BUILD)/maillab $(BUILD)/connect_log.so ## manners, counted by the lab; T=word picks tests
	@MAILLAB=$(BUILD)/maillab VRFYD=$(BUILD)/vrfyd CONNECT_LOG_SO=$(BUILD)/connect_log.so \
	    PYTHONDONTWRITEBYTECODE=1 python3 tests/manners/run.py $(T)
