# SPDX-License-Identifier: GPL-2.0-or-later
# What tests/bench/run measures with. The two traffic tools need nothing of the
# product, so they are compiled in one step and do not wait for its programs.

BENCH_TRAFFIC := $(B)/bench/tcp_rr $(B)/bench/udp_rate
BENCH_PRODUCT := $(B)/bench/prog_run $(B)/bench/lb_run $(B)/bench/plan_100k

$(BENCH_TRAFFIC): $(B)/bench/%: tests/bench/%.c tests/bench/tool.h
	$(call say,CC,$@)mkdir -p $(@D) && $(COMPILE) -MF $@.d -pie -o $@ $<

$(BENCH_PRODUCT): $(B)/bench/%: $(B)/tests/bench/%.o $(B)/libovsys.a $(B)/libovcore.a
	$(call say,LINK,$@)mkdir -p $(@D) && $(LINK) -o $@ $(GROUP) $(LDLIBS)

$(B)/bench/lb_wrap.bpf.o: tests/bench/lb_wrap.bpf.c tests/bench/lb_wrap.h
	$(call say,BPF,$@)mkdir -p $(@D) && $(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<
$(B)/tests/bench/lb_run.o: CPPFLAGS += -DLB_WRAP_OBJECT='"$(abspath $(B))/bench/lb_wrap.bpf.o"'

$(B)/bench/wire.bpf.o: tests/bench/wire.bpf.c
	$(call say,BPF,$@)mkdir -p $(@D) && $(CLANG) $(BPF_CFLAGS) -c -o $@ $<

bench-traffic: $(BENCH_TRAFFIC)
bench-ipsec: $(BENCH_TRAFFIC) $(B)/bench/wire.bpf.o
bench-tools: $(BENCH_TRAFFIC) $(BENCH_PRODUCT) $(B)/bench/lb_wrap.bpf.o
.PHONY: bench-traffic bench-ipsec bench-tools
