/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Users, capabilities and namespaces: part of calls.h. What a task was is noted before the call and compared after it, so
 * that a call which changes nothing is not told. */
#ifndef PICKET_CREDS_H
#define PICKET_CREDS_H

enum { CREDS_USER = 1, CREDS_GROUP = 2, CREDS_CAPABILITIES = 3 };
#define IDS_WORDS 7

union ids {
	struct { __u32 uid, suid, euid, fsuid, gid, sgid, egid, fsgid; __u64 inheritable, permitted, effective; };
	__u64 words[IDS_WORDS];
};
struct told_ids { union ids ids; __u64 start, exec; };

/* One per thread inside such a call. */
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 1024); __type(key, __u64); __type(value, union ids); } BEFORE SEC(".maps");
/* setuid(2) of the C library makes every thread call it: the first thread's change is told, the others' is the same. */
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 4096); __type(key, __u32); __type(value, struct told_ids); } TOLD_IDS SEC(".maps");

static __always_inline void read_ids(union ids *ids, struct task_struct *task)
{
	const struct cred *cred = task->cred;
	ids->uid = cred->uid.val;
	ids->suid = cred->suid.val;
	ids->euid = cred->euid.val;
	ids->fsuid = cred->fsuid.val;
	ids->gid = cred->gid.val;
	ids->sgid = cred->sgid.val;
	ids->egid = cred->egid.val;
	ids->fsgid = cred->fsgid.val;
	/* A capability set is two words of 32 bits or one of 64: eight bytes either way. */
	bpf_probe_read_kernel(&ids->inheritable, 8, (void *)cred + bpf_core_field_offset(struct cred, cap_inheritable));
	bpf_probe_read_kernel(&ids->permitted, 8, (void *)cred + bpf_core_field_offset(struct cred, cap_permitted));
	bpf_probe_read_kernel(&ids->effective, 8, (void *)cred + bpf_core_field_offset(struct cred, cap_effective));
}

static __always_inline bool same_ids(union ids *a, union ids *b)
{
	__u64 different = 0;
	for (int i = 0; i < IDS_WORDS; i++)
		different |= a->words[i] ^ b->words[i];
	return !different;
}

static __noinline int before_creds(void)
{
	__u64 thread = bpf_get_current_pid_tgid();
	union ids ids = {};
	read_ids(&ids, current_task());
	bpf_map_update_elem(&BEFORE, &thread, &ids, BPF_ANY);
	return 0;
}

static __always_inline bool changes_creds(long nr)
{
	switch (nr) {
	case NR_SETUID: case NR_SETGID: case NR_SETREUID: case NR_SETREGID: case NR_SETRESUID: case NR_SETRESGID:
	case NR_SETFSUID: case NR_SETFSGID: case NR_CAPSET:
		return true;
	}
	return false;
}

/* args of all records here: uid, euid, gid, egid, effective capabilities, then the kind or the namespaces' flags. */
static __always_inline void put_ids(struct call_record *r, union ids *ids)
{
	r->args[0] = ids->uid;
	r->args[1] = ids->euid;
	r->args[2] = ids->gid;
	r->args[3] = ids->egid;
	r->args[4] = ids->effective;
}

static __noinline int after_creds(struct task_struct *task)
{
	__u64 thread = bpf_get_current_pid_tgid();
	__u32 slot = 0, tgid = thread >> 32;
	struct told_ids now = {};
	read_ids(&now.ids, task);
	now.start = task->group_leader->start_boottime;
	now.exec = task->self_exec_id;
	union ids *was = bpf_map_lookup_elem(&BEFORE, &thread);
	__u8 kind = CREDS_USER;
	if (was) {
		bool same = same_ids(was, &now.ids);
		bool user = (was->words[0] ^ now.ids.words[0]) | (was->words[1] ^ now.ids.words[1]);
		bool group = (was->words[2] ^ now.ids.words[2]) | (was->words[3] ^ now.ids.words[3]);
		kind = user ? CREDS_USER : group ? CREDS_GROUP : CREDS_CAPABILITIES;
		bpf_map_delete_elem(&BEFORE, &thread);
		if (same)
			return 0;
	}
	struct told_ids *told = bpf_map_lookup_elem(&TOLD_IDS, &tgid);
	if (told && told->start == now.start && told->exec == now.exec && same_ids(&told->ids, &now.ids)) {
		bump(&FILTERED, RECORD_CALL);
		return 0;
	}
	bpf_map_update_elem(&TOLD_IDS, &tgid, &now, BPF_ANY);
	struct scratch *s = take(RECORD_CALL, &slot);
	if (!s)
		return 0;
	struct call_record *r = begin_call(s, task, CALL_CREDS, 0);
	put_ids(r, &now.ids);
	r->args[5] = kind;
	finish_call(s, slot);
	return 0;
}

/* text 0: the namespace's kind, where only one is entered by its own file. */
static __noinline int namespace_record(struct task_struct *task, __u16 what, struct ns_common *ns, __s64 flags)
{
	__u32 slot = 0;
	union ids ids = {};
	read_ids(&ids, task);
	struct scratch *s = take(RECORD_CALL, &slot);
	if (!s)
		return 0;
	struct call_record *r = begin_call(s, task, what, 0);
	put_ids(r, &ids);
	r->args[5] = flags & NEW_NAMESPACES;
	if (ns)
		r->text_len[0] = add_kernel(s, sizeof(*r), BPF_CORE_READ(ns, ops, name));
	finish_call(s, slot);
	return 0;
}

static __always_inline int after_setns(struct task_struct *task, __s64 fd, __s64 flags, __s64 ret)
{
	struct file *file = file_of(task, fd);
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	struct ns_common *ns = 0;
	if (BPF_CORE_READ(inode, i_sb, s_magic) == NSFS_MAGIC)
		ns = BPF_CORE_READ(inode, i_private);
	return namespace_record(task, CALL_SETNS, ns, flags);
}

#define NEW_IN(field, flag) (theirs->field != ours->field ? (flag) : 0)

/* A child that was born into namespaces of its own: it did what unshare(2) does. */
static __noinline int after_birth(struct task_struct *parent, struct task_struct *child)
{
	struct nsproxy *ours = parent->nsproxy, *theirs = child->nsproxy;
	__s64 flags = 0;
	if (parent->cred->user_ns != child->cred->user_ns)
		flags = 0x10000000;
	if (ours != theirs)
		flags |= NEW_IN(mnt_ns, 0x20000) | NEW_IN(cgroup_ns, 0x2000000) | NEW_IN(uts_ns, 0x4000000) | NEW_IN(ipc_ns, 0x8000000)
			| NEW_IN(pid_ns_for_children, 0x20000000) | NEW_IN(net_ns, 0x40000000) | NEW_IN(time_ns_for_children, 0x80);
	return flags ? namespace_record(child, CALL_UNSHARE, 0, flags) : 0;
}

#endif
