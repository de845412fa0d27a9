/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The variables by which the dynamic linker is told to load what the program did not ask for: part of lifecycle.h. A new
 * image's stack has a pointer to each variable and, further up, their texts one after the other: both are copied in one
 * piece, so that a variable costs a comparison and no call. Done before anything else is put into the scratch. */
#ifndef PICKET_ENV_H
#define PICKET_ENV_H

#include "record.h"

#define VARIABLE_MAX 1024
/* A login has some 30 variables, a build or a pod with many services some hundreds. */
#define POINTERS_MAX 512
/* Copied at once, and never beyond a page: the kernel leaves room between pointers and texts, which may be no memory yet. */
#define POINTERS_CHUNK 64
#define POINTERS_BYTES (POINTERS_CHUNK * 8)
#define POINTERS_AT 8192
#define PAGE_BYTES 4096
/* Texts beyond are read one by one. Eight bytes after them stay free, for a name is read as eight. */
#define TEXTS_AT (POINTERS_AT + POINTERS_BYTES)
#define TEXTS_BYTES 8192
#define TEXTS_MAX (TEXTS_BYTES - 8)
/* Where the pointers are not ours to read (a 32-bit image): some 50 ns each. */
#define ONE_BY_ONE_MAX 128
#define PRELOAD_MAX 3072
#define FOUND_MAX 8

struct found { __u64 at[FOUND_MAX]; __u32 count, more; };
/* `next`: the pointers to be copied next; of those copied, the first is number `from`. */
struct environment { struct scratch *s; __u64 begin, end, at, next; __u32 from, copied_pointers, copied, within, whole, odd; struct found found; };

/* Eight letters as the memory has them: the programs compare them at once, the agent compares the whole name. */
#define LETTERS(a, b, c, d, e, f, g, h) \
	((__u64)(h) << 56 | (__u64)(g) << 48 | (__u64)(f) << 40 | (__u64)(e) << 32 | (__u64)(d) << 24 | (c) << 16 | (b) << 8 | (a))

/* In one load, which the compiler takes apart where it knows of no alignment. */
static __always_inline __u64 eight(void *from)
{
	barrier_var(from);
	return *(volatile __u64 *)from;
}

static __always_inline bool of_the_linker(__u64 name)
{
	return name == LETTERS('L', 'D', '_', 'P', 'R', 'E', 'L', 'O') || name == LETTERS('L', 'D', '_', 'A', 'U', 'D', 'I', 'T') ||
	       name == LETTERS('L', 'D', '_', 'L', 'I', 'B', 'R', 'A');
}

static __always_inline void remember(struct found *found, __u64 at)
{
	__u32 i = found->count;
	if (i >= FOUND_MAX) {
		found->more = 1;
		return;
	}
	found->at[i & (FOUND_MAX - 1)] = at;
	found->count = i + 1;
}

static __always_inline bool copy_pointers(struct environment *e)
{
	__u64 bytes = PAGE_BYTES - (e->next & (PAGE_BYTES - 1));
	if (bytes > POINTERS_BYTES)
		bytes = POINTERS_BYTES;
	if (bpf_probe_read_user(&e->s->bytes[POINTERS_AT], bytes, (void *)e->next))
		return false;
	e->from += e->copied_pointers;
	e->copied_pointers = bytes / 8;
	e->next += bytes;
	return true;
}

static int one_pointer(__u32 i, struct environment *e)
{
	__u64 at, name = 0;
	if (i == e->from + e->copied_pointers && !copy_pointers(e))
		return 1;
	__u32 index = i - e->from;
	if (index >= POINTERS_CHUNK)
		return 1;
	at = eight(&e->s->bytes[POINTERS_AT + index * 8]);
	if (!at) {
		e->whole = 1;
		return 1;
	}
	__u64 offset = at - e->begin;
	if (i == 0 && offset) {
		e->odd = 1;
		return 1;
	}
	if (offset < e->copied)
		name = eight(&e->s->bytes[TEXTS_AT + (offset & (TEXTS_BYTES - 1))]);
	else
		bpf_probe_read_user(&name, sizeof(name), (void *)at);
	if (of_the_linker(name))
		remember(&e->found, at);
	return 0;
}

static int one_variable(__u32 i, struct environment *e)
{
	void *here = &e->s->bytes[POINTERS_AT];
	if (e->at >= e->end) {
		e->whole = 1;
		return 1;
	}
	long n = bpf_probe_read_user_str(here, VARIABLE_MAX, (void *)e->at);
	if (n <= 0)
		return 1;
	if (!e->within && of_the_linker(eight(here)))
		remember(&e->found, e->at);
	/* A full buffer may hold the beginning only: what follows is then no variable of its own. */
	e->within = n == VARIABLE_MAX;
	e->at += n - e->within;
	return 0;
}

static __always_inline void by_pointer(struct environment *e, __u64 stack)
{
	__u64 argc = 0, len = e->end - e->begin;
	if (bpf_probe_read_user(&argc, sizeof(argc), (void *)stack)) {
		e->odd = 1;
		return;
	}
	if (len > TEXTS_MAX)
		len = TEXTS_MAX;
	if (!bpf_probe_read_user(&e->s->bytes[TEXTS_AT], len, (void *)e->begin))
		e->copied = len;
	e->next = stack + (argc + 2) * 8;
	bpf_loop(POINTERS_MAX, one_pointer, e, 0);
}

static __noinline int find_preload(struct scratch *s, struct mm_struct *mm, struct found *found)
{
	struct environment e = { .s = s };
	e.begin = e.at = mm->env_start;
	e.end = mm->env_end;
	if (e.begin >= e.end)
		return 0;
	by_pointer(&e, mm->start_stack);
	/* The stack is not laid out as a 64-bit image has it. */
	if (e.odd || (!e.whole && !e.copied_pointers)) {
		e.whole = 0;
		bpf_loop(ONE_BY_ONE_MAX, one_variable, &e, 0);
	}
	*found = e.found;
	found->more |= !e.whole;
	return 0;
}

static __noinline __u32 put_preload(struct scratch *s, __u32 at, struct found *found)
{
	__u32 end = at;
	for (__u32 i = 0; i < FOUND_MAX; i++) {
		if (i >= found->count || end > SCRATCH_MASK)
			break;
		if (end - at >= PRELOAD_MAX) {
			found->more = 1;
			break;
		}
		long n = bpf_probe_read_user_str(&s->bytes[end & SCRATCH_MASK], VARIABLE_MAX, (void *)found->at[i]);
		if (n > 0)
			end += n;
	}
	return end - at;
}

#endif
