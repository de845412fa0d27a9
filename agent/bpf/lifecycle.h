/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* exec, fork and exit. sched_process_* run in the acting task and fire once the change can no longer fail. */
#ifndef PICKET_LIFECYCLE_H
#define PICKET_LIFECYCLE_H

#include "record.h"

static __always_inline __u32 session_of(struct task_struct *task)
{
	__u32 nr = 0;
	struct pid *session = BPF_CORE_READ(task, signal, pids[3]);
	/* The array's declared length differs between kernels, its place does not need it. */
	if (session)
		bpf_probe_read_kernel(&nr, sizeof(nr), (void *)session + bpf_core_field_offset(struct pid, numbers));
	return nr;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	__u32 slot = 0;
	bump(&RUNS, RUN_EXEC);
	struct scratch *s = take(RECORD_EXEC, &slot);
	if (!s)
		return 0;
	struct exec_record *r = (void *)s;
	fill_head(&r->head, RECORD_EXEC, task);
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);
	r->ppid = BPF_CORE_READ(parent, tgid);
	r->parent_start_ns = BPF_CORE_READ(parent, group_leader, start_boottime);
	r->uid = BPF_CORE_READ(task, cred, uid.val);
	r->euid = BPF_CORE_READ(task, cred, euid.val);
	r->gid = BPF_CORE_READ(task, cred, gid.val);
	r->loginuid = BPF_CORE_READ(task, loginuid.val);
	r->session = session_of(task);
	BPF_CORE_READ_INTO(&r->comm, task, comm);

	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct file *exe = BPF_CORE_READ(mm, exe_file);
	struct inode *inode = BPF_CORE_READ(exe, f_inode);
	r->ino = BPF_CORE_READ(inode, i_ino);
	r->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	if (BPF_CORE_READ(inode, i_nlink) == 0)
		r->head.flags |= EXEC_NO_NAME;

	__u32 at = sizeof(*r);
	__u64 start = BPF_CORE_READ(mm, arg_start), len = BPF_CORE_READ(mm, arg_end) - start;
	if (len > ARGV_MAX)
		len = ARGV_MAX;
	if (len && bpf_probe_read_user(&s->bytes[sizeof(*r)], len, (void *)start))
		len = 0;
	r->argv_len = len;
	at += len;
	__u32 n = put_path(s, at, BPF_CORE_READ(exe, f_path.dentry), BPF_CORE_READ(exe, f_path.mnt));
	r->exe_len = n;
	at += n;
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	n = put_path(s, at, BPF_CORE_READ(fs, pwd.dentry), BPF_CORE_READ(fs, pwd.mnt));
	r->cwd_len = n;
	at += n;
	n = put_cgroup(s, at, BPF_CORE_READ(task, cgroups, dfl_cgrp, kn));
	r->cgroup_len = n;
	at += n;
	send(&LIFECYCLE, s, at, RECORD_EXEC, WAKE);
	give(slot);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	bump(&RUNS, RUN_FORK);
	if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid))
		return 0; /* a thread */
	struct fork_record r = {};
	/* CLONE_PARENT makes a sibling: the kernel's own word on who the parent is. */
	fill_head(&r.head, RECORD_FORK, BPF_CORE_READ(child, real_parent));
	r.child_pid = BPF_CORE_READ(child, tgid);
	r.child_start_ns = BPF_CORE_READ(child, start_boottime);
	if (bpf_ringbuf_output(&LIFECYCLE, &r, sizeof(r), RIDE_ALONG))
		bump(&LOST, RECORD_FORK);
	return 0;
}

static __always_inline void exit_record(struct task_struct *task)
{
	struct exit_record r = {};
	fill_head(&r.head, RECORD_EXIT, task);
	/* 4: SIGNAL_GROUP_EXIT */
	if (BPF_CORE_READ(task, signal, flags) & 4)
		r.code = BPF_CORE_READ(task, signal, group_exit_code);
	else
		r.code = BPF_CORE_READ(task, group_leader, exit_code);
	if (bpf_ringbuf_output(&LIFECYCLE, &r, sizeof(r), RIDE_ALONG))
		bump(&LOST, RECORD_EXIT);
}

#endif
