# The rule file is assembled in; the compiler does not list it among what the object needs.
$(BUILD)/probes/smtp/reply_rules.o: probes/smtp/data/reply_rules.txt
