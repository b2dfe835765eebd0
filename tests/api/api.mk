# HTTP and command line from outside: python3 (standard library only) against the service with a
# fake engine, and against the program itself where no network is needed.
FAKE_SERVER_OBJECTS := $(BUILD)/tests/api/fake_server.o $(BUILD)/tests/api/fake_engine.o
$(BUILD)/fake-server: $(FAKE_SERVER_OBJECTS) $(BUILD)/libapi.a $(BUILD)/libservice.a $(BUILD)/libprobes.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

.PHONY: test-api
test-api: $(BUILD)/fake-server $(BUILD)/vrfyd ## HTTP and command line from outside; T=word picks tests
	FAKE_SERVER=$(BUILD)/fake-server VRFYD=$(BUILD)/vrfyd PYTHONDONTWRITEBYTECODE=1 \
	    python3 tests/api/run.py $(T)
