/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* exec, fork and exit, and the surroundings in which an image begins to run. sched_process_* run in the acting task and fire once the change can no longer fail. */
#ifndef PICKET_LIFECYCLE_H
#define PICKET_LIFECYCLE_H

#include "record.h"
#include "calls.h"
#include "watch.h"

static __always_inline __u32 pid_namespace_of(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);
	struct pid_namespace *ns = 0;
	void *own = (void *)pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid);
	bpf_probe_read_kernel(&ns, sizeof(ns), own + bpf_core_field_offset(struct upid, ns));
	return BPF_CORE_READ(ns, ns.inum);
}

static __noinline __u32 stream_of(struct task_struct *task, __u32 fd)
{
	struct file *file = file_of(task, fd);
	if (!file)
		return STREAM_CLOSED;
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	__u32 device = BPF_CORE_READ(inode, i_rdev), major = device >> 20;
	switch (BPF_CORE_READ(inode, i_mode) & 0170000) {
	case 0010000:
		return STREAM_PIPE;
	case 0140000:
		return STREAM_SOCKET;
	case 0020000:
		if (device == (1 << 20 | 3))
			return STREAM_NULL;
		/* consoles and serial lines, /dev/tty, pseudo-terminals, the virtio console */
		return major == 4 || major == 5 || (major >= 136 && major <= 143) || major == 204 || major == 229 ? STREAM_TERMINAL : STREAM_FILE;
	case 0:
		return STREAM_UNKNOWN;
	}
	return STREAM_FILE;
}

#define VARIABLE_MAX 1024
#define VARIABLES_MAX 128 /* some 50 ns each: what an ordinary login has three times over */
#define PRELOAD_MAX 3072

struct environment { struct scratch *s; __u64 at, end; __u32 begin, out, within; };

/* Eight letters as the memory has them: the programs compare them at once, the agent compares the whole name. */
#define LETTERS(a, b, c, d, e, f, g, h) \
	((__u64)(h) << 56 | (__u64)(g) << 48 | (__u64)(f) << 40 | (__u64)(e) << 32 | (__u64)(d) << 24 | (c) << 16 | (b) << 8 | (a))

static __always_inline bool of_the_linker(__u64 name)
{
	return name == LETTERS('L', 'D', '_', 'P', 'R', 'E', 'L', 'O') || name == LETTERS('L', 'D', '_', 'A', 'U', 'D', 'I', 'T') ||
	       name == LETTERS('L', 'D', '_', 'L', 'I', 'B', 'R', 'A');
}

static int one_variable(__u32 i, struct environment *e)
{
	if (e->at >= e->end || e->out > SCRATCH_MASK)
		return 1;
	__u64 name = 0;
	void *here = &e->s->bytes[e->out & SCRATCH_MASK];
	long n = bpf_probe_read_user_str(here, VARIABLE_MAX, (void *)e->at);
	if (n <= 0)
		return 1;
	bpf_probe_read_kernel(&name, sizeof(name), here);
	if (!e->within && e->out - e->begin < PRELOAD_MAX && of_the_linker(name))
		e->out += n;
	/* A full buffer may hold the beginning only: what follows is then no variable of its own. */
	e->within = n == VARIABLE_MAX;
	e->at += n - e->within;
	return 0;
}

/* The variables by which the dynamic linker is told to load what the program did not ask for. */
static __noinline __u32 put_preload(struct scratch *s, __u32 at, struct mm_struct *mm)
{
	struct environment e = { s, BPF_CORE_READ(mm, env_start), BPF_CORE_READ(mm, env_end), at, at, 0 };
	bpf_loop(VARIABLES_MAX, one_variable, &e, 0);
	if (e.at < e.end)
		((struct exec_record *)s)->head.flags |= EXEC_ENV_MORE;
	return e.out - at;
}

/* For `#!` the kernel runs another file than the one that was asked for. */
static __noinline __u32 put_script(struct scratch *s, __u32 at, struct linux_binprm *bprm)
{
	const char *asked = BPF_CORE_READ(bprm, filename);
	if (asked == BPF_CORE_READ(bprm, interp) || at > SCRATCH_MASK)
		return 0;
	long n = bpf_probe_read_kernel_str(&s->bytes[at & SCRATCH_MASK], TEXT_MAX, asked);
	return n > 0 ? n : 0;
}

static __noinline int surroundings(struct exec_record *r, struct task_struct *task)
{
	const struct cred *cred = BPF_CORE_READ(task, cred);
	r->uid = BPF_CORE_READ(cred, uid.val);
	r->euid = BPF_CORE_READ(cred, euid.val);
	r->gid = BPF_CORE_READ(cred, gid.val);
	BPF_CORE_READ_INTO(&r->capabilities, cred, cap_effective);
	r->user_ns = BPF_CORE_READ(cred, user_ns, ns.inum);
	r->mount_ns = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	r->net_ns = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
	r->pid_ns = pid_namespace_of(task);
	r->loginuid = BPF_CORE_READ(task, loginuid.val);
	r->session = session_of(task);
	r->stream[0] = stream_of(task, 0);
	r->stream[1] = stream_of(task, 1);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
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
	BPF_CORE_READ_INTO(&r->comm, task, comm);
	surroundings(r, task);

	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct file *exe = BPF_CORE_READ(mm, exe_file);
	struct inode *inode = BPF_CORE_READ(exe, f_inode);
	r->ino = BPF_CORE_READ(inode, i_ino);
	r->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	if (BPF_CORE_READ(inode, i_nlink) == 0)
		r->head.flags |= EXEC_NO_NAME;

	__u32 at = sizeof(*r), n;
	__u64 start = BPF_CORE_READ(mm, arg_start), len = BPF_CORE_READ(mm, arg_end) - start;
	r->argv_bytes = len;
	if (len > ARGV_MAX)
		len = ARGV_MAX;
	if (len && bpf_probe_read_user(&s->bytes[sizeof(*r)], len, (void *)start))
		len = 0;
	r->argv_len = len;
	at += len;
	__u64 path = walk_path(s, at, BPF_CORE_READ(exe, f_path.dentry), BPF_CORE_READ(exe, f_path.mnt), PATH_KEEP);
	r->exe_bytes = path >> 32;
	at += r->exe_len = path;
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	at += n = put_path(s, at, BPF_CORE_READ(fs, pwd.dentry), BPF_CORE_READ(fs, pwd.mnt));
	r->cwd_len = n;
	at += n = put_cgroup(s, at, BPF_CORE_READ(task, cgroups, dfl_cgrp, kn));
	r->cgroup_len = n;
	at += n = put_script(s, at, bprm);
	r->script_len = n;
	at += n = put_preload(s, at, mm);
	r->preload_len = n;
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
	watch_child(parent, child);
	struct fork_record r = {};
	/* CLONE_PARENT makes a sibling: the kernel's own word on who the parent is. */
	fill_head(&r.head, RECORD_FORK, BPF_CORE_READ(child, real_parent));
	r.child_pid = BPF_CORE_READ(child, tgid);
	r.child_start_ns = BPF_CORE_READ(child, start_boottime);
	emit(&LIFECYCLE, &r, sizeof(r), RECORD_FORK, RIDE_ALONG);
	return after_birth(parent, child);
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
	emit(&LIFECYCLE, &r, sizeof(r), RECORD_EXIT, RIDE_ALONG);
}

#endif
