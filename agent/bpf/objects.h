/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Files by the kernel's own objects: whoever asks, by whatever call, 32-bit or io_uring. security_path_* is the one place that
 * has the path and is called for nothing else; what it allowed is remembered until the change itself has succeeded. */
#ifndef PICKET_OBJECTS_H
#define PICKET_OBJECTS_H

#include "files.h"

#define SEEN_MAX 4608 /* 4096 to be kept, and two names that reach beyond */
#define SEEN_KEEP 4096

struct seen { __u64 ino; __u32 dev, whole; __u16 mode, activity, len[2]; __u8 data[SEEN_MAX]; };

/* One per thread inside such a call; a stale one is overwritten by the thread's next, or goes with the thread. */
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(map_flags, BPF_F_NO_PREALLOC); __uint(max_entries, 1024); __type(key, __u64); __type(value, struct seen); } SEEN SEC(".maps");

struct sight { struct vfsmount *mnt, *old_mnt; struct dentry *dentry, *old; struct inode *inode; };

static __noinline int see(struct sight *sight, __u16 activity, __u16 mode)
{
	struct inode *inode = sight->inode;
	struct dentry *dentry = sight->dentry;
	__u32 slot = 0, n = 0;
	__u64 task = bpf_get_current_pid_tgid();
	if ((task >> 32) == SELF_TGID || noisy(BPF_CORE_READ(dentry, d_parent, d_inode, i_sb, s_magic)))
		return 0;
	struct scratch *s = take(RECORD_FILE, &slot);
	if (!s)
		return 0;
	struct seen *seen = (void *)s;
	seen->ino = BPF_CORE_READ(inode, i_ino);
	seen->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	seen->mode = mode;
	seen->activity = activity;
	__u32 at = __builtin_offsetof(struct seen, data);
	__u64 path = walk_path(s, at, dentry, sight->mnt, sight->old ? SEEN_KEEP / 2 : SEEN_KEEP);
	seen->whole = path >> 32;
	seen->len[0] = path;
	if (sight->old)
		n = walk_path(s, at + (__u32)path, sight->old, sight->old_mnt, SEEN_KEEP / 2);
	seen->len[1] = n;
	if (bpf_map_update_elem(&SEEN, &task, seen, BPF_ANY)) {
		bump(&PRODUCED, RECORD_FILE);
		bump(&LOST, RECORD_FILE);
	}
	give(slot);
	return 0;
}

static __noinline int seen_record(struct seen *seen)
{
	__u32 slot = 0, len = seen->len[0] + seen->len[1];
	struct scratch *s = take(RECORD_FILE, &slot);
	if (!s)
		return 0;
	struct file_record *r = (void *)s;
	fill_head(&r->head, RECORD_FILE, current_task());
	r->activity = seen->activity;
	r->form = FORM_PARTS;
	r->ino = seen->ino;
	r->dev = seen->dev;
	r->mode = seen->mode;
	r->size = 0;
	r->path_bytes = seen->whole;
	r->pad = 0;
	r->part_len[0] = seen->len[0];
	r->part_len[1] = seen->len[1];
	r->part_len[2] = r->part_len[3] = 0;
	if (len > SEEN_MAX)
		len = SEEN_MAX;
	bpf_probe_read_kernel(&s->bytes[sizeof(*r)], len, seen->data);
	send_file(s, sizeof(*r) + len);
	give(slot);
	return 0;
}

/* After the change: `of` is the set of activities (one bit each) that the function stands for. */
static __noinline int settle(__u32 of, __s64 result)
{
	__u64 task = bpf_get_current_pid_tgid();
	struct seen *seen = bpf_map_lookup_elem(&SEEN, &task);
	if (!seen || !(of >> seen->activity & 1))
		return 0;
	if (result == 0)
		seen_record(seen);
	bpf_map_delete_elem(&SEEN, &task);
	return 0;
}

static __always_inline void forget_thread(void)
{
	__u64 task = bpf_get_current_pid_tgid();
	/* By system call nothing is remembered. */
	if (!needed(FAMILY_NAMES) || !needed(FAMILY_CHANGES))
		bpf_map_delete_elem(&SEEN, &task);
}

/* The result, however many arguments this kernel's function has. */
static __always_inline __s64 result_of(void *ctx)
{
	__u64 result = -1;
	bpf_get_func_ret(ctx, &result);
	return (__s32)result;
}

/* Of a change that names no mount: the oldest mount of the file system, which is the host's own where there are several. */
static __always_inline struct vfsmount *any_mount(struct dentry *dentry)
{
	struct super_block *sb = BPF_CORE_READ(dentry, d_inode, i_sb);
	struct mount *mount;
	if (bpf_core_field_exists(((struct super_block___list *)0)->s_mounts))
		mount = (void *)BPF_CORE_READ((struct super_block___list *)sb, s_mounts.next) - bpf_core_field_offset(struct mount___list, mnt_instance);
	else
		mount = BPF_CORE_READ((struct super_block___chain *)sb, s_mounts);
	return (void *)mount + bpf_core_field_offset(struct mount, mnt);
}

static __always_inline bool own_task(void)
{
	return current_task()->tgid == SELF_TGID;
}

static __noinline int changed(struct dentry *dentry, struct vfsmount *mnt, __u8 activity)
{
	if (own_task() || noisy(BPF_CORE_READ(dentry, d_inode, i_sb, s_magic)))
		return 0;
	return object_record(dentry, mnt, activity);
}

SEC("fentry/security_file_open")
int BPF_PROG(on_open, struct file *file)
{
	ran(RUN_OPEN);
	if (own_task())
		return 0;
	/* As in after_open, but here the file has a type, and its fields are loads. */
	bool plain = !(file->f_mode & (FMODE_CREATED | FMODE_WRITE | FMODE_NOACCOUNT)) && (file->f_inode->i_mode & 0170000) == 0100000;
	return plain && surely_unwatched(file->f_path.dentry->d_name.len) ? filtered(RECORD_FILE) : opened(file);
}

/* In the task that let go of it last, or in a thread of the kernel's when that was no task. A mapping holds the file too. */
SEC("fentry/__fput")
int BPF_PROG(on_last_close, struct file *file)
{
	ran(RUN_LAST_CLOSE);
	__u32 mode = file->f_mode;
	if (!(mode & FMODE_WRITE) || (mode & FMODE_NOACCOUNT) || own_task() || !regular(BPF_CORE_READ(file, f_inode)))
		return 0;
	return file_record(file, FILE_WRITE);
}

SEC("fexit/security_path_rename")
int BPF_PROG(on_path_rename, struct path *old_dir, struct dentry *old, struct path *dir, struct dentry *dentry)
{
	struct inode *inode = BPF_CORE_READ(old, d_inode);
	struct sight sight = { BPF_CORE_READ(dir, mnt), BPF_CORE_READ(old_dir, mnt), dentry, old, inode };
	return result_of(ctx) ? 0 : see(&sight, FILE_RENAME, BPF_CORE_READ(inode, i_mode));
}

SEC("fexit/vfs_rename")
int BPF_PROG(on_renamed)
{
	ran(RUN_RENAME);
	return settle(1 << FILE_RENAME, result_of(ctx));
}

static __always_inline int see_delete(void *ctx, struct path *dir, struct dentry *dentry)
{
	struct inode *inode = BPF_CORE_READ(dentry, d_inode);
	struct sight sight = { BPF_CORE_READ(dir, mnt), 0, dentry, 0, inode };
	return result_of(ctx) ? 0 : see(&sight, FILE_DELETE, BPF_CORE_READ(inode, i_mode));
}

SEC("fexit/security_path_unlink")
int BPF_PROG(on_path_unlink, struct path *dir, struct dentry *dentry)
{
	return see_delete(ctx, dir, dentry);
}

SEC("fexit/security_path_rmdir")
int BPF_PROG(on_path_rmdir, struct path *dir, struct dentry *dentry)
{
	return see_delete(ctx, dir, dentry);
}

SEC("fexit/vfs_unlink")
int BPF_PROG(on_unlinked)
{
	ran(RUN_DELETE);
	return settle(1 << FILE_DELETE, result_of(ctx));
}

SEC("fexit/vfs_rmdir")
int BPF_PROG(on_removed)
{
	return settle(1 << FILE_DELETE, result_of(ctx));
}

SEC("fexit/security_path_link")
int BPF_PROG(on_path_link, struct dentry *old, struct path *dir, struct dentry *dentry)
{
	struct inode *inode = BPF_CORE_READ(old, d_inode);
	struct sight sight = { BPF_CORE_READ(dir, mnt), 0, dentry, 0, inode };
	return result_of(ctx) ? 0 : see(&sight, FILE_CREATE, BPF_CORE_READ(inode, i_mode));
}

SEC("fexit/security_path_symlink")
int BPF_PROG(on_path_symlink, struct path *dir, struct dentry *dentry)
{
	struct sight sight = { BPF_CORE_READ(dir, mnt), 0, dentry, 0, 0 };
	return result_of(ctx) ? 0 : see(&sight, FILE_CREATE, 0120777);
}

SEC("fexit/vfs_link")
int BPF_PROG(on_linked)
{
	ran(RUN_LINK);
	return settle(1 << FILE_CREATE, result_of(ctx));
}

SEC("fexit/vfs_symlink")
int BPF_PROG(on_symlinked)
{
	return settle(1 << FILE_CREATE, result_of(ctx));
}

SEC("fexit/vfs_mknod")
int BPF_PROG(on_node_made, void *idmap, struct inode *dir, struct dentry *dentry)
{
	return result_of(ctx) ? 0 : changed(dentry, any_mount(dentry), FILE_CREATE);
}

static __always_inline int see_change(void *ctx, struct path *path, __u8 activity, __u16 mode)
{
	struct dentry *dentry = BPF_CORE_READ(path, dentry);
	struct inode *inode = BPF_CORE_READ(dentry, d_inode);
	struct sight sight = { BPF_CORE_READ(path, mnt), 0, dentry, 0, inode };
	__u16 old = BPF_CORE_READ(inode, i_mode);
	if (activity == FILE_MODE)
		mode = (old & 0170000) | (mode & 07777);
	else
		mode = old;
	return result_of(ctx) ? 0 : see(&sight, activity, mode);
}

SEC("fexit/security_path_chmod")
int BPF_PROG(on_path_chmod, struct path *path, __u16 mode)
{
	return see_change(ctx, path, FILE_MODE, mode);
}

SEC("fexit/security_path_chown")
int BPF_PROG(on_path_chown, struct path *path)
{
	return see_change(ctx, path, FILE_OWNER, 0);
}

SEC("fexit/notify_change")
int BPF_PROG(on_changed)
{
	ran(RUN_CHANGE);
	return settle(1 << FILE_MODE | 1 << FILE_OWNER, result_of(ctx));
}

SEC("fexit/vfs_utimes")
int BPF_PROG(on_times_set, struct path *path)
{
	ran(RUN_TIMES);
	return result_of(ctx) ? 0 : changed(BPF_CORE_READ(path, dentry), BPF_CORE_READ(path, mnt), FILE_ATTRIBUTES);
}

SEC("fexit/vfs_truncate")
int BPF_PROG(on_truncated, struct path *path)
{
	ran(RUN_TRUNCATE);
	return result_of(ctx) ? 0 : changed(BPF_CORE_READ(path, dentry), BPF_CORE_READ(path, mnt), FILE_WRITE);
}

SEC("fexit/vfs_setxattr")
int BPF_PROG(on_xattr_set, void *idmap, struct dentry *dentry)
{
	ran(RUN_XATTR);
	return result_of(ctx) ? 0 : changed(dentry, any_mount(dentry), FILE_ATTRIBUTES);
}

SEC("fexit/vfs_removexattr")
int BPF_PROG(on_xattr_removed, void *idmap, struct dentry *dentry)
{
	return result_of(ctx) ? 0 : changed(dentry, any_mount(dentry), FILE_ATTRIBUTES);
}

SEC("fexit/vfs_fileattr_set")
int BPF_PROG(on_flags_set, void *idmap, struct dentry *dentry)
{
	ran(RUN_FLAGS);
	return result_of(ctx) ? 0 : changed(dentry, any_mount(dentry), FILE_ATTRIBUTES);
}

#endif
