/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Scratch, rings, loss counts and path walks shared by all programs. */
#ifndef PICKET_RECORD_H
#define PICKET_RECORD_H

#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "event.h"

#define SCRATCH_MASK 16383
#define ARGV_MAX 4096
#define TEXT_MAX 4096 /* PATH_MAX: no call takes a longer one */
#define NAME_MAX_PICKET 256
#define PATH_KEEP 4096   /* of one path; its beginning is cut */
#define STEPS_MAX 8192   /* names of a path that are counted; a path of PATH_MAX has 2048 at most, a nested one can have more */
/* A program may be interrupted by another, and that by a third: task, soft interrupt, hard interrupt. */
#define SCRATCH_SLOTS 3

struct scratch { __u8 bytes[SCRATCH_MASK + 1 + ARGV_MAX]; __u32 slot; };
/* One more than there are, so that a mask bounds an index; the last is never taken. */
struct slots { __u32 taken[SCRATCH_SLOTS + 1]; };
struct watch_key { char name[24]; };
struct file_key { __u64 dev, ino; };
struct connecting { __u32 pid; __u32 pad; __u64 start_ns; };

struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 21); } LIFECYCLE SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 21); } FILES SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, SCRATCH_SLOTS); __type(key, __u32); __type(value, struct scratch); } SCRATCH SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct slots); } SLOTS SEC(".maps");
/* Accounts by type: produced = delivered + lost, filtered stands apart. Index 0 of LOST counts scratch exhaustion whose type is not known. */
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, RECORD_TYPES); __type(key, __u32); __type(value, __u64); } PRODUCED SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, RECORD_TYPES); __type(key, __u32); __type(value, __u64); } FILTERED SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, RECORD_TYPES); __type(key, __u32); __type(value, __u64); } LOST SEC(".maps");
/* How often each program ran, so that one which went quiet is noticed. */
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 64); __type(key, __u32); __type(value, __u64); } RUNS SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 256); __type(key, struct watch_key); __type(value, __u8); } WATCHED SEC(".maps");
/* Bounded by half-open connections; the oldest goes first under a scan. */
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 4096); __type(key, __u64); __type(value, struct connecting); } CONNECTING SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4096); __type(key, struct file_key); __type(value, __u8); } DENIED SEC(".maps");

/* One bit for each family of system calls that on_sys_enter and on_sys_exit must look at: those whose better hooks this
 * kernel refuses. Written once the trial loads are over. */
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u32); } NEEDED SEC(".maps");

const volatile __u32 SELF_TGID = 0;

/* One for each program, in no order; agent/src/sensor/bpf/health.rs knows them by number. */
enum run {
	RUN_EXEC, RUN_FORK, RUN_EXIT, RUN_SOCKET, RUN_SYS_ENTER, RUN_SYS_EXIT,
	RUN_OPEN, RUN_LAST_CLOSE, RUN_RENAME, RUN_DELETE, RUN_LINK, RUN_CHANGE, RUN_TIMES, RUN_TRUNCATE, RUN_XATTR, RUN_FLAGS,
};

/* Families of system calls (NEEDED); agent/src/sensor/bpf/hooks.rs knows them by number. Files have several, for each set of
 * better hooks is tried by itself: opens, names (rename, delete, link), changes (mode, owner) and attributes. */
enum family {
	FAMILY_OPEN = 1, FAMILY_CLOSE = 2, FAMILY_NETWORK = 4, FAMILY_MODULES = 8, FAMILY_NAMES = 16, FAMILY_CHANGES = 32, FAMILY_ATTRIBUTES = 64,
	FAMILY_UNIX = 4096, FAMILY_STDIN = 8192,
	/* calls.h */
	FAMILY_ACCESS = 0x10000, FAMILY_MEMORY = 0x20000, FAMILY_MEMFD = 0x40000, FAMILY_BPF = 0x80000, FAMILY_CREDS = 0x100000, FAMILY_NAMESPACES = 0x200000,
	FAMILY_MOUNTS = 0x400000, FAMILY_TIME = 0x800000, FAMILY_KEXEC = 0x1000000, FAMILY_KEYS = 0x2000000, FAMILY_RINGS = 0x4000000,
};
#define CALL_FAMILIES 0x7ff0000
#define FILE_FAMILIES (FAMILY_OPEN | FAMILY_NAMES | FAMILY_CHANGES | FAMILY_ATTRIBUTES)

static __always_inline bool needed(__u32 family)
{
	__u32 zero = 0, *bits = bpf_map_lookup_elem(&NEEDED, &zero);
	return bits && (*bits & family);
}

static __always_inline void bump(void *map, __u32 index)
{
	__u64 *count = bpf_map_lookup_elem(map, &index);
	if (count)
		__sync_fetch_and_add(count, 1);
}

/* What a program leaves out is counted as well. */
static __always_inline int filtered(__u32 type)
{
	bump(&FILTERED, type);
	return 0;
}

/* Slots are claimed, not stacked: a preempted program keeps its own whatever the order of return. */
static __always_inline struct scratch *take(__u32 type, __u32 *slot)
{
	__u32 zero = 0;
	struct slots *slots = bpf_map_lookup_elem(&SLOTS, &zero);
	if (!slots)
		return 0;
	for (__u32 i = 0; i < SCRATCH_SLOTS; i++) {
		if (__sync_val_compare_and_swap(&slots->taken[i], 0, 1) == 0) {
			struct scratch *s = bpf_map_lookup_elem(&SCRATCH, &i);
			if (!s)
				return 0;
			/* Written and read back: the verifier then looks at what follows once and not once for each slot. */
			*(volatile __u32 *)&s->slot = i;
			*slot = *(volatile __u32 *)&s->slot;
			return s;
		}
	}
	bump(&PRODUCED, type);
	bump(&LOST, type);
	return 0;
}

static __always_inline void give(__u32 slot)
{
	__u32 zero = 0;
	struct slots *slots = bpf_map_lookup_elem(&SLOTS, &zero);
	if (slots)
		/* A mask and not a comparison: older verifiers forget the bounds of a number that was kept on the stack. */
		__sync_val_compare_and_swap(&slots->taken[slot & SCRATCH_SLOTS], 1, 0);
}

/* What a detection may stand on wakes the consumer at once. Forks and exits ride along with the next such record or wait
 * for the consumer's own look, at most a tenth of a second: a wake-up costs the traced task more than the record does.
 * The ring's own rule (wake when the consumer had caught up) does not hold once records may lie there unannounced, so
 * the lifecycle ring says it outright; the file ring, whose records all follow the rule, keeps it. */
#define WAKE BPF_RB_FORCE_WAKEUP
#define RIDE_ALONG BPF_RB_NO_WAKEUP
#define WAKE_IF_CAUGHT_UP 0

/* Every record leaves through here, so that what was produced is delivered or counted as lost. */
static __always_inline void emit(void *ring, void *record, __u64 len, __u32 type, __u64 wake)
{
	bump(&PRODUCED, type);
	if (bpf_ringbuf_output(ring, record, len, wake))
		bump(&LOST, type);
}

static __always_inline void send(void *ring, struct scratch *s, __u64 len, __u32 type, __u64 wake)
{
	if (len > sizeof(*s))
		len = sizeof(*s);
	emit(ring, s, len, type, wake);
}

static __always_inline __u32 session_of(struct task_struct *task)
{
	__u32 nr = 0;
	struct pid *session = BPF_CORE_READ(task, signal, pids[3]);
	/* The array's declared length differs between kernels, its place does not need it. */
	if (session)
		bpf_probe_read_kernel(&nr, sizeof(nr), (void *)session + bpf_core_field_offset(struct pid, numbers));
	return nr;
}

static __always_inline void fill_head(struct record_head *head, __u16 type, struct task_struct *task)
{
	head->type = type;
	head->flags = 0;
	head->pid = BPF_CORE_READ(task, tgid);
	head->time_ns = bpf_ktime_get_boot_ns();
	head->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
}

struct walk { struct scratch *s; struct dentry *dentry; struct mount *mnt; __u32 end, stop, whole; };

static int one_step_up(__u32 i, struct walk *walk)
{
	struct dentry *dentry = walk->dentry, *parent = BPF_CORE_READ(dentry, d_parent);
	struct mount *mnt = walk->mnt;
	struct dentry *root = BPF_CORE_READ(mnt, mnt.mnt_root);
	if (dentry == root || dentry == parent) {
		struct mount *up = BPF_CORE_READ(mnt, mnt_parent);
		if (dentry != root || up == mnt)
			return 1;
		walk->dentry = BPF_CORE_READ(mnt, mnt_mountpoint);
		walk->mnt = up;
		return 0;
	}
	walk->whole += BPF_CORE_READ(dentry, d_name.len) + 1;
	walk->dentry = parent;
	/* Whatever follows is counted and no more. */
	if (walk->end > SCRATCH_MASK || walk->end > walk->stop)
		return 0;
	const unsigned char *name = BPF_CORE_READ(dentry, d_name.name);
	long n = bpf_probe_read_kernel_str(&walk->s->bytes[walk->end & SCRATCH_MASK], NAME_MAX_PICKET, name);
	if (n <= 0)
		return 1;
	walk->end += n;
	return 0;
}

/* Names from the last to the first, across mounts: how many bytes were kept (low half) and how many there are (high half).
 * Paths longer than `keep` and one name lose their beginning. A callback and not a loop of our own: the verifier then looks at one
 * step instead of at every way through all of them. */
static __noinline __u64 walk_path(struct scratch *s, __u32 at, struct dentry *dentry, struct vfsmount *vfs, __u32 keep)
{
	struct walk walk = { s, dentry, (void *)vfs - bpf_core_field_offset(struct mount, mnt), at, at + keep };
	bpf_loop(STEPS_MAX, one_step_up, &walk, 0);
	return (__u64)walk.whole << 32 | (walk.end - at);
}

static __always_inline __u32 put_path(struct scratch *s, __u32 at, struct dentry *dentry, struct vfsmount *vfs)
{
	return walk_path(s, at, dentry, vfs, PATH_KEEP);
}

static __noinline __u32 put_cgroup(struct scratch *s, __u32 at, struct kernfs_node *kn)
{
	__u32 end = at;
	for (int i = 0; i < 8 && kn; i++) {
		struct kernfs_node *up;
		if (bpf_core_field_exists(struct kernfs_node___new, __parent))
			up = BPF_CORE_READ((struct kernfs_node___new *)kn, __parent);
		else
			up = BPF_CORE_READ((struct kernfs_node___old *)kn, parent);
		/* The root's own name is empty. */
		if (!up || end > SCRATCH_MASK)
			break;
		long n = bpf_probe_read_kernel_str(&s->bytes[end & SCRATCH_MASK], 128, BPF_CORE_READ(kn, name));
		if (n <= 0)
			break;
		end += n;
		kn = up;
	}
	return end - at;
}

static __always_inline struct file *file_of(struct task_struct *task, __s64 fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd);
	struct file *file = 0;
	if (fd < 0 || fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), &files[fd]);
	return file;
}

#endif
