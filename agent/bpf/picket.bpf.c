// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The programs of the tracing and the full tier, and the way of a system call to the family that knows it. Calls are
// judged by what they left behind, never by what they were asked: memory that the caller can still change decides nothing.
#include "lifecycle.h"
#include "network.h"
#include "dns.h"
#include "script.h"
#include "files.h"
#include "objects.h"
#include "filecalls.h"
#include "calls.h"
#include "rare.h"
#include "uring.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline bool own(struct task_struct *task)
{
	return task->tgid == SELF_TGID;
}

/* 32-bit calls have other numbers: without this they would be taken for something else. */
static __always_inline bool compat(struct task_struct *task)
{
	return task->thread_info.status & 2;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	ran(RUN_EXIT);
	forget_thread();
	/* The last thread of the group: exit codes of others mean nothing to anybody. */
	if (task->signal->live.counter != 0)
		return 0;
	if (needed(FAMILY_CLOSE) && !own(task))
		before_close_range(0, CLOSE_FILES_MAX);
	exit_record(task);
	unwatch(task);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_sys_enter, struct pt_regs *regs, long nr)
{
	if (nr != NR_CLOSE && nr != NR_DUP2 && nr != NR_DUP3 && nr != NR_CLOSE_RANGE)
		return changes_creds(nr) && needed(FAMILY_CREDS) ? before_creds() : 0;
	ran(RUN_SYS_ENTER);
	struct task_struct *task = current_task();
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

/* One line for each family; what a family needs of failed calls or of the agent's own it decides itself. */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long ret)
{
	unsigned long nr = regs->orig_ax;
	if (nr >= NUMBERS)
		return 0;
	__u32 family = FAMILY_OF[nr];
	/* Of the commonest calls of all only standard input and executable memory matter. */
	if (!family || (family == FAMILY_STDIN && regs->di) || (family == FAMILY_MEMORY && !(regs->dx & PROT_EXEC)))
		return 0;
	ran(RUN_SYS_EXIT);
	struct task_struct *task = current_task();
	if (!needed(family) || compat(task))
		return 0;
	if (family == FAMILY_OPEN)
		return ret >= 0 && !own(task) ? after_open(task, ret) : 0;
	if (family & (FAMILY_NETWORK | FAMILY_UNIX))
		return after_network_call(task, regs, nr, ret);
	if (family == FAMILY_STDIN)
		return after_read_call(task, (void *)regs->si, ret);
	if (family & CALL_FAMILIES)
		return after_rare_call(regs, nr, ret);
	if (family == FAMILY_MODULES)
		return module_record(task, nr == NR_FINIT_MODULE ? (__s32)regs->di : -1, ret);
	if ((family & FILE_FAMILIES) && ret >= 0 && !own(task))
		return after_file_call(task, regs, nr, ret);
	return 0;
}

/* By themselves they cost nobody else anything, unlike sys_exit. */
SEC("fexit/__x64_sys_finit_module")
int BPF_PROG(on_finit_module, struct pt_regs *regs)
{
	return module_record(current_task(), (__s32)BPF_CORE_READ(regs, di), result_of(ctx));
}

SEC("fexit/__x64_sys_init_module")
int BPF_PROG(on_init_module)
{
	return module_record(current_task(), -1, result_of(ctx));
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
