# Real servers, and the image: root and apt; see README.md here.
.PHONY: interop image-check
interop: deps-build ## against real Postfix, Exim, OpenSMTPD, Dovecot, Knot, Unbound (root); ONLY=word picks cases
	@$(MAKE) --no-print-directory $(BUILD)/vrfyd
	@tests/interop/run.sh $(BUILD)/vrfyd $(ONLY)
image-check: ## build the image without or with Docker, run it, check what it promises (root)
	@tests/interop/image.sh
