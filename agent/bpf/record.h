/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Scratch, rings, loss counts and path walks shared by all programs. */
#ifndef PICKET_RECORD_H
#define PICKET_RECORD_H

#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "event.h"

#define SCRATCH_MASK 8191
#define ARGV_MAX 4096
#define TEXT_MAX 2048
#define NAME_MAX_PICKET 256
#define PARTS_MAX 48
/* A program may be interrupted by another, and that by a third: task, soft interrupt, hard interrupt. */
#define SCRATCH_SLOTS 3

struct scratch { __u8 bytes[SCRATCH_MASK + 1 + ARGV_MAX]; };
struct slots { __u32 taken[SCRATCH_SLOTS]; };
struct watch_key { char name[24]; };
struct file_key { __u64 dev, ino; };
struct connecting { __u32 pid; __u32 pad; __u64 start_ns; };

struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 21); } LIFECYCLE SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 21); } FILES SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, SCRATCH_SLOTS); __type(key, __u32); __type(value, struct scratch); } SCRATCH SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct slots); } SLOTS SEC(".maps");
/* Lost records by type; index 0 counts scratch exhaustion whose type is not known. */
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, RECORD_TYPES); __type(key, __u32); __type(value, __u64); } LOST SEC(".maps");
/* How often each program ran, so that one which went quiet is noticed. */
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 8); __type(key, __u32); __type(value, __u64); } RUNS SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 256); __type(key, struct watch_key); __type(value, __u8); } WATCHED SEC(".maps");
/* Bounded by half-open connections; the oldest goes first under a scan. */
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 4096); __type(key, __u64); __type(value, struct connecting); } CONNECTING SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4096); __type(key, struct file_key); __type(value, __u8); } DENIED SEC(".maps");

const volatile __u32 SELF_TGID = 0;

enum run { RUN_EXEC, RUN_FORK, RUN_EXIT, RUN_SOCKET, RUN_SYS_ENTER, RUN_SYS_EXIT };

static __always_inline void bump(void *map, __u32 index)
{
	__u64 *count = bpf_map_lookup_elem(map, &index);
	if (count)
		__sync_fetch_and_add(count, 1);
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
			*slot = i;
			return bpf_map_lookup_elem(&SCRATCH, slot);
		}
	}
	bump(&LOST, type);
	return 0;
}

static __always_inline void give(__u32 slot)
{
	__u32 zero = 0;
	struct slots *slots = bpf_map_lookup_elem(&SLOTS, &zero);
	if (slots && slot < SCRATCH_SLOTS)
		__sync_val_compare_and_swap(&slots->taken[slot], 1, 0);
}

/* What a detection may stand on wakes the consumer at once. Forks and exits ride along with the next such record or wait
 * for the consumer's own look, at most a tenth of a second: a wake-up costs the traced task more than the record does.
 * The ring's own rule (wake when the consumer had caught up) does not hold once records may lie there unannounced, so
 * the lifecycle ring says it outright; the file ring, whose records all follow the rule, keeps it. */
#define WAKE BPF_RB_FORCE_WAKEUP
#define RIDE_ALONG BPF_RB_NO_WAKEUP
#define WAKE_IF_CAUGHT_UP 0

static __always_inline void send(void *ring, struct scratch *s, __u64 len, __u32 type, __u64 wake)
{
	if (len > sizeof(*s))
		len = sizeof(*s);
	if (bpf_ringbuf_output(ring, s, len, wake))
		bump(&LOST, type);
}

static __always_inline void fill_head(struct record_head *head, __u16 type, struct task_struct *task)
{
	head->type = type;
	head->flags = 0;
	head->pid = BPF_CORE_READ(task, tgid);
	head->time_ns = bpf_ktime_get_boot_ns();
	head->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
}

struct walk { struct scratch *s; struct dentry *dentry; struct mount *mnt; __u32 end; };

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
	if (walk->end > SCRATCH_MASK)
		return 1;
	const unsigned char *name = BPF_CORE_READ(dentry, d_name.name);
	long n = bpf_probe_read_kernel_str(&walk->s->bytes[walk->end & SCRATCH_MASK], NAME_MAX_PICKET, name);
	if (n <= 0)
		return 1;
	walk->end += n;
	walk->dentry = parent;
	return 0;
}

/* Names from the last to the first, across mounts. Deeper or longer paths lose their beginning. A callback and not a
 * loop of our own: the verifier then looks at one step instead of at every way through all of them. */
static __noinline __u32 put_path(struct scratch *s, __u32 at, struct dentry *dentry, struct vfsmount *vfs)
{
	struct walk walk = { s, dentry, (void *)vfs - bpf_core_field_offset(struct mount, mnt), at };
	bpf_loop(PARTS_MAX, one_step_up, &walk, 0);
	return walk.end - at;
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
