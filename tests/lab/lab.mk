# make demo, accuracy, test-lab: the service against a made-up mail internet on loopback.

LAB_DIR   ?= $(BUILD)/lab
LAB_PYTHON := PYTHONDONTWRITEBYTECODE=1 python3
SEED      ?= 1
DOMAINS   ?= 200
ADDRESSES ?= 10000
MIX       ?=
IMAP      ?= 0

.PHONY: demo demo-here accuracy test-lab
demo: deps-demo ## the service against a made-up mail internet: a table of verdicts; ONCE=1 ends after it
	@$(MAKE) -s --no-print-directory -j2 all
	@$(MAKE) --no-print-directory demo-here
demo-here: $(BUILD)/vrfyd $(BUILD)/maillab
	@rm -rf $(LAB_DIR)/demo && mkdir -p $(LAB_DIR)
	@$(BUILD)/maillab demo-world --out $(LAB_DIR)/demo
	@$(LAB_PYTHON) tests/lab/ask.py demo --world $(LAB_DIR)/demo --maillab $(BUILD)/maillab --vrfyd $(BUILD)/vrfyd \
	    --imap 1 $(if $(ONCE),--once,--port $(PORT))

accuracy: $(BUILD)/vrfyd $(BUILD)/maillab ## a random world, each address asked once: SEED= DOMAINS= ADDRESSES= MIX=file IMAP=0|1
	@rm -rf $(LAB_DIR)/accuracy && mkdir -p $(LAB_DIR)
	@$(BUILD)/maillab generate --seed $(SEED) --domains $(DOMAINS) --addresses $(ADDRESSES) \
	    $(if $(MIX),--mix $(MIX)) --out $(LAB_DIR)/accuracy
	@$(LAB_PYTHON) tests/lab/ask.py accuracy --world $(LAB_DIR)/accuracy --maillab $(BUILD)/maillab \
	    --vrfyd $(BUILD)/vrfyd --imap $(IMAP)

test-lab: $(BUILD)/maillab ## the lab itself, over the wire
	@MAILLAB=$(BUILD)/maillab $(LAB_PYTHON) tests/lab/selftest.py
