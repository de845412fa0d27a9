/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Which file records are worth sending. What the rules in force could look at goes always; of the rest each session has
 * a share, so that ordinary work can still be searched, and what is beyond it is counted. agent/src/sensor/bpf/filter.rs
 * fills the maps; until it has, nothing is held back. */
#ifndef PICKET_FILTER_H
#define PICKET_FILTER_H

#include "lifecycle.h"
#include "watch.h"

#define FILTER_BITS 4096
#define FILTER_WORDS (FILTER_BITS / 64)
#define APPROVED_NAMES_MAX 4096
#define APPROVED_ENDINGS_MAX 1024
/* Sessions at work within the same seconds; beyond them all share one bucket. */
#define SESSIONS_MAX 1024
#define SESSION_OTHERS 0xffffffff
#define FILE_ACTIVITIES 16

/* What filter.rs writes as an array of words: keep both in step. */
struct filter_config {
	__u32 activities;        /* by enum file_activity: these may be held back */
	__u32 flags;
	__u64 interval_ns;       /* one record more for a session after so long */
	__u64 burst_ns;          /* so many intervals may be used up at once */
	__u64 unwatched_lengths; /* of last names: no watched file's is so long (length modulo 64) */
	__u64 names[FILTER_WORDS], grams[FILTER_WORDS];
};
#define FILTER_ENDINGS 1
#define FILTER_GRAMS 2

struct name_key { __u64 word[4]; };
struct ending_key { __u64 word[2]; };
struct session { __u64 due, start_ns, pid, held[FILE_ACTIVITIES]; };

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct filter_config); } FILTER_CONFIG SEC(".maps");
/* Whole names in lower case, filled up with NULs. */
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, APPROVED_NAMES_MAX); __type(key, struct name_key); __type(value, __u8); } APPROVED_NAMES SEC(".maps");
/* What follows the last dot, in lower case, as one number of 128 bits with the first letter highest. */
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, APPROVED_ENDINGS_MAX); __type(key, struct ending_key); __type(value, __u8); } APPROVED_ENDINGS SEC(".maps");
/* Not LRU: an evicted count would be lost. User space takes out what is at rest. */
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, SESSIONS_MAX); __type(key, __u32); __type(value, struct session); } SESSIONS SEC(".maps");
/* By enum file_activity: all that was held back, so that what a session's entry could not keep shows as the difference. */
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, FILE_ACTIVITIES); __type(key, __u32); __type(value, __u64); } HELD SEC(".maps");

/* A name is looked at in a corner of the scratch that no record reaches: texts end TEXT_MAX beyond the mask at most. */
#define CORNER_BYTES 256
#define CORNER (sizeof(struct scratch) - CORNER_BYTES)
#define ENDING_BYTES 16
#define GRAM_NAME_MAX 64
/* Nobody's ordinary paths have more names; what is not looked through is wanted. */
#define SCAN_NAMES_MAX 256
#define HIGH_BITS 0x8080808080808080ULL

/* ASCII capitals to small letters, eight at once; no byte has its high bit set. */
static __always_inline __u64 lower_word(__u64 word)
{
	__u64 from_a = word + 0x3f3f3f3f3f3f3f3fULL; /* high bit: byte >= 'A' */
	__u64 above_z = word + 0x2525252525252525ULL; /* high bit: byte > 'Z' */
	return word | ((from_a & ~above_z & HIGH_BITS) >> 2);
}

static __always_inline __u64 bit_of(__u64 *words, __u32 bit)
{
	return (words[(bit >> 6) & (FILTER_WORDS - 1)] >> (bit & 63)) & 1;
}

/* The hashes that filter.rs computes as well. */
static __always_inline __u32 name_bit(struct name_key *name)
{
	__u64 mix = name->word[0] ^ (name->word[1] * 3) ^ (name->word[2] * 5) ^ (name->word[3] * 7);
	return (mix * 0x9e3779b97f4a7c15ULL) >> 52;
}

static __always_inline __u32 gram_bit(__u32 gram)
{
	return (__u32)(gram * 0x9e3779b1U) >> 20;
}

/* The low bytes below the lowest dot, or none where there is no dot. Words and no loop: the verifier would follow every way
 * through one. */
static __always_inline __u64 below_dot(__u64 word)
{
	__u64 other = word ^ 0x2e2e2e2e2e2e2e2eULL;
	__u64 dots = (other - 0x0101010101010101ULL) & ~other & HIGH_BITS;
	return dots ? ((dots & -dots) >> 7) - 1 : 0;
}

static __always_inline bool has_dot(__u64 word)
{
	__u64 other = word ^ 0x2e2e2e2e2e2e2e2eULL;
	return (other - 0x0101010101010101ULL) & ~other & HIGH_BITS;
}

static __always_inline bool ending_wanted(struct scratch *s, __u32 len)
{
	__u64 tail[2] = {};
	/* What lies before a short name is cut off again. */
	if (bpf_probe_read_kernel(tail, ENDING_BYTES, &s->bytes[CORNER - ENDING_BYTES + (len & (CORNER_BYTES - 1))]))
		return true;
	__u64 high = __builtin_bswap64(tail[0]), low = __builtin_bswap64(tail[1]);
	if (len < 8) {
		high = 0;
		low &= (1ULL << (len * 8)) - 1;
	} else if (len < ENDING_BYTES)
		high &= (1ULL << ((len - 8) * 8)) - 1;
	if ((high | low) & HIGH_BITS)
		return true;
	high = lower_word(high);
	low = lower_word(low);
	struct ending_key key = { { 0, low & below_dot(low) } };
	if (!has_dot(low)) {
		if (!has_dot(high))
			return false;
		key.word[0] = high & below_dot(high);
		key.word[1] = low;
	}
	return bpf_map_lookup_elem(&APPROVED_ENDINGS, &key);
}

static __always_inline bool gram_wanted(struct scratch *s, struct filter_config *config, __u32 len)
{
	__u64 *words = (void *)&s->bytes[CORNER], seen = 0, found = 0;
	__u32 gram = 0;
	if (len > GRAM_NAME_MAX)
		return true;
	for (int i = 0; i < GRAM_NAME_MAX / 8; i++)
		seen |= words[i];
	if (seen & HIGH_BITS)
		return true;
	for (int i = 0; i < GRAM_NAME_MAX / 8; i++)
		words[i] = lower_word(words[i]);
	/* The NULs around a name are taken along: a branch less for the verifier, and at worst a name too many is wanted. */
	for (__u32 i = 0; i < GRAM_NAME_MAX; i++) {
		gram = gram << 8 | s->bytes[CORNER + i];
		found |= bit_of(config->grams, gram_bit(gram));
	}
	return found;
}

/* `last` and `old_last`: where last names begin; every name counts as one where that cannot be told. */
struct scan { struct scratch *s; struct filter_config *config; __u32 at, end, last, old_last, every, from, wanted; };

/* One name, which lies in the corner of the scratch with NULs up to 64 bytes. Letters beyond ASCII fold in ways that are
 * not known here: a name that has them is wanted. */
static __noinline int name_wanted(struct scan *scan, __u32 len, __u32 last)
{
	struct filter_config *config = scan->config;
	struct scratch *s = scan->s;
	__u64 *words = (void *)&s->bytes[CORNER];
	struct name_key name = { { words[0], words[1], words[2], words[3] } };
	if ((name.word[0] | name.word[1] | name.word[2] | name.word[3]) & HIGH_BITS)
		return 1;
	if (len < sizeof(name)) {
		for (int i = 0; i < 4; i++)
			name.word[i] = lower_word(name.word[i]);
		if (bit_of(config->names, name_bit(&name)) && bpf_map_lookup_elem(&APPROVED_NAMES, &name))
			return 1;
	}
	if (last && (config->flags & FILTER_ENDINGS) && ending_wanted(s, len))
		return 1;
	return (config->flags & FILTER_GRAMS) && gram_wanted(s, config, len);
}

static __always_inline void clear_corner(struct scratch *s)
{
	__u64 *words = (void *)&s->bytes[CORNER];
	for (int i = 0; i < GRAM_NAME_MAX / 8; i++)
		words[i] = 0;
}

static int scan_part(__u32 i, struct scan *scan)
{
	struct scratch *s = scan->s;
	if (scan->at >= scan->end)
		return 1;
	clear_corner(s);
	long n = bpf_probe_read_kernel_str(&s->bytes[CORNER], CORNER_BYTES, &s->bytes[scan->at & SCRATCH_MASK]);
	if (n <= 0) {
		scan->wanted = 1;
		return 1;
	}
	bool last = scan->every || scan->at == scan->last || scan->at == scan->old_last;
	scan->at += n;
	if (n == 1 || !name_wanted(scan, n - 1, last))
		return 0;
	scan->wanted = 1;
	return 1;
}

/* A caller's text and the parts of its directory alike: both NULs and slashes part names. */
static int scan_byte(__u32 i, struct scan *scan)
{
	struct scratch *s = scan->s;
	if (scan->from >= scan->end)
		return 1;
	__u8 byte = scan->at < scan->end ? s->bytes[scan->at & SCRATCH_MASK] : 0;
	if (byte && byte != '/') {
		scan->at++;
		return 0;
	}
	__u32 len = scan->at - scan->from, from = scan->from;
	scan->at++;
	scan->from = scan->at;
	if (len >= CORNER_BYTES)
		len = CORNER_BYTES - 1;
	if (!len)
		return 0;
	clear_corner(s);
	bpf_probe_read_kernel(&s->bytes[CORNER], len, &s->bytes[from & SCRATCH_MASK]);
	if (!name_wanted(scan, len, 1))
		return 0;
	scan->wanted = 1;
	return 1;
}

/* Whether any name in the record is one that the rules ask for. A caller's text may go up again, or end in a dot: there
 * any name may be the last. */
static __always_inline bool path_wanted(struct scratch *s, struct filter_config *config)
{
	struct file_record *r = (void *)s;
	__u32 at = sizeof(*r), end = at + r->part_len[0] + r->part_len[1] + r->part_len[2] + r->part_len[3];
	struct scan scan = { .s = s, .config = config, .at = at, .end = end, .last = at, .old_last = at + r->part_len[0] };
	/* Beyond the mask the scratch cannot be scanned. */
	if (end > SCRATCH_MASK)
		return true;
	if (r->form != FORM_PARTS) {
		scan.every = 1;
		scan.from = at;
		bpf_loop(SCRATCH_MASK, scan_byte, &scan, 0);
	} else
		bpf_loop(SCAN_NAMES_MAX, scan_part, &scan, 0);
	return scan.wanted || scan.at < end;
}

/* What a session begins with. Not on the stack, which is 512 bytes for a whole chain of calls. */
static const struct session FRESH_SESSION = {};

/* The session that is `task`'s, or the one that stands for all that found no room. */
static __noinline struct session *session_at_work(struct task_struct *task)
{
	__u32 key = session_of(task);
	struct session *session = bpf_map_lookup_elem(&SESSIONS, &key);
	if (session)
		return session;
	bpf_map_update_elem(&SESSIONS, &key, &FRESH_SESSION, BPF_NOEXIST);
	session = bpf_map_lookup_elem(&SESSIONS, &key);
	if (session)
		return session;
	key = SESSION_OTHERS;
	return bpf_map_lookup_elem(&SESSIONS, &key);
}

/* A session that works on several processors at once may get a record or two more than its share. */
static __always_inline bool within_share(struct session *session, struct filter_config *config, __u64 now)
{
	__u64 due = session->due;
	if (due < now)
		due = now;
	if (due - now > config->burst_ns)
		return false;
	session->due = due + config->interval_ns;
	return true;
}

/* Programs, and what lends its owner's rights. Without a file type it is a mode that was asked for. */
static __always_inline bool can_run(__u32 mode)
{
	__u32 type = mode & 0170000;
	return (mode & 06000) || ((mode & 0111) && (type == 0100000 || !type));
}

/* Asked before the file record in the scratch is sent: 1 where it is not to be, and then it is counted. A global
 * function, so that the verifier looks at it once and not once for each way that leads here. */
__noinline int held_back(struct scratch *s)
{
	__u32 zero = 0;
	struct filter_config *config = bpf_map_lookup_elem(&FILTER_CONFIG, &zero);
	if (!config || !s)
		return 0;
	struct file_record *r = (void *)s;
	if (!((config->activities >> (r->activity & 31)) & 1) || can_run(r->mode) || path_wanted(s, config))
		return 0;
	struct task_struct *task = current_task();
	if (watched(task))
		return 0;
	struct session *session = session_at_work(task);
	if (!session || within_share(session, config, r->head.time_ns))
		return 0;
	session->pid = r->head.pid;
	session->start_ns = r->head.start_ns;
	__sync_fetch_and_add(&session->held[r->activity & (FILE_ACTIVITIES - 1)], 1);
	bump(&HELD, r->activity);
	bump(&FILTERED, RECORD_FILE);
	return 1;
}

/* Whether no watched file is called so, by the length alone: most opens for reading end here. */
static __always_inline bool surely_unwatched(__u32 len)
{
	__u32 zero = 0;
	struct filter_config *config = bpf_map_lookup_elem(&FILTER_CONFIG, &zero);
	return config && (config->unwatched_lengths >> (len & 63)) & 1;
}

#endif
