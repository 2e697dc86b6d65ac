// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The verifier removes what it believes is never run, and kernel 6.1's has been wrong: it
 * left out the function that answers a clash. So: what is called somewhere is still there.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "env.h"

#define FUNCTIONS_MAX 64

struct targets {
	size_t count, at[FUNCTIONS_MAX];
};

static void targets_add(struct targets *t, size_t at)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->at[i] == at)
			return;
	cr_assert_lt(t->count, FUNCTIONS_MAX);
	t->at[t->count++] = at;
}

/* The program itself, what is called, and what is called back. */
static size_t functions_given(const struct bpf_program *prog)
{
	const struct bpf_insn *insn = bpf_program__insns(prog);
	struct targets t = { 1, { 0 } };

	for (size_t i = 0; i < bpf_program__insn_cnt(prog); i++) {
		bool is_call = insn[i].code == (BPF_JMP | BPF_CALL) && insn[i].src_reg == BPF_PSEUDO_CALL;
		bool is_pointer = insn[i].code == (BPF_LD | BPF_IMM | BPF_DW) &&
				  insn[i].src_reg == BPF_PSEUDO_FUNC;

		if (is_call || is_pointer)
			targets_add(&t, i + 1 + (size_t)insn[i].imm);
	}
	return t.count;
}

static size_t functions_loaded(const struct bpf_program *prog)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	cr_assert_eq(bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len), 0);
	return info.nr_func_info;
}

Test(functions, none_is_left_out)
{
	struct env env = { 0 };

	env_load(&env);
	for (size_t i = 0; i < PROGRAM_COUNT; i++) {
		struct bpf_object_skeleton **skeleton = env.object[i];
		struct bpf_program *prog;

		if (!skeleton) /* it is in the object of another one */
			continue;
		bpf_object__for_each_program(prog, *(*skeleton)->obj)
			cr_expect_eq(functions_loaded(prog), functions_given(prog), "%s: %zu of %zu functions",
				     bpf_program__name(prog), functions_loaded(prog), functions_given(prog));
	}
	env_close(&env);
}
