# Data files that are assembled in; the compiler does not list them among what the object needs.
$(BUILD)/probes/discover/provider.o: $(wildcard probes/discover/data/*.tsv)
