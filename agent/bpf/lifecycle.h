/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* exec, fork and exit, and the surroundings in which an image begins to run. sched_process_* run in the acting task and fire once the change can no longer fail. */
#ifndef PICKET_LIFECYCLE_H
#define PICKET_LIFECYCLE_H

#include "record.h"
#include "calls.h"
#include "env.h"
#include "watch.h"

static __always_inline __u32 pid_namespace_of(struct task_struct *task)
{
	/* A bare address: to one of a known type older verifiers let nobody add what is not constant. */
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);
	struct pid_namespace *ns = 0;
	void *own = (void *)pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid);
	bpf_probe_read_kernel(&ns, sizeof(ns), own + bpf_core_field_offset(struct upid, ns));
	return BPF_CORE_READ(ns, ns.inum);
}

static __always_inline __u32 stream_kind(__u32 mode, __u32 device)
{
	__u32 major = device >> 20;
	switch (mode & 0170000) {
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

static __noinline __u32 stream_of(struct task_struct *task, __u32 fd)
{
	struct file *file = file_of(task, fd);
	if (!file)
		return STREAM_CLOSED;
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	return stream_kind(BPF_CORE_READ(inode, i_mode), BPF_CORE_READ(inode, i_rdev));
}

static __always_inline __u32 stream_in(struct file *file)
{
	return file ? stream_kind(file->f_inode->i_mode, file->f_inode->i_rdev) : STREAM_CLOSED;
}

static __always_inline void streams(struct exec_record *r, struct task_struct *task)
{
	struct files_struct *files = task->files;
	/* The table that every process begins with has pointers of a known type; one that has grown lies elsewhere. */
	if ((__u64)files->fdt->fd == (__u64)&files->fd_array) {
		r->stream[0] = stream_in(files->fd_array[0]);
		r->stream[1] = stream_in(files->fd_array[1]);
	} else {
		r->stream[0] = stream_of(task, 0);
		r->stream[1] = stream_of(task, 1);
	}
}

/* For `#!` the kernel runs another file than the one that was asked for. */
static __noinline __u32 put_script(struct scratch *s, __u32 at, struct linux_binprm *bprm)
{
	const char *asked = bprm->filename;
	if (asked == bprm->interp || at > SCRATCH_MASK)
		return 0;
	long n = bpf_probe_read_kernel_str(&s->bytes[at & SCRATCH_MASK], TEXT_MAX, asked);
	return n > 0 ? n : 0;
}

static __noinline int surroundings(struct exec_record *r, struct task_struct *task)
{
	const struct cred *cred = task->cred;
	struct nsproxy *namespaces = task->nsproxy;
	r->uid = cred->uid.val;
	r->euid = cred->euid.val;
	r->gid = cred->gid.val;
	BPF_CORE_READ_INTO(&r->capabilities, cred, cap_effective);
	r->user_ns = cred->user_ns->ns.inum;
	r->mount_ns = namespaces->mnt_ns->ns.inum;
	r->net_ns = namespaces->net_ns->ns.inum;
	r->pid_ns = pid_namespace_of(task);
	r->loginuid = task->loginuid.val;
	r->session = session_of(task);
	streams(r, task);
	return 0;
}

static __noinline __u32 put_image(struct scratch *s, __u32 at, struct file *exe)
{
	struct exec_record *r = (void *)s;
	r->ino = r->dev = r->exe_bytes = 0;
	/* Never; but the verifier of some kernels wants it asked. */
	if (!exe)
		return 0;
	struct inode *inode = exe->f_inode;
	r->ino = inode->i_ino;
	r->dev = inode->i_sb->s_dev;
	if (inode->i_nlink == 0)
		r->head.flags |= EXEC_NO_NAME;
	__u64 path = climb_path(s, at, exe->f_path.dentry, exe->f_path.mnt, PATH_KEEP);
	r->exe_bytes = path >> 32;
	return path;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	__u32 slot = 0;
	ran(RUN_EXEC);
	struct scratch *s = take(RECORD_EXEC, &slot);
	if (!s)
		return 0;
	struct exec_record *r = (void *)s;
	struct found preload = {};
	struct mm_struct *mm = task->mm;
	find_preload(s, mm, &preload);
	fill_head(&r->head, RECORD_EXEC, task);
	struct task_struct *parent = task->real_parent;
	r->ppid = parent->tgid;
	r->parent_start_ns = parent->group_leader->start_boottime;
	BPF_CORE_READ_INTO(&r->comm, task, comm);
	surroundings(r, task);

	__u32 at = sizeof(*r), n;
	__u64 start = mm->arg_start, len = mm->arg_end - start;
	r->argv_bytes = len;
	if (len > ARGV_MAX)
		len = ARGV_MAX;
	if (len && bpf_probe_read_user(&s->bytes[sizeof(*r)], len, (void *)start))
		len = 0;
	r->argv_len = len;
	at += len;
	at += n = put_image(s, at, mm->exe_file);
	r->exe_len = n;
	struct fs_struct *fs = task->fs;
	at += n = climb_path(s, at, fs->pwd.dentry, fs->pwd.mnt, PATH_KEEP);
	r->cwd_len = n;
	at += n = put_cgroup(s, at, task->cgroups->dfl_cgrp->kn);
	r->cgroup_len = n;
	at += n = put_script(s, at, bprm);
	r->script_len = n;
	at += n = put_preload(s, at, &preload);
	r->preload_len = n;
	if (preload.more)
		r->head.flags |= EXEC_ENV_MORE;
	send(&LIFECYCLE, s, at, RECORD_EXEC, WAKE);
	give(slot);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	ran(RUN_FORK);
	if (child->pid != child->tgid)
		return 0; /* a thread */
	watch_child(parent, child);
	struct fork_record r = {};
	/* CLONE_PARENT makes a sibling: the kernel's own word on who the parent is. */
	fill_head(&r.head, RECORD_FORK, child->real_parent);
	r.child_pid = child->tgid;
	r.child_start_ns = child->start_boottime;
	emit(&LIFECYCLE, &r, sizeof(r), RECORD_FORK, RIDE_ALONG);
	return after_birth(parent, child);
}

static __always_inline void exit_record(struct task_struct *task)
{
	struct exit_record r = {};
	fill_head(&r.head, RECORD_EXIT, task);
	/* 4: SIGNAL_GROUP_EXIT */
	if (task->signal->flags & 4)
		r.code = task->signal->group_exit_code;
	else
		r.code = task->group_leader->exit_code;
	emit(&LIFECYCLE, &r, sizeof(r), RECORD_EXIT, RIDE_ALONG);
}

#endif
