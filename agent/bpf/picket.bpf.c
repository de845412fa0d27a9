// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The programs of the tracing and the full tier. System calls are judged by what they left behind, never by what
// they were asked: memory that the caller can still change decides nothing.
#include "lifecycle.h"
#include "network.h"
#include "files.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define AT_FDCWD -100
enum { /* x86-64 system calls */
	NR_OPEN = 2, NR_CLOSE = 3, NR_DUP2 = 33, NR_CONNECT = 42, NR_ACCEPT = 43, NR_RENAME = 82, NR_CREAT = 85, NR_LINK = 86,
	NR_UNLINK = 87, NR_SYMLINK = 88,
	NR_CHMOD = 90, NR_FCHMOD = 91, NR_INIT_MODULE = 175, NR_OPENAT = 257, NR_UNLINKAT = 263, NR_RENAMEAT = 264, NR_LINKAT = 265, NR_SYMLINKAT = 266,
	NR_FCHMODAT = 268, NR_ACCEPT4 = 288, NR_DUP3 = 292, NR_FINIT_MODULE = 313, NR_RENAMEAT2 = 316, NR_CLOSE_RANGE = 436,
	NR_OPENAT2 = 437, NR_FCHMODAT2 = 452,
};

static __always_inline bool own(struct task_struct *task)
{
	return BPF_CORE_READ(task, tgid) == SELF_TGID;
}

/* 32-bit calls have other numbers: without this they would be taken for something else. */
static __always_inline bool compat(struct task_struct *task)
{
	return BPF_CORE_READ(task, thread_info.status) & 2;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	bump(&RUNS, RUN_EXIT);
	/* The last thread of the group: exit codes of others mean nothing to anybody. */
	if (BPF_CORE_READ(task, signal, live.counter) != 0)
		return 0;
	if (!own(task))
		before_close_range(0, CLOSE_FILES_MAX);
	exit_record(task);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_sys_enter, struct pt_regs *regs, long nr)
{
	if (nr != NR_CLOSE && nr != NR_DUP2 && nr != NR_DUP3 && nr != NR_CLOSE_RANGE)
		return 0;
	bump(&RUNS, RUN_SYS_ENTER);
	struct task_struct *task = (void *)bpf_get_current_task();
	if (own(task) || compat(task))
		return 0;
	if (nr == NR_CLOSE_RANGE)
		before_close_range(regs->di, regs->si);
	else if (nr == NR_CLOSE)
		before_close(task, (__s32)regs->di);
	else if (regs->di != regs->si)
		before_close(task, (__s32)regs->si);
	return 0;
}

static __always_inline int after_file_call(struct task_struct *task, struct pt_regs *regs, long nr)
{
	struct named named = { .dir = AT_FDCWD, .old_dir = AT_FDCWD };
	switch (nr) {
	case NR_RENAME:
		named.activity = FILE_RENAME;
		named.old_text = (void *)regs->di;
		named.text = (void *)regs->si;
		break;
	case NR_RENAMEAT:
	case NR_RENAMEAT2:
		named.activity = FILE_RENAME;
		named.old_dir = regs->di;
		named.old_text = (void *)regs->si;
		named.dir = regs->dx;
		named.text = (void *)regs->r10;
		break;
	case NR_LINK:
	case NR_SYMLINK:
		named.activity = FILE_CREATE;
		named.text = (void *)regs->si;
		break;
	case NR_LINKAT:
		named.activity = FILE_CREATE;
		named.dir = regs->dx;
		named.text = (void *)regs->r10;
		break;
	case NR_SYMLINKAT:
		named.activity = FILE_CREATE;
		named.dir = regs->si;
		named.text = (void *)regs->dx;
		break;
	case NR_UNLINK:
		named.activity = FILE_DELETE;
		named.text = (void *)regs->di;
		break;
	case NR_UNLINKAT:
		named.activity = FILE_DELETE;
		named.dir = regs->di;
		named.text = (void *)regs->si;
		break;
	case NR_CHMOD:
		named.activity = FILE_MODE;
		named.text = (void *)regs->di;
		named.mode = regs->si & 07777;
		break;
	case NR_FCHMODAT:
	case NR_FCHMODAT2:
		named.activity = FILE_MODE;
		named.dir = regs->di;
		named.text = (void *)regs->si;
		named.mode = regs->dx & 07777;
		break;
	default:
		return 0;
	}
	if (seen_record(named.activity))
		return 0;
	return text_record(&named);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long ret)
{
	long nr = regs->orig_ax;
	switch (nr) {
	case NR_OPEN: case NR_CREAT: case NR_OPENAT: case NR_OPENAT2: case NR_CONNECT: case NR_ACCEPT: case NR_ACCEPT4:
	case NR_RENAME: case NR_RENAMEAT: case NR_RENAMEAT2: case NR_UNLINK: case NR_UNLINKAT: case NR_CHMOD: case NR_FCHMOD:
	case NR_LINK: case NR_LINKAT: case NR_SYMLINK: case NR_SYMLINKAT: case NR_FCHMODAT: case NR_FCHMODAT2: case NR_INIT_MODULE: case NR_FINIT_MODULE:
		break;
	default:
		return 0;
	}
	bump(&RUNS, RUN_SYS_EXIT);
	struct task_struct *task = (void *)bpf_get_current_task();
	if (compat(task))
		return 0;
	if (nr == NR_CONNECT)
		return after_connect(task, (__s32)regs->di);
	if (nr == NR_ACCEPT || nr == NR_ACCEPT4)
		return after_accept(task, ret);
	if (nr == NR_FINIT_MODULE)
		return module_record(task, (__s32)regs->di, ret);
	if (nr == NR_INIT_MODULE)
		return module_record(task, -1, ret);
	if (ret < 0 || own(task))
		return 0;
	if (nr == NR_OPEN || nr == NR_CREAT || nr == NR_OPENAT || nr == NR_OPENAT2)
		return after_open(task, ret);
	if (nr == NR_FCHMOD) {
		struct file *file = file_of(task, (__s32)regs->di);
		if (file && regular(BPF_CORE_READ(file, f_inode)))
			file_record(task, file, FILE_MODE);
		return 0;
	}
	return after_file_call(task, regs, nr);
}

SEC("lsm/bprm_check_security")
int BPF_PROG(on_exec_check, struct linux_binprm *bprm, int ret)
{
	if (ret)
		return ret;
	struct inode *inode = BPF_CORE_READ(bprm, file, f_inode);
	struct file_key key = { .dev = BPF_CORE_READ(inode, i_sb, s_dev), .ino = BPF_CORE_READ(inode, i_ino) };
	return bpf_map_lookup_elem(&DENIED, &key) ? -1 /* EPERM */ : 0;
}

SEC("lsm/path_rename")
int BPF_PROG(on_path_rename, struct path *old_dir, struct dentry *old, struct path *dir, struct dentry *dentry)
{
	struct inode *inode = BPF_CORE_READ(old, d_inode);
	struct sight sight = { BPF_CORE_READ(dir, mnt), BPF_CORE_READ(old_dir, mnt), dentry, old, inode };
	see(&sight, FILE_RENAME, BPF_CORE_READ(inode, i_mode));
	return 0;
}

SEC("lsm/path_unlink")
int BPF_PROG(on_path_unlink, struct path *dir, struct dentry *dentry)
{
	struct inode *inode = BPF_CORE_READ(dentry, d_inode);
	struct sight sight = { BPF_CORE_READ(dir, mnt), 0, dentry, 0, inode };
	see(&sight, FILE_DELETE, BPF_CORE_READ(inode, i_mode));
	return 0;
}

SEC("lsm/path_chmod")
int BPF_PROG(on_path_chmod, struct path *path, __u16 mode)
{
	struct dentry *dentry = BPF_CORE_READ(path, dentry);
	struct inode *inode = BPF_CORE_READ(dentry, d_inode);
	struct sight sight = { BPF_CORE_READ(path, mnt), 0, dentry, 0, inode };
	see(&sight, FILE_MODE, (BPF_CORE_READ(inode, i_mode) & 0170000) | (mode & 07777));
	return 0;
}
