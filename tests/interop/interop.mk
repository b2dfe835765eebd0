# Real servers, and the image: root and apt; see README.md here.
.PHONY: interop image-check
interop: $(BUILD)/vrfyd ## against real Postfix, Dovecot, Knot, Unbound (root); ONLY=word picks cases
	@tests/interop/run.sh $(BUILD)/vrfyd $(ONLY)
