# make conformance CORPORA=dir: score labelled cases of others against what vrfyd says.
# One score_*.py for each collection; run.py runs all of them.

$(BUILD)/conformance/syntax_driver: $(call OBJECTS,tests/conformance/syntax_driver.c \
    service/syntax_stream.c service/syntax_line.c) $(BUILD)/libprobes.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

$(BUILD)/conformance/classify_driver: $(call OBJECTS,tests/conformance/classify_driver.c \
    service/classify_stream.c) $(BUILD)/libprobes.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

.PHONY: conformance
conformance: $(BUILD)/conformance/syntax_driver $(BUILD)/conformance/classify_driver ## score labelled cases of others: CORPORA=dir
	@test -n "$(CORPORA)" || { echo "usage: make conformance CORPORA=dir"; exit 2; }
	python3 tests/conformance/run.py --build $(BUILD) $(CORPORA)
