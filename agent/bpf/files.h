/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* File and module records, and what an open means; objects.h and filecalls.h say when. */
#ifndef PICKET_FILES_H
#define PICKET_FILES_H

#include "filter.h"
#include "record.h"

#define FMODE_READ 1
#define FMODE_WRITE 2
#define FMODE_CREATED 0x100000
#define FMODE_NOACCOUNT 0x20000000

/* In-memory views of the kernel and not files anybody keeps. */
static __always_inline bool noisy(unsigned long magic)
{
	switch (magic) {
	case 0x9fa0:     /* proc */
	case 0x62656572: /* sysfs */
	case 0x27e0eb:   /* cgroup */
	case 0x63677270: /* cgroup2 */
	case 0x1cd1:     /* devpts */
	case 0x74726163: /* tracefs */
	case 0x64626720: /* debugfs */
	case 0xcafe4a11: /* bpf */
	case 0x73636673: /* securityfs */
	case 0x50495045: /* pipe */
	case 0x534f434b: /* socket */
		return true;
	}
	return false;
}

/* Every file record leaves through here, or is held back. */
static __always_inline void send_file(struct scratch *s, __u32 len)
{
	if (!held_back(s))
		send(&FILES, s, len, RECORD_FILE, WAKE_FILES);
}

static __noinline int object_record(struct dentry *dentry, struct vfsmount *mnt, __u8 activity)
{
	__u32 slot = 0;
	struct scratch *s = take(RECORD_FILE, &slot);
	if (!s)
		return 0;
	struct file_record *r = (void *)s;
	struct inode *inode = BPF_CORE_READ(dentry, d_inode);
	fill_head(&r->head, RECORD_FILE, current_task());
	r->activity = activity;
	r->form = FORM_PARTS;
	r->ino = BPF_CORE_READ(inode, i_ino);
	r->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	r->mode = BPF_CORE_READ(inode, i_mode);
	r->size = BPF_CORE_READ(inode, i_size);
	__u64 path = walk_path(s, sizeof(*r), dentry, mnt, PATH_KEEP);
	r->path_bytes = path >> 32;
	r->part_len[0] = path;
	r->part_len[1] = r->part_len[2] = r->part_len[3] = 0;
	r->pad = 0;
	send_file(s, sizeof(*r) + (__u32)path);
	give(slot);
	return 0;
}

static __always_inline int file_record(struct file *file, __u8 activity)
{
	return object_record(BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_path.mnt), activity);
}

static __always_inline bool regular(struct inode *inode)
{
	return (BPF_CORE_READ(inode, i_mode) & 0170000) == 0100000 && !noisy(BPF_CORE_READ(inode, i_sb, s_magic));
}

/* A file that is no file: a setting of the kernel, opened to be written, or the memory of a process. */
static __noinline int special_record(struct file *file, __u16 what, struct task_struct *target, __u32 writable)
{
	__u32 slot = 0;
	struct scratch *s = take(RECORD_CALL, &slot);
	if (!s)
		return 0;
	struct call_record *r = (void *)s;
	__builtin_memset(r, 0, sizeof(*r));
	fill_head(&r->head, RECORD_CALL, current_task());
	r->what = what;
	r->args[0] = writable;
	r->target_pid = BPF_CORE_READ(target, tgid);
	r->target_start_ns = BPF_CORE_READ(target, group_leader, start_boottime);
	__u32 n = put_path(s, sizeof(*r), BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_path.mnt));
	r->text_len[0] = n;
	send(&LIFECYCLE, s, sizeof(*r) + n, RECORD_CALL, WAKE);
	give(slot);
	return 0;
}

static __always_inline struct task_struct *task_of(struct pid *pid)
{
	struct hlist_node *first = BPF_CORE_READ(pid, tasks[0].first);
	return first ? (void *)first - bpf_core_field_offset(struct task_struct, pid_links) : 0;
}

static __always_inline bool named(struct watch_key *key, const char *name, __u32 len)
{
	for (__u32 i = 0; i < len; i++)
		if (key->name[i] != name[i])
			return false;
	return true;
}

#define NAMED(key, name) named(key, name, sizeof(name))

static __noinline int special_opened(struct file *file, struct inode *inode, __u32 mode)
{
	struct watch_key key = {};
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	bool writable = mode & FMODE_WRITE;
	switch (BPF_CORE_READ(inode, i_sb, s_magic)) {
	case 0x9fa0: { /* proc */
		struct proc_inode *proc = (void *)inode - bpf_core_field_offset(struct proc_inode, vfs_inode);
		struct pid *pid = BPF_CORE_READ(proc, pid);
		if (!pid)
			return writable && BPF_CORE_READ(proc, sysctl) ? special_record(file, CALL_PARAMETER, 0, 1) : 0;
		bpf_probe_read_kernel_str(key.name, sizeof(key.name), BPF_CORE_READ(dentry, d_name.name));
		struct task_struct *target = task_of(pid), *task = current_task();
		if (!NAMED(&key, "mem") || !target || BPF_CORE_READ(target, tgid) == task->tgid)
			return 0;
		return special_record(file, CALL_PROC_MEM, target, writable);
	}
	case 0x62656572: /* sysfs */
		if (!writable)
			return 0;
		bpf_probe_read_kernel_str(key.name, sizeof(key.name), BPF_CORE_READ(dentry, d_parent, d_name.name));
		return NAMED(&key, "parameters") ? special_record(file, CALL_PARAMETER, 0, 1) : 0;
	case 0x27e0eb: case 0x63677270: /* cgroup, cgroup2 */
		if (!writable)
			return 0;
		bpf_probe_read_kernel_str(key.name, sizeof(key.name), BPF_CORE_READ(dentry, d_name.name));
		if (NAMED(&key, "release_agent") || NAMED(&key, "notify_on_release"))
			return special_record(file, CALL_PARAMETER, 0, 1);
	}
	return 0;
}

/* Whoever holds it reads or writes below every file system, or the machine's memory. */
static __always_inline bool raw(__u32 kind, struct inode *inode)
{
	__u32 device = BPF_CORE_READ(inode, i_rdev);
	/* /dev/mem, /dev/kmem, /dev/port */
	return kind == 0060000 || (kind == 0020000 && (device == (1 << 20 | 1) || device == (1 << 20 | 2) || device == (1 << 20 | 4)));
}

static __noinline int opened(struct file *file)
{
	__u32 mode = BPF_CORE_READ(file, f_mode);
	/* The layer below an overlay: the file above it is told of. */
	if (mode & FMODE_NOACCOUNT)
		return 0;
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	__u32 kind = BPF_CORE_READ(inode, i_mode) & 0170000;
	if (kind == 0100000 && !(mode & (FMODE_CREATED | FMODE_WRITE)) && surely_unwatched(BPF_CORE_READ(dentry, d_name.len)))
		return filtered(RECORD_FILE);
	if (kind != 0100000)
		return raw(kind, inode) ? file_record(file, FILE_RAW_ACCESS) : 0;
	if (noisy(BPF_CORE_READ(inode, i_sb, s_magic)))
		return special_opened(file, inode, mode);
	if (mode & FMODE_CREATED)
		return file_record(file, FILE_CREATE);
	if (!(mode & FMODE_READ))
		return 0;
	struct watch_key key = {};
	bpf_probe_read_kernel_str(key.name, sizeof(key.name), BPF_CORE_READ(dentry, d_name.name));
	return bpf_map_lookup_elem(&WATCHED, &key) ? file_record(file, FILE_READ) : filtered(RECORD_FILE);
}

static __noinline int module_record(struct task_struct *task, __s64 fd, __s64 result)
{
	__u32 slot = 0, n = 0;
	struct scratch *s = take(RECORD_MODULE, &slot);
	if (!s)
		return 0;
	struct module_record *r = (void *)s;
	fill_head(&r->head, RECORD_MODULE, task);
	r->result = result;
	r->pad = 0;
	struct file *file = file_of(task, fd);
	if (file)
		n = put_path(s, sizeof(*r), BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_path.mnt));
	r->path_len = n;
	send(&LIFECYCLE, s, sizeof(*r) + n, RECORD_MODULE, WAKE);
	give(slot);
	return 0;
}

#endif
