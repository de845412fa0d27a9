// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Every process there is, in one reading: of /proc the same takes three calls to the kernel for each. An object of its own,
// so that a kernel that refuses it still has every sensor.
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* As /proc counts them, for a host whose clock ticks a hundred times a second; user space asks whether it does. */
#define NS_PER_TICK 10000000

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct bpf_iter_meta { struct seq_file *seq; };
struct bpf_iter__task { struct bpf_iter_meta *meta; struct task_struct *task; };
#pragma clang attribute pop

/* What user space reads, one after the other. */
struct listed { __u32 pid, parent; __u64 start_ticks; };

SEC("iter/task")
int list_task(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	if (!task || task->pid != task->tgid)
		return 0;
	struct listed listed = {
		.pid = task->tgid,
		.parent = BPF_CORE_READ(task, real_parent, tgid),
		.start_ticks = task->start_boottime / NS_PER_TICK,
	};
	bpf_seq_write(ctx->meta->seq, &listed, sizeof(listed));
	return 0;
}
