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
/* As many as a bundle may name. */
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1024); __type(key, struct watch_key); __type(value, __u8); } WATCHED SEC(".maps");
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

/* Of runs it matters whether there were any: one that is lost to an interrupt is cheaper than an atomic addition each time. */
static __always_inline void ran(enum run run)
{
	__u32 index = run;
	__u64 *count = bpf_map_lookup_elem(&RUNS, &index);
	if (count)
		*(volatile __u64 *)count += 1;
}

/* Of its own type to the verifier: its fields are then loads, where a bare address takes a call for each. */
static __always_inline struct task_struct *current_task(void)
{
	return (struct task_struct *)bpf_get_current_task_btf();
}

/* What a program leaves out is counted as well. */
static __always_inline int filtered(__u32 type)
{
	bump(&FILTERED, type);
	return 0;
}

static __always_inline bool claim(struct slots *slots, __u32 i)
{
	return __sync_val_compare_and_swap(&slots->taken[i], 0, 1) == 0;
}

/* Slots are claimed, not stacked: a preempted program keeps its own whatever the order of return. */
static __always_inline struct scratch *take(__u32 type, __u32 *slot)
{
	__u32 zero = 0;
	struct slots *slots = bpf_map_lookup_elem(&SLOTS, &zero);
	if (!slots)
		return 0;
	/* Not a loop: a counter on the stack is none to the verifier. */
	__u32 i = claim(slots, 0) ? 0 : claim(slots, 1) ? 1 : claim(slots, 2) ? 2 : SCRATCH_SLOTS;
	if (i < SCRATCH_SLOTS) {
		struct scratch *s = bpf_map_lookup_elem(&SCRATCH, &i);
		if (!s)
			return 0;
		/* Written and read back: the verifier then looks at what follows once and not once for each slot. */
		*(volatile __u32 *)&s->slot = i;
		*slot = *(volatile __u32 *)&s->slot;
		return s;
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

/* What a detection may stand on wakes the consumer, where it sleeps. Forks and exits ride along with the next such record
 * or wait for the consumer's own look, at most a tenth of a second. A wake-up is an interrupt that costs the traced task more
 * than the record does, and the ring's own rules cannot tell a consumer that sleeps from one that gathers or reads: it says
 * so itself, by one bit for each ring (agent/src/sensor/bpf/doorbell.rs). */
enum wake { RIDE_ALONG = 0, WAKE = 1, WAKE_FILES = 2 };

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); } SLEEPING SEC(".maps");

/* After the record, never before it: the consumer sets its bit and then looks once more, so that one of the two sees the
 * other. The first who takes the bit away rings; a discarded record is the only bell without a text. */
static __always_inline void ring_for(void *ring, __u64 bit)
{
	__u32 zero = 0;
	__u64 *sleeping = bpf_map_lookup_elem(&SLEEPING, &zero);
	if (!sleeping || !(*(volatile __u64 *)sleeping & bit) || !(__sync_fetch_and_and(sleeping, ~bit) & bit))
		return;
	void *bell = bpf_ringbuf_reserve(ring, 8, 0);
	if (bell)
		bpf_ringbuf_discard(bell, BPF_RB_FORCE_WAKEUP);
	else
		/* A full ring: the next record tries again, or the consumer looks by itself. */
		__sync_fetch_and_or(sleeping, bit);
}

/* Every record leaves through here, so that what was produced is delivered or counted as lost. */
static __always_inline void emit(void *ring, void *record, __u64 len, __u32 type, enum wake wake)
{
	bump(&PRODUCED, type);
	if (bpf_ringbuf_output(ring, record, len, BPF_RB_NO_WAKEUP))
		bump(&LOST, type);
	else if (wake)
		ring_for(ring, wake);
}

static __always_inline void send(void *ring, struct scratch *s, __u64 len, __u32 type, enum wake wake)
{
	if (len > sizeof(*s))
		len = sizeof(*s);
	emit(ring, s, len, type, wake);
}

static __always_inline __u32 session_of(struct task_struct *task)
{
	__u32 nr = 0;
	struct pid *session = task->signal->pids[3];
	/* The array's declared length differs between kernels, its place does not need it. */
	if (session)
		bpf_probe_read_kernel(&nr, sizeof(nr), (void *)session + bpf_core_field_offset(struct pid, numbers));
	return nr;
}

static __always_inline void fill_head(struct record_head *head, __u16 type, struct task_struct *task)
{
	head->type = type;
	head->flags = 0;
	head->pid = task->tgid;
	head->time_ns = bpf_ktime_get_boot_ns();
	head->start_ns = task->group_leader->start_boottime;
}

struct walk { struct scratch *s; struct dentry *dentry; struct mount *mnt; __u32 end, stop, whole; };

/* False: the name cannot be read. Whatever follows a full scratch is counted and no more. */
static __always_inline bool put_name(struct walk *walk, __u32 len, const unsigned char *name)
{
	walk->whole += len + 1;
	if (walk->end > SCRATCH_MASK || walk->end > walk->stop)
		return true;
	long n = bpf_probe_read_kernel_str(&walk->s->bytes[walk->end & SCRATCH_MASK], NAME_MAX_PICKET, name);
	if (n <= 0)
		return false;
	walk->end += n;
	return true;
}

static int one_step_up(__u32 i, struct walk *walk)
{
	struct qstr name;
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
	BPF_CORE_READ_INTO(&name, dentry, d_name);
	walk->dentry = parent;
	return !put_name(walk, name.len, name.name);
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

struct climb { struct walk walk; struct dentry *at, *root; __u64 top; };

static int one_name_up(__u32 i, struct climb *climb)
{
	struct dentry *dentry = climb->at, *parent = dentry->d_parent;
	if (dentry == climb->root || dentry == parent) {
		climb->top = dentry == climb->root;
		return 1;
	}
	climb->at = parent;
	return !put_name(&climb->walk, dentry->d_name.len, dentry->d_name.name);
}

/* The same as walk_path for pointers whose type the verifier knows: within the first mount nothing has to be called to
 * read a field. */
static __noinline __u64 climb_path(struct scratch *s, __u32 at, struct dentry *dentry, struct vfsmount *vfs, __u32 keep)
{
	struct climb climb = { { s, 0, 0, at, at + keep }, dentry, vfs->mnt_root, 0 };
	bpf_loop(STEPS_MAX, one_name_up, &climb, 0);
	struct walk walk = climb.walk;
	struct mount *mnt = (void *)vfs - bpf_core_field_offset(struct mount, mnt), *up = BPF_CORE_READ(mnt, mnt_parent);
	if (climb.top && up != mnt) {
		walk.dentry = BPF_CORE_READ(mnt, mnt_mountpoint);
		walk.mnt = up;
		bpf_loop(STEPS_MAX, one_step_up, &walk, 0);
	}
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
			up = ((struct kernfs_node___new *)kn)->__parent;
		else
			up = ((struct kernfs_node___old *)kn)->parent;
		/* The root's own name is empty. */
		if (!up || end > SCRATCH_MASK)
			break;
		long n = bpf_probe_read_kernel_str(&s->bytes[end & SCRATCH_MASK], 128, kn->name);
		if (n <= 0)
			break;
		end += n;
		kn = up;
	}
	return end - at;
}

static __always_inline struct file *file_of(struct task_struct *task, __s64 fd)
{
	struct fdtable *table = task->files->fdt;
	struct file *file = 0;
	if (fd < 0 || fd >= table->max_fds)
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), (void *)table->fd + fd * sizeof(file));
	return file;
}

#endif
