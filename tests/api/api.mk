# HTTP and command line from outside: python3 (standard library only) against the service with a
# fake engine, and against the program itself where no network is needed.
FAKE_SERVER_SOURCES := tests/api/fake_server.c tests/api/fake_engine.c $(wildcard service/config*.c service/policy*.c) \
                       service/auth.c service/verdict.c
$(BUILD)/fake-server: $(call OBJECTS,$(FAKE_SERVER_SOURCES)) $(BUILD)/libapi.a $(BUILD)/libprobes.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

.PHONY: test-api
test-api: $(BUILD)/fake-server $(BUILD)/vrfyd ## HTTP and command line from outside; T=word picks tests
	FAKE_SERVER=$(BUILD)/fake-server VRFYD=$(BUILD)/vrfyd PYTHONDONTWRITEBYTECODE=1 \
	    python3 tests/api/run.py $(T)
