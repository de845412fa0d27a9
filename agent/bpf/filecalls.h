/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Files by system call, where the kernel refuses the hooks of objects.h. Opens and closes are read from the kernel's own
 * file table. The other calls leave no descriptor behind: their names are the caller's text, read after the call. */
#ifndef PICKET_FILECALLS_H
#define PICKET_FILECALLS_H

#include "files.h"
#include "numbers.h"

#define AT_FDCWD -100
#define CLOSE_FILES_MAX 64

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
	/* What tells most files apart at the least cost comes first: every process closes its standard streams. */
	if (!file || !(BPF_CORE_READ(file, f_mode) & FMODE_WRITE))
		return 0;
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	if (regular(inode) && last_holder(file))
		file_record(file, FILE_WRITE);
	return 0;
}

/* The part of a file that is asked for at each open, copied at once. */
#define FILE_BYTES 128
#define FILE_PART(bytes, field, type) \
	(bpf_core_field_offset(struct file, field) <= FILE_BYTES - sizeof(type) ? *(type *)((bytes) + bpf_core_field_offset(struct file, field)) : 0)

/* Nearly all opens end here: a plain file, to be read, whose name nobody asks for. A frame of its own, which is gone before
 * the others go deeper: older kernels count all of a chain of calls. */
static __noinline int nobody_asks(struct file *file)
{
	__u8 bytes[FILE_BYTES] __attribute__((aligned(8)));
	__u16 kind = 0;
	if (!file || bpf_probe_read_kernel(bytes, sizeof(bytes), file))
		return 0;
	__u32 mode = FILE_PART(bytes, f_mode, __u32);
	struct inode *inode = FILE_PART(bytes, f_inode, struct inode *);
	struct dentry *dentry = FILE_PART(bytes, f_path.dentry, struct dentry *);
	if (!inode || mode & (FMODE_CREATED | FMODE_WRITE | FMODE_NOACCOUNT) || !surely_unwatched(BPF_CORE_READ(dentry, d_name.len)))
		return 0;
	bpf_probe_read_kernel(&kind, sizeof(kind), (void *)inode + bpf_core_field_offset(struct inode, i_mode));
	return (kind & 0170000) == 0100000;
}

static __always_inline int after_open(struct task_struct *task, __s64 fd)
{
	struct file *file = file_of(task, fd);
	if (!file)
		return 0;
	return nobody_asks(file) ? filtered(RECORD_FILE) : opened(file);
}

struct closing { __u64 open; };

static int close_lowest(__u32 i, struct closing *range)
{
	__u64 open = range->open;
	if (!open)
		return 1;
	range->open = open & (open - 1);
	before_close(current_task(), __builtin_ctzll(open));
	return 0;
}

/* An exit or close_range(2) closes many; the first word of the table stands for all. */
static __always_inline int before_close_range(__u32 first, __u32 last)
{
	struct task_struct *task = current_task();
	struct closing range = {};
	if (first >= CLOSE_FILES_MAX || first > last)
		return 0;
	bpf_probe_read_kernel(&range.open, sizeof(range.open), task->files->fdt->open_fds);
	range.open = range.open >> (first & 63) << (first & 63);
	if (last < CLOSE_FILES_MAX - 1)
		range.open &= (2ULL << (last & 63)) - 1;
	if (range.open)
		bpf_loop(CLOSE_FILES_MAX, close_lowest, &range, 0);
	return 0;
}

/* The directory that a caller's text is relative to, and the text. */
static __noinline __u32 put_text(struct scratch *s, __u32 at, __s32 dir, const char *text)
{
	struct task_struct *task = current_task();
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
	fill_head(&r->head, RECORD_FILE, current_task());
	r->activity = named->activity;
	r->form = FORM_TEXT;
	r->ino = r->size = 0;
	r->dev = r->path_bytes = r->pad = 0;
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
	send_file(s, at);
	give(slot);
	return 0;
}

static __always_inline int by_descriptor(struct task_struct *task, __s32 fd, __u8 activity)
{
	struct file *file = file_of(task, fd);
	return file && regular(BPF_CORE_READ(file, f_inode)) ? file_record(file, activity) : 0;
}

static __always_inline int by_name(__u32 activity, __s32 dir, unsigned long text)
{
	struct named named = { .activity = activity, .dir = dir, .text = (void *)text };
	return text_record(&named);
}

static __always_inline int renamed(__s32 old_dir, unsigned long old, __s32 dir, unsigned long text)
{
	struct named named = { dir, old_dir, (void *)text, (void *)old, FILE_RENAME, 0 };
	return text_record(&named);
}

static __always_inline int mode_changed(__s32 dir, unsigned long text, __u32 mode)
{
	struct named named = { .activity = FILE_MODE, .dir = dir, .text = (void *)text, .mode = mode & 07777 };
	return text_record(&named);
}

/* FS_IOC_SETFLAGS and FS_IOC_FSSETXATTR */
static __always_inline bool sets_flags(__u32 command)
{
	return command == 0x40086602 || command == 0x401c5820;
}

/* `regs` is as it was at the call, but for the result. */
static __noinline int after_file_call(struct task_struct *task, struct pt_regs *regs, long nr, long ret)
{
	switch (nr) {
	case NR_RENAME:
		return renamed(AT_FDCWD, regs->di, AT_FDCWD, regs->si);
	case NR_RENAMEAT: case NR_RENAMEAT2:
		return renamed(regs->di, regs->si, regs->dx, regs->r10);
	case NR_LINK: case NR_SYMLINK:
		return by_name(FILE_CREATE, AT_FDCWD, regs->si);
	case NR_LINKAT:
		return by_name(FILE_CREATE, regs->dx, regs->r10);
	case NR_SYMLINKAT:
		return by_name(FILE_CREATE, regs->si, regs->dx);
	case NR_MKNOD:
		return by_name(FILE_CREATE, AT_FDCWD, regs->di);
	case NR_MKNODAT:
		return by_name(FILE_CREATE, regs->di, regs->si);
	case NR_UNLINK: case NR_RMDIR:
		return by_name(FILE_DELETE, AT_FDCWD, regs->di);
	case NR_UNLINKAT:
		return by_name(FILE_DELETE, regs->di, regs->si);
	case NR_CHMOD:
		return mode_changed(AT_FDCWD, regs->di, regs->si);
	case NR_FCHMODAT: case NR_FCHMODAT2:
		return mode_changed(regs->di, regs->si, regs->dx);
	case NR_FCHMOD:
		return by_descriptor(task, regs->di, FILE_MODE);
	case NR_CHOWN: case NR_LCHOWN:
		return by_name(FILE_OWNER, AT_FDCWD, regs->di);
	case NR_FCHOWN:
		return by_descriptor(task, regs->di, FILE_OWNER);
	case NR_FCHOWNAT:
		return by_name(FILE_OWNER, regs->di, regs->si);
	case NR_TRUNCATE:
		return by_name(FILE_WRITE, AT_FDCWD, regs->di);
	case NR_SETXATTR: case NR_LSETXATTR: case NR_REMOVEXATTR: case NR_LREMOVEXATTR: case NR_UTIME: case NR_UTIMES:
		return by_name(FILE_ATTRIBUTES, AT_FDCWD, regs->di);
	case NR_SETXATTRAT: case NR_REMOVEXATTRAT: case NR_FILE_SETATTR:
		return by_name(FILE_ATTRIBUTES, regs->di, regs->si);
	case NR_FSETXATTR: case NR_FREMOVEXATTR:
		return by_descriptor(task, regs->di, FILE_ATTRIBUTES);
	case NR_UTIMENSAT: case NR_FUTIMESAT:
		/* Without a name it is the descriptor's own file. */
		return regs->si ? by_name(FILE_ATTRIBUTES, regs->di, regs->si) : by_descriptor(task, regs->di, FILE_ATTRIBUTES);
	case NR_IOCTL:
		return sets_flags(regs->si) ? by_descriptor(task, regs->di, FILE_ATTRIBUTES) : 0;
	}
	return 0;
}

#endif
