/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* File and module records. Opens and closes are read from the kernel's own file table. Rename, delete and mode change
 * leave no descriptor behind: their names are the caller's text, read after the call, or what the LSM hook saw. */
#ifndef PICKET_FILES_H
#define PICKET_FILES_H

#include "record.h"

#define FMODE_READ 1
#define FMODE_WRITE 2
#define FMODE_CREATED 0x100000
#define CLOSE_FILES_MAX 64
#define SEEN_MAX 2048

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

static __noinline int file_record(struct task_struct *task, struct file *file, __u8 activity)
{
	__u32 slot = 0;
	struct scratch *s = take(RECORD_FILE, &slot);
	if (!s)
		return 0;
	struct file_record *r = (void *)s;
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	fill_head(&r->head, RECORD_FILE, task);
	r->activity = activity;
	r->form = FORM_PARTS;
	r->ino = BPF_CORE_READ(inode, i_ino);
	r->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	r->mode = BPF_CORE_READ(inode, i_mode);
	r->size = BPF_CORE_READ(inode, i_size);
	__u32 n = put_path(s, sizeof(*r), BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_path.mnt));
	r->part_len[0] = n;
	r->part_len[1] = r->part_len[2] = r->part_len[3] = 0;
	send(&FILES, s, sizeof(*r) + n, RECORD_FILE, WAKE_IF_CAUGHT_UP);
	give(slot);
	return 0;
}

static __always_inline bool regular(struct inode *inode)
{
	return (BPF_CORE_READ(inode, i_mode) & 0170000) == 0100000 && !noisy(BPF_CORE_READ(inode, i_sb, s_magic));
}

static __noinline int after_open(struct task_struct *task, __s64 fd)
{
	struct file *file = file_of(task, fd);
	if (!file)
		return 0;
	__u32 mode = BPF_CORE_READ(file, f_mode);
	if (!(mode & (FMODE_CREATED | FMODE_READ)))
		return 0;
	if (!(mode & FMODE_CREATED)) {
		struct watch_key key = {};
		bpf_probe_read_kernel_str(key.name, sizeof(key.name), BPF_CORE_READ(file, f_path.dentry, d_name.name));
		if (!bpf_map_lookup_elem(&WATCHED, &key))
			return 0;
	}
	if (regular(BPF_CORE_READ(file, f_inode)))
		file_record(task, file, mode & FMODE_CREATED ? FILE_CREATE : FILE_READ);
	return 0;
}

/* A mapping holds the file as well: then this close is the last that can be seen. */
static __always_inline bool last_holder(struct file *file)
{
	if (BPF_CORE_READ(file, f_inode, i_mapping, i_mmap.rb_root.rb_node))
		return true;
	if (bpf_core_field_exists(struct file___ref, f_ref))
		return BPF_CORE_READ((struct file___ref *)file, f_ref.refcnt.counter) == 0;
	return BPF_CORE_READ((struct file___counted *)file, f_count.counter) == 1;
}

static __noinline int before_close(struct task_struct *task, __s64 fd)
{
	struct file *file = file_of(task, fd);
	if (file && (BPF_CORE_READ(file, f_mode) & FMODE_WRITE) && last_holder(file) && regular(BPF_CORE_READ(file, f_inode)))
		file_record(task, file, FILE_WRITE);
	return 0;
}

struct closing { __u32 first, last; __u64 open; };

static int close_one(__u32 fd, struct closing *range)
{
	if (fd >= range->first && fd <= range->last && (range->open >> (fd & 63)) & 1)
		before_close((void *)bpf_get_current_task(), fd);
	return 0;
}

/* An exit or close_range(2) closes many; the first word of the table stands for all. */
static __noinline int before_close_range(__u32 first, __u32 last)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct closing range = { first, last, 0 };
	unsigned long *open = BPF_CORE_READ(task, files, fdt, open_fds);
	bpf_probe_read_kernel(&range.open, sizeof(range.open), open);
	if (range.open)
		bpf_loop(CLOSE_FILES_MAX, close_one, &range, 0);
	return 0;
}

/* The directory that a caller's text is relative to, and the text. */
static __noinline __u32 put_text(struct scratch *s, __u32 at, __s32 dir, const char *text)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	char first = 0;
	struct path base = {};
	if (bpf_probe_read_user(&first, 1, text))
		return 0;
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
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

static __always_inline __u32 put_user(struct scratch *s, __u32 at, const char *text)
{
	if (at > SCRATCH_MASK)
		return 0;
	long n = bpf_probe_read_user_str(&s->bytes[at & SCRATCH_MASK], TEXT_MAX, text);
	return n > 0 ? n : 0;
}

struct named { __s32 dir, old_dir; const char *text, *old_text; __u32 activity; __u32 mode; };

static __noinline int text_record(struct named *named)
{
	__u32 slot = 0, n, at = sizeof(struct file_record);
	struct scratch *s = take(RECORD_FILE, &slot);
	if (!s)
		return 0;
	struct file_record *r = (void *)s;
	fill_head(&r->head, RECORD_FILE, (void *)bpf_get_current_task());
	r->activity = named->activity;
	r->form = FORM_TEXT;
	r->ino = r->size = 0;
	r->dev = 0;
	r->mode = named->mode;
	at += n = put_text(s, at, named->dir, named->text);
	r->part_len[0] = n;
	at += n = put_user(s, at, named->text);
	r->part_len[1] = n;
	r->part_len[2] = r->part_len[3] = 0;
	if (named->old_text) {
		at += n = put_text(s, at, named->old_dir, named->old_text);
		r->part_len[2] = n;
		at += n = put_user(s, at, named->old_text);
		r->part_len[3] = n;
	}
	send(&FILES, s, at, RECORD_FILE, WAKE_IF_CAUGHT_UP);
	give(slot);
	return 0;
}

/* What an LSM hook saw of the call this task is in: the objects themselves, before anybody could rewrite a name. The
 * hook comes before the last checks, so the record waits for the call's success. */
struct seen { __u64 ino; __u32 dev; __u16 mode, activity, len[2]; __u8 data[SEEN_MAX]; };

/* One per thread inside such a call; a stale one is overwritten by the thread's next. */
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 512); __type(key, __u64); __type(value, struct seen); } SEEN SEC(".maps");

struct sight { struct vfsmount *mnt, *old_mnt; struct dentry *dentry, *old; struct inode *inode; };

static __noinline int see(struct sight *sight, __u16 activity, __u16 mode)
{
	struct inode *inode = sight->inode;
	__u32 slot = 0;
	__u64 task = bpf_get_current_pid_tgid();
	struct scratch *s = take(RECORD_FILE, &slot);
	if (!s)
		return 0;
	struct seen *seen = (void *)s;
	seen->ino = BPF_CORE_READ(inode, i_ino);
	seen->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	seen->mode = mode;
	seen->activity = activity;
	__u32 at = __builtin_offsetof(struct seen, data);
	__u32 n = put_path(s, at, sight->dentry, sight->mnt), m = 0;
	if (sight->old)
		m = put_path(s, at + n, sight->old, sight->old_mnt);
	seen->len[0] = n;
	seen->len[1] = m;
	if (n + m <= SEEN_MAX && !noisy(BPF_CORE_READ(inode, i_sb, s_magic)))
		bpf_map_update_elem(&SEEN, &task, seen, BPF_ANY);
	give(slot);
	return 0;
}

/* True where the hook's word was there, so that the caller's text is not needed. */
static __noinline int seen_record(__u32 activity)
{
	__u64 task = bpf_get_current_pid_tgid();
	struct seen *seen = bpf_map_lookup_elem(&SEEN, &task);
	__u32 slot = 0;
	if (!seen || seen->activity != activity)
		return 0;
	struct scratch *s = take(RECORD_FILE, &slot);
	if (!s)
		return 0;
	struct file_record *r = (void *)s;
	fill_head(&r->head, RECORD_FILE, (void *)bpf_get_current_task());
	r->activity = activity;
	r->form = FORM_PARTS;
	r->ino = seen->ino;
	r->dev = seen->dev;
	r->mode = seen->mode;
	r->size = 0;
	__u32 len = seen->len[0] + seen->len[1];
	r->part_len[0] = seen->len[0];
	r->part_len[1] = seen->len[1];
	r->part_len[2] = r->part_len[3] = 0;
	if (len > SEEN_MAX)
		len = SEEN_MAX;
	bpf_probe_read_kernel(&s->bytes[sizeof(*r)], len, seen->data);
	bpf_map_delete_elem(&SEEN, &task);
	send(&FILES, s, sizeof(*r) + len, RECORD_FILE, WAKE_IF_CAUGHT_UP);
	give(slot);
	return 1;
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
