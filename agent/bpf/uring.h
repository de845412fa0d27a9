/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Operations that a process gives to an io_uring instead of making the system call. The tracepoint comes after the kernel
 * has copied the names in, so what is read here of names is what will be used. */
#ifndef PICKET_URING_H
#define PICKET_URING_H

#include "calls.h"

enum { /* io_uring_op, the same on all kernels */
	OP_SENDMSG = 9, OP_ACCEPT = 13, OP_CONNECT = 16, OP_FALLOCATE = 17, OP_OPENAT = 18, OP_SEND = 26, OP_OPENAT2 = 28,
	OP_RENAMEAT = 35, OP_UNLINKAT = 36, OP_MKDIRAT = 37, OP_SYMLINKAT = 38, OP_LINKAT = 39, OP_FSETXATTR = 41, OP_SETXATTR = 42,
	OP_SOCKET = 45, OP_URING_CMD = 46, OP_SEND_ZC = 47, OP_SENDMSG_ZC = 48, OP_FTRUNCATE = 55, OP_BIND = 56, OP_LISTEN = 57,
};

/* A file server may open thousands a second: so many operations with a name are told of one image and kind. */
#define NAMED_PER_SECOND 100
#define NS_PER_SECOND 1000000000ULL
#define SOCKADDR_IN6_LEN 28

struct pace { __u64 second; __u32 count; __u32 pad; };
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 1024); __type(key, struct once_key); __type(value, struct pace); } PACE SEC(".maps");

static __noinline bool within_pace(struct task_struct *task, __u16 op)
{
	struct once_key key = { .what = CALL_URING_OP, .kind = op };
	struct pace fresh = { .second = bpf_ktime_get_boot_ns() / NS_PER_SECOND, .count = 1 };
	key.tgid = task->tgid;
	key.start = task->group_leader->start_boottime;
	struct pace *pace = bpf_map_lookup_elem(&PACE, &key);
	if (pace && pace->second == fresh.second) {
		if (pace->count++ < NAMED_PER_SECOND)
			return true;
		bump(&FILTERED, RECORD_CALL);
		return false;
	}
	bpf_map_update_elem(&PACE, &key, &fresh, BPF_ANY);
	return true;
}

struct names { struct filename *name, *old; __s32 dir; };

static __always_inline void names_of(struct names *names, struct io_kiocb *req, __u8 op)
{
	if (op == OP_OPENAT || op == OP_OPENAT2) {
		names->dir = BPF_CORE_READ((struct io_open *)req, dfd);
		names->name = BPF_CORE_READ((struct io_open *)req, filename);
	} else if (op == OP_UNLINKAT) {
		names->dir = BPF_CORE_READ((struct io_unlink *)req, dfd);
		names->name = BPF_CORE_READ((struct io_unlink *)req, filename);
	} else if (op == OP_MKDIRAT) {
		names->dir = BPF_CORE_READ((struct io_mkdir *)req, dfd);
		names->name = BPF_CORE_READ((struct io_mkdir *)req, filename);
	} else if (op == OP_RENAMEAT) {
		names->dir = BPF_CORE_READ((struct io_rename *)req, new_dfd);
		names->name = BPF_CORE_READ((struct io_rename *)req, newpath);
		names->old = BPF_CORE_READ((struct io_rename *)req, oldpath);
	} else if (op == OP_LINKAT || op == OP_SYMLINKAT) {
		names->dir = BPF_CORE_READ((struct io_link *)req, new_dfd);
		names->name = BPF_CORE_READ((struct io_link *)req, newpath);
		names->old = BPF_CORE_READ((struct io_link *)req, oldpath);
	}
}

static __always_inline __u32 put_base(struct scratch *s, __u32 at, __s32 dir, const char *name)
{
	struct task_struct *task = current_task();
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	struct path base = {};
	char first = 0;
	bpf_probe_read_kernel(&first, 1, name);
	if (first == '/')
		BPF_CORE_READ_INTO(&base, fs, root);
	else if (dir == -100)
		BPF_CORE_READ_INTO(&base, fs, pwd);
	else {
		struct file *file = file_of(task, dir);
		BPF_CORE_READ_INTO(&base, file, f_path);
	}
	return put_path(s, at, base.dentry, base.mnt);
}

/* The caller's own text, for people: when the connection is made, its record has the address of the socket. */
static __always_inline __u32 put_address(struct scratch *s, __u32 at, struct io_kiocb *req)
{
	if (at > SCRATCH_MASK)
		return 0;
	if (bpf_probe_read_user(&s->bytes[at & SCRATCH_MASK], SOCKADDR_IN6_LEN, BPF_CORE_READ((struct io_connect *)req, addr)))
		return 0;
	return SOCKADDR_IN6_LEN;
}

/* args: the operation. text 0: the name and the old name, or the address; text 1: the directory the name is relative to. */
static __noinline int uring_record(struct task_struct *task, struct io_kiocb *req, __u8 op)
{
	struct names names = {};
	__u32 slot = 0, n;
	struct scratch *s = take(RECORD_CALL, &slot);
	if (!s)
		return 0;
	struct call_record *r = begin_call(s, task, CALL_URING_OP, 0);
	r->args[0] = op;
	names_of(&names, req, op);
	/* Variables of their own: the relocation would take `names` for a type of the kernel's. */
	struct filename *new_name = names.name, *old_name = names.old;
	if (new_name) {
		const char *name = BPF_CORE_READ(new_name, name);
		n = add_kernel(s, sizeof(*r), name);
		if (old_name)
			n += add_kernel(s, sizeof(*r) + n, BPF_CORE_READ(old_name, name));
		r->text_len[0] = n;
		r->text_len[1] = put_base(s, sizeof(*r) + n, names.dir, name);
	} else if (op == OP_CONNECT)
		r->text_len[0] = put_address(s, sizeof(*r), req);
	finish_call(s, slot);
	return 0;
}

static __always_inline int submitted(struct io_kiocb *req)
{
	struct task_struct *task = current_task();
	__u8 op = BPF_CORE_READ(req, opcode);
	if (task->tgid == SELF_TGID)
		return 0;
	switch (op) {
	case OP_OPENAT: case OP_OPENAT2: case OP_RENAMEAT: case OP_UNLINKAT: case OP_MKDIRAT: case OP_SYMLINKAT: case OP_LINKAT:
	case OP_CONNECT:
		return within_pace(task, op) ? uring_record(task, req, op) : 0;
	case OP_SENDMSG: case OP_ACCEPT: case OP_FALLOCATE: case OP_SEND: case OP_FSETXATTR: case OP_SETXATTR: case OP_SOCKET:
	case OP_URING_CMD: case OP_SEND_ZC: case OP_SENDMSG_ZC: case OP_FTRUNCATE: case OP_BIND: case OP_LISTEN:
		return first_time(task, RECORD_CALL, CALL_URING_OP, op, 0) ? uring_record(task, req, op) : 0;
	}
	bump(&FILTERED, RECORD_CALL);
	return 0;
}

/* io_uring_submit_sqe before 6.3, with more arguments after the first. */
SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(on_uring_submit, struct io_kiocb *req)
{
	return submitted(req);
}

#endif
