.PHONY: test-doctor
test-doctor: $(BUILD)/vrfyd ## vrfyd doctor and /readyz against hosts and resolvers of their own; T=word picks tests
	@VRFYD=$(BUILD)/vrfyd PYTHONDONTWRITEBYTECODE=1 python3 tests/doctor/run.py $(T)
