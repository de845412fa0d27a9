/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Processes of which everything is told: a detection named them or one above them. User space marks, a child inherits. */
#ifndef PICKET_WATCH_H
#define PICKET_WATCH_H

#include "record.h"

/* A detection's whole tree of processes; what does not fit is counted and said. */
#define WATCHED_TASKS_MAX 4096
#define NS_PER_TICK 10000000

/* By thread group: its start in clock ticks, which is what user space knows of it. */
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, WATCHED_TASKS_MAX); __type(key, __u32); __type(value, __u64); } WATCHED_TASKS SEC(".maps");
/* Whether any process was ever marked, so that hosts without a detection pay nothing. */
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); } WATCHING SEC(".maps");
/* Children for whom there was no room. */
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); } UNWATCHED SEC(".maps");

static __always_inline bool watching(void)
{
	__u32 zero = 0;
	__u64 *any = bpf_map_lookup_elem(&WATCHING, &zero);
	return any && *any;
}

static __always_inline __u64 start_ticks(struct task_struct *task)
{
	return task->group_leader->start_boottime / NS_PER_TICK;
}

static __noinline int watched(struct task_struct *task)
{
	if (!watching())
		return 0;
	__u32 pid = task->tgid;
	__u64 *start = bpf_map_lookup_elem(&WATCHED_TASKS, &pid);
	return start && *start == start_ticks(task);
}

static __noinline int watch_child(struct task_struct *parent, struct task_struct *child)
{
	if (!watched(parent))
		return 0;
	__u32 pid = child->tgid;
	__u64 start = start_ticks(child);
	if (bpf_map_update_elem(&WATCHED_TASKS, &pid, &start, BPF_ANY))
		bump(&UNWATCHED, 0);
	return 0;
}

static __always_inline void unwatch(struct task_struct *task)
{
	__u32 pid = task->tgid;
	if (watching())
		bpf_map_delete_elem(&WATCHED_TASKS, &pid);
}

#endif
