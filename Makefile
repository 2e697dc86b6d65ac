# SPDX-License-Identifier: GPL-2.0-or-later
# One non-recursive build; everything made lands in build/ (build/san/ with SAN=1).
#
#   make            overlayd, overlayctl and the BPF programs
#   make demo       installs what is missing, builds, shows three hosts      (root)
#   make demo-vm    shows an encrypted network, in a virtual machine         (root)
#   make test       installs what is missing, runs every test                (root)
#   make bench      paired measurements on this machine                      (root)
#   make check      layer rule, purity of the core, manual pages, stack of the BPF programs, no root
#   make V=1        shows the commands;  make SAN=1: with ASan and UBSan

CLANG     ?= $(or $(shell command -v clang-19 2>/dev/null),clang)
BPFTOOL   ?= $(or $(shell PATH=$$PATH:/usr/sbin command -v bpftool 2>/dev/null),bpftool)
PKGCONF   ?= pkg-config
CFLAGS    ?= -O2 -g
DESTDIR   ?=
PREFIX    ?= /usr/local
VERSION   := 0.1.0

B := build$(if $(SAN),/san)$(if $(WITHOUT_WATCH),/unwatched)
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' $(1) $(2);)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-missing-field-initializers
comma := ,
SANFLAGS := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)

PKGS_CORE := libsodium jansson
PKGS_SYS  := libbpf libelf zlib libmnl libsystemd gnutls libmicrohttpd sqlite3 inih
PKGS_CTL  := jansson smartcols
CPPFLAGS  += -D_GNU_SOURCE -DOV_VERSION='"$(VERSION)"' -I. -Iuser -I$(B)/skel
LDLIBS    = $(shell $(PKGCONF) --libs $(PKGS_CORE) $(PKGS_SYS))
LDLIBS_CTL = $(shell $(PKGCONF) --libs $(PKGS_CTL))
COMPILE   = $(CC) -std=gnu11 $(WARN) $(CPPFLAGS) $(CFLAGS) $(SANFLAGS) -fPIE -MMD -MP
LINK      = $(CC) $(CFLAGS) $(SANFLAGS) -pie
# store/ calls its database, which calls back into base/: the two archives are searched in turn.
GROUP     = -Wl,--start-group $^ -Wl,--end-group

# Pure rooms: no socket, clock, random number or BPF call (tools/check-layers looks).
CORE_DIRS := base model store gossip ipam dns ipsec policy doctor watch plan trace intent front
SYS_DIRS  := loop sys apply serve
# store/db.c is the one file of a core room that does I/O; base/log.c and rng_init_system aside.
CORE_SRC := $(filter-out user/store/db.c,$(wildcard $(CORE_DIRS:%=user/%/*.c)))
SYS_SRC  := user/store/db.c $(wildcard $(SYS_DIRS:%=user/%/*.c))
CORE_OBJ := $(CORE_SRC:%.c=$(B)/%.o)
SYS_OBJ  := $(SYS_SRC:%.c=$(B)/%.o)
AGENT_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard user/agent/*.c))
CTL_OBJ  := $(patsubst %.c,$(B)/%.o,$(wildcard user/ctl/*.c))
BPF_SRC  := $(wildcard bpf/*.bpf.c)
SKELS    := $(BPF_SRC:bpf/%.bpf.c=$(B)/skel/%.skel.h)

all: $(B)/overlayd $(B)/overlayctl

$(B)/libovcore.a: $(CORE_OBJ)
$(B)/libovsys.a: $(SYS_OBJ)
$(B)/%.a:
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

$(B)/overlayd: $(AGENT_OBJ) $(B)/libovsys.a $(B)/libovcore.a
	$(call say,LINK,$@)$(LINK) -o $@ $(GROUP) $(LDLIBS)

$(B)/overlayctl: $(CTL_OBJ) $(patsubst %,$(B)/user/base/%.o,id addr err bytes)
	$(call say,LINK,$@)$(LINK) -o $@ $^ $(LDLIBS_CTL)

$(B)/%.o: %.c
	$(call say,CC,$<)mkdir -p $(@D) && $(COMPILE) -c -o $@ $<

# The skeletons are made before anything that may include them is compiled.
$(SYS_OBJ) $(AGENT_OBJ): | $(SKELS)

# UAPI headers live in the multiarch directory, which clang does not search for this target.
BPF_CFLAGS := -g -O2 -Wall -Werror -target bpf -mcpu=v3 -I. -Ibpf -I/usr/include/$(shell $(CC) -print-multiarch) \
	$(if $(WITHOUT_WATCH),-DOV_WITHOUT_WATCH)
$(B)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF,$<)mkdir -p $(@D) && $(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<
$(B)/skel/%.skel.h: $(B)/bpf/%.bpf.o
	$(call say,SKEL,$@)mkdir -p $(@D) && $(BPFTOOL) gen skeleton $< name $(*F)_bpf > $@.tmp && mv $@.tmp $@

# How much stack the programs use; and a program whose use is known.
$(B)/bpf-stack: tools/bpf-stack.c
	$(call say,CC,$<)mkdir -p $(@D) && $(CC) -std=gnu11 $(WARN) -D_GNU_SOURCE $(CFLAGS) -o $@ $< $(shell $(PKGCONF) --libs libelf)
$(B)/tests/%.bpf.o: tests/bpf/stack/%.bpf.c
	$(call say,BPF,$<)mkdir -p $(@D) && $(CLANG) $(BPF_CFLAGS) -c -o $@ $<

include tests/rules.mk

# Kernels for the virtual machines stay: they take long to fetch.
clean:
	test ! -d build || find build -mindepth 1 -maxdepth 1 ! -name vm -exec rm -rf {} +

install: all
	install -D -m 755 $(B)/overlayd $(DESTDIR)$(PREFIX)/sbin/overlayd
	install -D -m 755 $(B)/overlayctl $(DESTDIR)$(PREFIX)/bin/overlayctl
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 tools/man/overlayd.8 tools/man/overlayctl.8
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/bash-completion/completions tools/completion/overlayctl
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|/usr/local/sbin|$(PREFIX)/sbin|' tools/systemd/overlayd.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/overlayd.service
	test -e $(DESTDIR)/etc/overlayd/overlayd.conf || \
		install -D -m 644 tools/systemd/overlayd.conf $(DESTDIR)/etc/overlayd/overlayd.conf

deps:
	tools/install-deps

# Shows what is on a wire.
$(B)/wire: tools/wire.c
	$(call say,CC,$<)mkdir -p $(@D) && $(CC) -std=gnu11 $(WARN) -D_GNU_SOURCE $(CFLAGS) -o $@ $<

demo: deps
	$(Q)$(MAKE) --no-print-directory all $(B)/wire
	tools/demo

# Encryption alone, on a kernel that can, whatever this machine's can.
demo-vm: deps
	tools/install-deps --vm
	vmtests/fetch
	$(Q)$(MAKE) --no-print-directory all $(B)/wire
	vmtests/vmrun 6.12 vmtests/demo.sh

check: all $(B)/bpf-stack $(B)/tests/chain.bpf.o
	tools/check-layers
	tools/check-man
	tools/check-completion
	tools/check-stack

-include $(shell find $(B)/user $(B)/tests $(B)/bpf $(B)/fuzz -name '*.d' 2>/dev/null)
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all clean install deps demo demo-vm check
