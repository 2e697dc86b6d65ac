# SPDX-License-Identifier: GPL-2.0-or-later
# Test programs: one Criterion binary a level. `make test` is tests/run, which
# installs what is missing, builds and runs all levels and prints the totals.

TEST_LIB_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/lib/*.c))
TEST_LEVELS  := unit sim bpf xfrm
# Not tests/unit and so on: the objects are in a directory of that name.
TEST_BINS    := $(TEST_LEVELS:%=$(B)/tests/test_%)
FUZZ_BINS    := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

# What unit tests look at besides the libraries: overlayctl and the daemon's options.
TEST_MORE_unit := $(filter-out %/main.o,$(CTL_OBJ)) $(filter $(B)/user/agent/config%.o,$(AGENT_OBJ))
# A second opinion on DNS messages.
TEST_LIBS_unit := -lldns

define test_level
$(B)/tests/test_$(1): $(patsubst %.c,$(B)/%.o,$(wildcard tests/$(1)/*.c)) $(TEST_LIB_OBJ) $(TEST_MORE_$(1)) $(B)/libovsys.a $(B)/libovcore.a
	$$(call say,LINK,$$@)mkdir -p $$(@D) && $$(LINK) -o $$@ $$(GROUP) -lcriterion $(TEST_LIBS_$(1)) $$(LDLIBS) $$(LDLIBS_CTL)
endef
$(foreach l,$(TEST_LEVELS),$(eval $(call test_level,$(l))))
$(patsubst %.c,$(B)/%.o,$(wildcard tests/*/*.c)): | $(SKELS)

# What a hostile container can do, and a busy one, for tests/netns.
NETNS_BINS := $(B)/tests/raw $(B)/tests/ask $(B)/tests/load $(B)/tests/marked
$(NETNS_BINS): $(B)/tests/%: tests/netns/%.c
	$(call say,CC,$<)mkdir -p $(@D) && $(CC) -std=gnu11 $(WARN) -D_GNU_SOURCE $(CFLAGS) -o $@ $(filter %.c,$^)
$(B)/tests/raw: tests/netns/raw_wire.c tests/netns/raw.h
$(B)/tests/load: tests/netns/load_serve.c tests/netns/load_udp.c tests/netns/load.h

# libFuzzer needs clang throughout: what parses is compiled again, once, with coverage.
FUZZ_CC  := $(CLANG) -std=gnu11 -w -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_OBJ := $(patsubst %.c,$(B)/fuzz/obj/%.o,$(CORE_SRC) user/store/db.c user/agent/config.c)
$(B)/fuzz/obj/%.o: %.c
	$(call say,FUZZ,$<)mkdir -p $(@D) && $(FUZZ_CC) $(CPPFLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<
$(B)/fuzz/%: tests/fuzz/%.c $(FUZZ_OBJ)
	$(call say,FUZZ,$@)mkdir -p $(@D) && $(FUZZ_CC) $(CPPFLAGS) -fsanitize=fuzzer -o $@ $^ $(shell $(PKGCONF) --libs libsodium jansson sqlite3 inih)

-include tests/bench/rules.mk

tests: $(TEST_BINS)
netns-tools: $(NETNS_BINS)
fuzz: $(FUZZ_BINS)

test: deps
	SAN=$(SAN) tests/run
bench: deps
	$(Q)$(MAKE) --no-print-directory all
	tests/bench/run

.PHONY: tests netns-tools fuzz test bench
