/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stack that BPF programs use, counted as Linux 6.1 does when it loads them: the frames
 * along a chain of calls, each rounded up to 32 bytes (check_max_stack_depth of the verifier).
 * Later kernels round less, so a chain that is too long may load where it was built.
 *
 *   bpf-stack OBJECT...     prints each program's longest chain; status 1 if one is over 512
 *
 * Nothing is loaded: the code is read from the object file.
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STACK_MAX 512   /* MAX_BPF_STACK */
#define FRAME_ROUND 32
#define CHAIN_MAX 8     /* MAX_CALL_FRAMES */
#define FUNCS_MAX 256
#define CALLS_MAX 64    /* out of one function */

struct func {
	const char *name;
	size_t section, first, end; /* instructions of that section */
	bool is_program;            /* what libbpf loads; else it only is called */
	unsigned int frame;         /* rounded */
	unsigned int chain;         /* the longest that begins here, */
	size_t next;                /* which goes on there; itself at the end */
	size_t callee[CALLS_MAX], callees;
};

static struct {
	const char *path;
	Elf *elf;
	Elf_Data *symbols, *code, *relocations; /* the latter two of the section in hand */
	size_t symbol_count, relocation_count, names;
	struct func func[FUNCS_MAX];
	size_t func_count;
} object;

static void refuse(const char *what, const char *why)
{
	fprintf(stderr, "bpf-stack: %s: %s %s\n", object.path, what, why);
	exit(2);
}

/* ---- the object file ---- */

static Elf_Data *section_data(size_t index, GElf_Shdr *ret_header)
{
	Elf_Scn *s = elf_getscn(object.elf, index);

	return s && gelf_getshdr(s, ret_header) ? elf_getdata(s, NULL) : NULL;
}

/* The section of a type, with SHT_REL the one about another section. */
static Elf_Data *find_section(unsigned int type, size_t about, GElf_Shdr *ret_header)
{
	size_t count = 0;

	elf_getshdrnum(object.elf, &count);
	for (size_t i = 1; i < count; i++) {
		Elf_Data *data = section_data(i, ret_header);

		if (data && ret_header->sh_type == type && (!about || ret_header->sh_info == about))
			return data;
	}
	return NULL;
}

static void func_add(const GElf_Sym *sym)
{
	struct func *f = &object.func[object.func_count];
	GElf_Shdr h;
	size_t names;

	if (object.func_count++ == FUNCS_MAX)
		refuse("it", "has too many functions: raise FUNCS_MAX");
	if (!section_data(sym->st_shndx, &h) || elf_getshdrstrndx(object.elf, &names))
		refuse("a function", "is in no section");
	*f = (struct func){
		.name = elf_strptr(object.elf, object.names, sym->st_name),
		.section = sym->st_shndx,
		.first = sym->st_value / sizeof(struct bpf_insn),
		.end = (sym->st_value + sym->st_size) / sizeof(struct bpf_insn),
		.is_program = strcmp(elf_strptr(object.elf, names, h.sh_name), ".text"),
	};
}

static size_t func_at(size_t section, size_t insn)
{
	for (size_t i = 0; i < object.func_count; i++)
		if (object.func[i].section == section && object.func[i].first == insn)
			return i;
	refuse("a call", "leads to no function");
	return 0;
}

static void take_section(const struct func *f)
{
	GElf_Shdr h = { 0 };

	object.relocations = find_section(SHT_REL, f->section, &h);
	object.relocation_count = object.relocations ? h.sh_size / h.sh_entsize : 0;
	object.code = section_data(f->section, &h);
	if (!object.code || f->end * sizeof(struct bpf_insn) > object.code->d_size)
		refuse(f->name, "has no code");
}

/* ---- one function ---- */

/* The symbol that an instruction is to be relocated to, if it is. */
static bool relocated_to(size_t insn, GElf_Sym *ret_symbol)
{
	GElf_Rel rel;

	for (size_t i = 0; i < object.relocation_count; i++)
		if (gelf_getrel(object.relocations, (int)i, &rel) &&
		    rel.r_offset == insn * sizeof(struct bpf_insn))
			return gelf_getsym(object.symbols, (int)GELF_R_SYM(rel.r_info), ret_symbol);
	return false;
}

static void call_add(struct func *f, size_t at, const struct bpf_insn *insn)
{
	size_t section = f->section, base = at;
	GElf_Sym sym;

	if (relocated_to(at, &sym)) {
		section = sym.st_shndx;
		base = sym.st_value / sizeof(*insn);
	}
	if (f->callees == CALLS_MAX)
		refuse(f->name, "calls too much: raise CALLS_MAX");
	/* Counted from the next instruction; of a symbol, -1 is itself. */
	f->callee[f->callees++] = func_at(section, base + (size_t)insn->imm + 1);
}

/* below[]: how far each register points below the frame's end; -1: it does not. */
static void pointers_follow(int *below, const struct bpf_insn *insn)
{
	int *to = &below[insn->dst_reg], class = BPF_CLASS(insn->code);

	if (insn->code == (BPF_ALU64 | BPF_MOV | BPF_X))
		*to = below[insn->src_reg];
	else if (insn->code == (BPF_ALU64 | BPF_ADD | BPF_K) && *to >= 0)
		*to -= insn->imm;
	else if (class == BPF_ALU64 || class == BPF_ALU || class == BPF_LDX || class == BPF_LD)
		*to = -1;
}

/* How deep an instruction reads or writes. */
static int access_depth(const int *below, const struct bpf_insn *insn)
{
	int class = BPF_CLASS(insn->code);
	int at = below[class == BPF_LDX ? insn->src_reg : insn->dst_reg];

	if (at < 0 || (class != BPF_LDX && class != BPF_STX && class != BPF_ST))
		return 0;
	return at - insn->off;
}

static int max_int(int a, int b)
{
	return a > b ? a : b;
}

static void func_read(struct func *f)
{
	int below[MAX_BPF_REG], depth = 1;

	memset(below, -1, sizeof(below));
	below[BPF_REG_10] = 0;
	take_section(f);
	for (size_t i = f->first; i < f->end; i++) {
		const struct bpf_insn *insn = (const struct bpf_insn *)object.code->d_buf + i;

		if (insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == BPF_PSEUDO_CALL)
			call_add(f, i, insn);
		if (insn->code == (BPF_LD | BPF_IMM | BPF_DW) && insn->src_reg == BPF_PSEUDO_FUNC)
			refuse(f->name, "has a callback, whose stack is not counted here yet");
		depth = max_int(depth, access_depth(below, insn));
		pointers_follow(below, insn);
		depth = max_int(depth, below[insn->dst_reg]);
	}
	f->frame = ((unsigned int)depth + FRAME_ROUND - 1) / FRAME_ROUND * FRAME_ROUND;
}

/* ---- chains ---- */

static unsigned int measure(size_t at, unsigned int level)
{
	struct func *f = &object.func[at];

	if (level == CHAIN_MAX)
		refuse(f->name, "is called too deeply for any kernel");
	f->chain = f->frame;
	f->next = at;
	for (size_t i = 0; i < f->callees; i++) {
		unsigned int bytes = f->frame + measure(f->callee[i], level + 1);

		if (bytes <= f->chain)
			continue;
		f->chain = bytes;
		f->next = f->callee[i];
	}
	return f->chain;
}

static bool program_fits(size_t at)
{
	unsigned int bytes = measure(at, 0);
	const struct func *f = &object.func[at];

	printf("%s: %s %u: %s %u", object.path, f->name, bytes, f->name, f->frame);
	while (&object.func[f->next] != f) {
		f = &object.func[f->next];
		printf(" -> %s %u", f->name, f->frame);
	}
	puts(bytes > STACK_MAX ? ": over the 512 of Linux 6.1, shrink a frame of it" : "");
	return bytes <= STACK_MAX;
}

static void object_open(int fd, const char *path)
{
	GElf_Shdr h = { 0 };

	memset(&object, 0, sizeof(object));
	object.path = path;
	object.elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ, NULL);
	if (!object.elf)
		refuse("it cannot be read:", fd < 0 ? strerror(errno) : elf_errmsg(-1));
	object.symbols = find_section(SHT_SYMTAB, 0, &h);
	if (!object.symbols)
		refuse("it", "is no object file with symbols");
	object.symbol_count = h.sh_size / h.sh_entsize;
	object.names = h.sh_link;
}

static bool object_fits(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool fits = true;
	GElf_Sym sym;

	object_open(fd, path);
	for (size_t i = 0; i < object.symbol_count; i++)
		if (gelf_getsym(object.symbols, (int)i, &sym) && GELF_ST_TYPE(sym.st_info) == STT_FUNC)
			func_add(&sym);
	for (size_t i = 0; i < object.func_count; i++)
		func_read(&object.func[i]);
	for (size_t i = 0; i < object.func_count; i++)
		if (object.func[i].is_program)
			fits = program_fits(i) && fits;
	elf_end(object.elf);
	close(fd);
	return fits;
}

int main(int argc, char **argv)
{
	bool fit = argc > 1;

	elf_version(EV_CURRENT);
	if (!fit)
		fputs("usage: bpf-stack OBJECT...\n", stderr);
	for (int i = 1; i < argc; i++)
		fit = object_fits(argv[i]) && fit;
	return argc > 1 ? !fit : 2;
}
