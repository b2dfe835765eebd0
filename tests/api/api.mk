# HTTP and command line from outside: python3 (standard library only) against the service with a
# fake engine, and against the program itself where no network is needed.
# The archive gives all of the service but the engine, which is defined already.
$(BUILD)/fake-server: $(call OBJECTS,tests/api/fake_server.c tests/api/fake_engine.c) $(BUILD)/libapi.a \
                      $(BUILD)/libservice.a $(BUILD)/libprobes.a
	@echo "  LD $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

.PHONY: test-api
test-api: $(BUILD)/fake-server $(BUILD)/vrfyd ## HTTP and command line from outside; T=word picks tests
	FAKE_SERVER=$(BUILD)/fake-server VRFYD=$(BUILD)/vrfyd PYTHONDONTWRITEBYTECODE=1 \
	    python3 tests/api/run.py $(T)
