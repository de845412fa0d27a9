/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Calls that are rare and tell much: reaching into other processes, privileges, namespaces, mounts, the kernel's own
 * settings. Each is judged after it returned, by kernel objects where the kernel has them; what stays the caller's text
 * (mount sources, key names) decides nothing. */
#ifndef PICKET_CALLS_H
#define PICKET_CALLS_H

#include "record.h"
#include "files.h"
#include "filecalls.h"

#define NSFS_MAGIC 0x6e736673
#define PIDFS_MAGIC 0x50494446
/* CLONE_NEW*: time, mnt, cgroup, uts, ipc, user, pid, net. */
#define NEW_NAMESPACES (0x80 | 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x10000000 | 0x20000000 | 0x40000000)
/* A pid number has 22 bits, six a level. */
#define IDR_LEVELS 6
/* More nested pid namespaces than that the kernel does not allow. */
#define PID_LEVELS 32

/* What was told already of an image (a process between two execs). The oldest goes first: it may then be told twice. */
struct once_key { __u64 start, exec, about; __u32 tgid; __u16 what, kind; };
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 8192); __type(key, struct once_key); __type(value, __u8); } ONCE SEC(".maps");

static __always_inline bool first_time(struct task_struct *task, __u32 type, __u16 what, __u16 kind, __u64 about)
{
	__u8 one = 1;
	struct once_key key = { .about = about, .what = what, .kind = kind };
	key.tgid = task->tgid;
	key.start = task->group_leader->start_boottime;
	key.exec = task->self_exec_id;
	if (bpf_map_update_elem(&ONCE, &key, &one, BPF_NOEXIST) == 0)
		return true;
	bump(&FILTERED, type);
	return false;
}

static __always_inline struct call_record *begin_call(struct scratch *s, struct task_struct *task, __u16 what, __s64 ret)
{
	struct call_record *r = (void *)s;
	__builtin_memset(r, 0, sizeof(*r));
	fill_head(&r->head, RECORD_CALL, task);
	r->what = what;
	r->ret = ret;
	return r;
}

static __always_inline void finish_call(struct scratch *s, __u32 slot)
{
	struct call_record *r = (void *)s;
	send(&LIFECYCLE, s, sizeof(*r) + r->text_len[0] + r->text_len[1], RECORD_CALL, WAKE);
	give(slot);
}

/* A caller's text with its NUL; what cannot be read is an empty one, so that the texts after it keep their places. */
static __noinline __u32 add_user(struct scratch *s, __u32 at, const void *text)
{
	if (at > SCRATCH_MASK)
		return 0;
	long n = bpf_probe_read_user_str(&s->bytes[at & SCRATCH_MASK], TEXT_MAX, text);
	if (n > 0)
		return n;
	s->bytes[at & SCRATCH_MASK] = 0;
	return 1;
}

static __noinline __u32 add_kernel(struct scratch *s, __u32 at, const void *text)
{
	if (at > SCRATCH_MASK)
		return 0;
	long n = bpf_probe_read_kernel_str(&s->bytes[at & SCRATCH_MASK], TEXT_MAX, text);
	if (n > 0)
		return n;
	s->bytes[at & SCRATCH_MASK] = 0;
	return 1;
}

struct target { __u64 start_ns; __u32 pid; };

static __always_inline void target_of(struct target *target, struct pid *pid)
{
	struct hlist_node *first = BPF_CORE_READ(pid, tasks[0].first);
	if (!first)
		return;
	struct task_struct *task = (void *)first - bpf_core_field_offset(struct task_struct, pid_links);
	target->pid = BPF_CORE_READ(task, tgid);
	target->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
}

/* The kernel's own look-up of a number in the caller's pid namespace: the namespace's radix tree. A process that is gone
 * keeps its number where that number means the same everywhere, else it is 0: unknown. */
static __noinline int find_target(__u32 nr, struct target *target)
{
	struct task_struct *task = current_task();
	struct pid *own = BPF_CORE_READ(task, thread_pid);
	__u32 level = BPF_CORE_READ(own, level);
	struct pid_namespace *ns = 0;
	if (level > PID_LEVELS)
		return 0;
	target->pid = level ? 0 : nr;
	target->start_ns = 0;
	bpf_probe_read_kernel(&ns, sizeof(ns), (void *)own + bpf_core_field_offset(struct pid, numbers)
		+ level * bpf_core_type_size(struct upid) + bpf_core_field_offset(struct upid, ns));
	__u64 entry = (__u64)BPF_CORE_READ(ns, idr.idr_rt.xa_head);
	for (__u32 i = 0; i < IDR_LEVELS && (entry & 3) == 2 && entry > 4096; i++) {
		struct xa_node *node = (void *)(entry - 2);
		__u64 shift = BPF_CORE_READ(node, shift);
		if (shift > 30 || (i == 0 && nr >> shift > 63))
			return 0;
		entry = 0;
		bpf_probe_read_kernel(&entry, sizeof(entry),
			(void *)node + bpf_core_field_offset(struct xa_node, slots) + ((nr >> shift) & 63) * 8);
	}
	if (entry && !(entry & 3))
		target_of(target, (void *)entry);
	return 0;
}

/* args: the request of ptrace. */
static __noinline int reached(__u16 what, __s64 request, struct target *target, __s64 ret)
{
	struct task_struct *task = current_task();
	__u32 slot = 0;
	struct scratch *s = take(RECORD_CALL, &slot);
	if (!s)
		return 0;
	struct call_record *r = begin_call(s, task, what, ret);
	r->args[0] = request;
	r->target_pid = target->pid;
	r->target_start_ns = target->start_ns;
	finish_call(s, slot);
	return 0;
}

static __noinline int after_ptrace(__u64 request, __u32 nr, __s64 ret)
{
	struct target target = {};
	switch (request) {
	case 16: case 0x4206:                            /* ATTACH, SEIZE */
	case 4: case 5: case 6: case 13: case 15: case 0x4205: /* POKE*, SET*REGS, SETREGSET */
		break;
	default:
		return 0;
	}
	find_target(nr, &target);
	bool attach = request == 16 || request == 0x4206;
	/* A debugger pokes word by word. */
	if (!attach && !first_time(current_task(), RECORD_CALL, CALL_PTRACE, request, target.start_ns ^ target.pid))
		return 0;
	return reached(CALL_PTRACE, request, &target, ret);
}

static __noinline int after_vm(__u16 what, __u32 nr, __s64 ret)
{
	struct target target = {};
	find_target(nr, &target);
	if (!first_time(current_task(), RECORD_CALL, what, 0, target.start_ns ^ target.pid))
		return 0;
	return reached(what, 0, &target, ret);
}

static __always_inline struct pid *pid_of(struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	/* Since 6.9 a pidfd has an inode of its own. */
	if (BPF_CORE_READ(inode, i_sb, s_magic) == PIDFS_MAGIC)
		return BPF_CORE_READ(inode, i_private);
	return BPF_CORE_READ(file, private_data);
}

static __noinline int after_getfd(__s64 pidfd, __s64 wanted, __s64 ret)
{
	struct target target = {};
	struct file *file = file_of(current_task(), pidfd);
	if (file)
		target_of(&target, pid_of(file));
	return reached(CALL_PIDFD_GETFD, wanted, &target, ret);
}

/* args: the flags. text 0: the name in the file's own dentry. */
static __noinline int after_memfd(__s64 flags, __s64 ret)
{
	struct task_struct *task = current_task();
	__u32 slot = 0;
	struct file *file = file_of(task, ret);
	struct scratch *s = take(RECORD_CALL, &slot);
	if (!s)
		return 0;
	struct call_record *r = begin_call(s, task, CALL_MEMFD, ret);
	r->args[0] = flags;
	r->text_len[0] = add_kernel(s, sizeof(*r), BPF_CORE_READ(file, f_path.dentry, d_name.name));
	finish_call(s, slot);
	return 0;
}

/* args: type, id, tag. text 0: the name. A refused program has no id, and the rest is what the caller asked for. */
static __noinline int after_bpf(__u64 attr, __s64 ret)
{
	struct task_struct *task = current_task();
	__u32 slot = 0, type = 0;
	struct scratch *s = take(RECORD_CALL, &slot);
	if (!s)
		return 0;
	struct call_record *r = begin_call(s, task, CALL_BPF_LOAD, ret);
	if (ret >= 0) {
		struct file *file = file_of(task, ret);
		struct bpf_prog *prog = BPF_CORE_READ(file, private_data);
		r->args[0] = BPF_CORE_READ(prog, type);
		r->args[1] = BPF_CORE_READ(prog, aux, id);
		BPF_CORE_READ_INTO(&r->args[2], prog, tag);
		r->text_len[0] = add_kernel(s, sizeof(*r), (void *)BPF_CORE_READ(prog, aux) + bpf_core_field_offset(struct bpf_prog_aux, name));
	} else {
		union bpf_attr *asked = (void *)attr;
		bpf_probe_read_user(&type, sizeof(type), &asked->prog_type);
		r->args[0] = type;
		r->text_len[0] = add_user(s, sizeof(*r), &asked->prog_name);
	}
	finish_call(s, slot);
	return 0;
}

/* text 0: place, source and kind of file system as the caller wrote them; text 1: the directory the place is relative to. */
static __noinline int after_mount(struct pt_regs *regs, long nr, __s64 ret)
{
	struct task_struct *task = current_task();
	const void *place = (void *)regs->di, *source = (void *)regs->si, *kind = 0;
	__s32 dir = -100;
	__u32 slot = 0, n;
	struct scratch *s = take(RECORD_CALL, &slot);
	if (!s)
		return 0;
	struct call_record *r = begin_call(s, task, CALL_MOUNT, ret);
	if (nr == NR_MOUNT) {
		source = (void *)regs->di;
		place = (void *)regs->si;
		kind = (void *)regs->dx;
		r->args[0] = regs->r10;
	} else if (nr == NR_MOVE_MOUNT) {
		dir = regs->dx;
		place = (void *)regs->r10;
	} else {
		r->what = nr == NR_UMOUNT2 ? CALL_UMOUNT : CALL_PIVOT_ROOT;
		if (nr == NR_UMOUNT2) {
			r->args[0] = (__s64)source;
			source = 0;
		}
	}
	n = add_user(s, sizeof(*r), place);
	n += add_user(s, sizeof(*r) + n, source);
	if (nr == NR_MOVE_MOUNT) {
		/* The new mount itself: fsmount gave its descriptor. */
		struct file *file = file_of(task, (__s32)regs->di);
		n += add_kernel(s, sizeof(*r) + n, BPF_CORE_READ(file, f_path.mnt, mnt_sb, s_type, name));
	} else
		n += add_user(s, sizeof(*r) + n, kind);
	r->text_len[0] = n;
	r->text_len[1] = put_text(s, sizeof(*r) + n, dir, place);
	finish_call(s, slot);
	return 0;
}

/* text 1: the new root itself. */
static __noinline int after_chroot(__s64 ret)
{
	struct task_struct *task = current_task();
	__u32 slot = 0;
	struct scratch *s = take(RECORD_CALL, &slot);
	if (!s)
		return 0;
	struct call_record *r = begin_call(s, task, CALL_CHROOT, ret);
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	r->text_len[1] = put_path(s, sizeof(*r), BPF_CORE_READ(fs, root.dentry), BPF_CORE_READ(fs, root.mnt));
	finish_call(s, slot);
	return 0;
}

/* args: the call's number, then its own. text 0: up to two texts of the caller's. text 1: a file. */
static __noinline int after_setting(__u16 what, struct pt_regs *regs, long nr, __s64 ret)
{
	struct task_struct *task = current_task();
	__u32 slot = 0, n;
	struct scratch *s = take(RECORD_CALL, &slot);
	if (!s)
		return 0;
	struct call_record *r = begin_call(s, task, what, ret);
	r->args[0] = nr;
	r->args[1] = regs->di;
	r->args[2] = regs->si;
	r->args[3] = regs->dx;
	if (nr == NR_ADD_KEY || nr == NR_REQUEST_KEY) {
		n = add_user(s, sizeof(*r), (void *)regs->di);
		n += add_user(s, sizeof(*r) + n, (void *)regs->si);
		r->text_len[0] = n;
	} else if (nr == NR_KEXEC_FILE_LOAD) {
		struct file *file = file_of(task, (__s32)regs->di);
		if (file)
			r->text_len[1] = put_path(s, sizeof(*r), BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_path.mnt));
	} else if (nr == NR_IO_URING_SETUP) {
		struct file *file = file_of(task, ret);
		struct io_ring_ctx *ring = BPF_CORE_READ(file, private_data);
		r->args[2] = BPF_CORE_READ(ring, flags);
	}
	finish_call(s, slot);
	return 0;
}

static __noinline int after_adjust(__u16 what, struct pt_regs *regs, long nr, __s64 ret)
{
	__u32 modes = 0;
	bpf_probe_read_user(&modes, sizeof(modes), (void *)(nr == NR_ADJTIMEX ? regs->di : regs->si));
	/* ADJ_SETOFFSET: the clock steps. Slewing is what every time daemon does. */
	return modes & 0x100 ? after_setting(what, regs, nr, ret) : 0;
}

#include "creds.h"
#include "library.h"

/* What sys_exit, or the exit of the call itself, hands on. Calls that are not here cost one look at this table. */
static __always_inline int after_call(struct pt_regs *regs, long nr, __s64 ret)
{
	switch (nr) {
	case NR_MMAP: case NR_MPROTECT: case NR_PKEY_MPROTECT:
		if (!(regs->dx & PROT_EXEC))
			return 0;
		break;
	case NR_PTRACE: case NR_PROCESS_VM_READV: case NR_PROCESS_VM_WRITEV: case NR_PIDFD_GETFD: case NR_MEMFD_CREATE:
	case NR_MEMFD_SECRET: case NR_BPF: case NR_MOUNT: case NR_MOVE_MOUNT: case NR_UMOUNT2: case NR_PIVOT_ROOT: case NR_CHROOT:
	case NR_CLOCK_SETTIME: case NR_SETTIMEOFDAY: case NR_ADJTIMEX: case NR_CLOCK_ADJTIME: case NR_KEXEC_LOAD:
	case NR_KEXEC_FILE_LOAD: case NR_ADD_KEY: case NR_REQUEST_KEY: case NR_KEYCTL: case NR_IO_URING_SETUP: case NR_SETUID:
	case NR_SETGID: case NR_SETREUID: case NR_SETREGID: case NR_SETRESUID: case NR_SETRESGID: case NR_SETFSUID:
	case NR_SETFSGID: case NR_CAPSET: case NR_SETNS: case NR_UNSHARE:
		break;
	default:
		return 0;
	}
	struct task_struct *task = current_task();
	/* 32-bit calls have other numbers, and the agent does not tell of itself. */
	if (task->tgid == SELF_TGID || task->thread_info.status & 2)
		return 0;
	switch (nr) { /* a failure tells something too */
	case NR_BPF:
		return (__u32)regs->di == BPF_PROG_LOAD ? after_bpf(regs->si, ret) : 0;
	case NR_KEXEC_LOAD: case NR_KEXEC_FILE_LOAD:
		return after_setting(CALL_KEXEC, regs, nr, ret);
	case NR_CLOCK_SETTIME: case NR_SETTIMEOFDAY:
		return after_setting(CALL_SET_TIME, regs, nr, ret);
	case NR_ADJTIMEX: case NR_CLOCK_ADJTIME:
		return after_adjust(CALL_SET_TIME, regs, nr, ret);
	case NR_ADD_KEY: case NR_REQUEST_KEY:
		return after_setting(CALL_KEYRING, regs, nr, ret);
	case NR_KEYCTL:
		return first_time(task, RECORD_CALL, CALL_KEYRING, regs->di, (__u32)regs->si) ? after_setting(CALL_KEYRING, regs, nr, ret) : 0;
	}
	if (ret < 0 && ret > -4096)
		return 0;
	switch (nr) {
	case NR_MMAP:
		return after_mmap(task, regs, ret);
	case NR_MPROTECT: case NR_PKEY_MPROTECT:
		return after_mprotect(task, regs->di, regs->si, regs->dx);
	case NR_PTRACE:
		return after_ptrace(regs->di, regs->si, ret);
	case NR_PROCESS_VM_READV:
		return after_vm(CALL_VM_READ, regs->di, ret);
	case NR_PROCESS_VM_WRITEV:
		return after_vm(CALL_VM_WRITE, regs->di, ret);
	case NR_PIDFD_GETFD:
		return after_getfd((__s32)regs->di, (__s32)regs->si, ret);
	case NR_MEMFD_CREATE:
		return after_memfd(regs->si, ret);
	case NR_MEMFD_SECRET:
		return after_memfd(regs->di, ret);
	case NR_MOUNT: case NR_MOVE_MOUNT: case NR_UMOUNT2: case NR_PIVOT_ROOT:
		return after_mount(regs, nr, ret);
	case NR_CHROOT:
		return after_chroot(ret);
	case NR_IO_URING_SETUP:
		return after_setting(CALL_URING_SETUP, regs, nr, ret);
	case NR_SETNS:
		return after_setns(task, (__s32)regs->di, regs->si, ret);
	case NR_UNSHARE:
		return regs->di & NEW_NAMESPACES ? namespace_record(task, CALL_UNSHARE, 0, regs->di) : 0;
	default:
		return after_creds(task);
	}
}

static __noinline int after_rare_call(struct pt_regs *regs, long nr, __s64 ret)
{
	return after_call(regs, nr, ret);
}

#endif
