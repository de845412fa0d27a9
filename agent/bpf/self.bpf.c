// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The agent's own peace: who reaches for it, and, where BPF LSM is active, that nobody does. An object of its own, so that
// whatever fails to load of it hinders no sensor.
//
// Refusing has two ends. The lease: an agent that no longer renews it is hung, and may be killed like any other. The
// maintenance: an administrator's signed token, until when nothing is refused.
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "tamper.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define FMODE_WRITE 2
#define PTRACE_MODE_ATTACH 2
#define EPERM 1
#define S_IFMT 0170000
#define S_IFREG 0100000
#define BPF_MAP_GET_FD_BY_ID 14
#define BPF_LINK_UPDATE 29
#define BPF_LINK_DETACH 34

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct bpf_prog_aux___own { __u32 id; };
struct bpf_prog___own { struct bpf_prog_aux___own *aux; };
struct bpf_link___own { struct bpf_prog___own *prog; };
struct mount___own { int mnt_id; struct vfsmount mnt; };
#pragma clang attribute pop

struct file_key { __u64 dev, ino; };
/* What an entry of OWN_FILES is: 1 a file, or a directory that stands for the names in it; 2 the state directory; 3 a file
 * in there. Those come and go, and a file system gives their numbers to the next file of anybody: the directory protects
 * them, and the number counts only where a file has a second name. */
enum { OWN_STATE = 2, OWN_ENTRY = 3 };

struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 16); } TAMPERS SEC(".maps");
/* What the ring had no room for. */
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); } UNTOLD SEC(".maps");
/* The last thing that was not refused: pinned, so that the agent's next life reads what ended the one before. */
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct tamper_record); } LAST SEC(".maps");
/* 0: refuse until then, 1: but not before then; both CLOCK_BOOTTIME nanoseconds. 2: the mount that holds the state. */
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 3); __type(key, __u32); __type(value, __u64); } LEASE SEC(".maps");
/* Files and directories of the agent's; a directory stands for the names in it. */
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1024); __type(key, struct file_key); __type(value, __u8); } OWN_FILES SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 256); __type(key, __u32); __type(value, __u8); } OWN_PROGRAMS SEC(".maps");

struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 512); __type(key, __u32); __type(value, __u8); } OWN_MAPS SEC(".maps");

const volatile __u32 SELF_TGID = 0;
/* The agent's binary: its commands on this host may do what it may do itself. */
const volatile __u64 OWN_EXE_DEV = 0;
const volatile __u64 OWN_EXE_INO = 0;

static __always_inline struct file_key key_of(struct inode *inode)
{
	struct file_key key = { .dev = BPF_CORE_READ(inode, i_sb, s_dev), .ino = BPF_CORE_READ(inode, i_ino) };
	return key;
}

static __always_inline bool is_self(struct task_struct *task)
{
	return BPF_CORE_READ(task, tgid) == SELF_TGID;
}

static __always_inline bool is_own_binary(struct task_struct *task)
{
	struct file_key key = key_of(BPF_CORE_READ(task, mm, exe_file, f_inode));
	return key.ino && key.ino == OWN_EXE_INO && key.dev == OWN_EXE_DEV;
}

static __always_inline __u64 lease(__u32 index)
{
	__u64 *until = bpf_map_lookup_elem(&LEASE, &index);
	return until ? *until : 0;
}

static __always_inline bool refusing(void)
{
	__u64 now = bpf_ktime_get_boot_ns();
	return now < lease(0) && now >= lease(1);
}

static __noinline int tell(__u32 kind, __s32 detail, bool refused)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct tamper_record r = { .kind = kind, .detail = detail, .refused = refused };
	__u32 zero = 0;
	r.pid = BPF_CORE_READ(task, tgid);
	r.start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	r.time_ns = bpf_ktime_get_boot_ns();
	BPF_CORE_READ_INTO(&r.comm, task, comm);
	if (!refused && (kind == TAMPER_KILL || kind == TAMPER_STOP))
		bpf_map_update_elem(&LAST, &zero, &r, BPF_ANY);
	if (bpf_ringbuf_output(&TAMPERS, &r, sizeof(r), 0)) {
		__u64 *untold = bpf_map_lookup_elem(&UNTOLD, &zero);
		if (untold)
			__sync_fetch_and_add(untold, 1);
	}
	return 0;
}

/* What ends a process that does not expect it, and what halts one. */
static __always_inline __u32 kind_of_signal(int sig)
{
	if (sig == 19 || sig == 20 || sig == 21 || sig == 22)
		return TAMPER_STOP;
	/* Child, continue, urgent data and window size do nothing; whatever else comes ends it. */
	return sig > 0 && sig != 17 && sig != 18 && sig != 23 && sig != 28 ? TAMPER_KILL : 0;
}

/* The init system's own signals are how a machine is shut down. */
static __always_inline bool harmless_sender(struct task_struct *sender)
{
	return is_self(sender) || BPF_CORE_READ(sender, tgid) == 1 || BPF_CORE_READ(sender, mm) == 0;
}

SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal, int sig, void *info, struct task_struct *task)
{
	__u32 kind = kind_of_signal(sig);
	/* SEND_SIG_PRIV: the kernel's own word, as where memory ran out; the task at hand has nothing to do with it.
	 * What has ended already is ended by nobody any more. */
	if (!kind || (long)info == 1 || !is_self(task) || BPF_CORE_READ(task, exit_state) || harmless_sender((void *)bpf_get_current_task()))
		return 0;
	return tell(kind, sig, false);
}

SEC("lsm/task_kill")
int BPF_PROG(on_task_kill, struct task_struct *task, void *info, int sig)
{
	__u32 kind = kind_of_signal(sig);
	if (!kind || !is_self(task) || !refusing() || harmless_sender((void *)bpf_get_current_task()))
		return 0;
	tell(kind, sig, true);
	return -EPERM;
}

SEC("lsm/ptrace_access_check")
int BPF_PROG(on_ptrace, struct task_struct *child, unsigned int mode)
{
	if (!(mode & PTRACE_MODE_ATTACH) || !is_self(child) || is_self((void *)bpf_get_current_task()))
		return 0;
	bool refuse = refusing();
	tell(TAMPER_TRACE, 0, refuse);
	return refuse ? -EPERM : 0;
}

static __always_inline bool has_two_names(struct inode *inode)
{
	return (BPF_CORE_READ(inode, i_mode) & S_IFMT) == S_IFREG && BPF_CORE_READ(inode, i_nlink) > 1;
}

static __noinline int edit(struct inode *inode, struct inode *dir)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct file_key key = key_of(inode), parent = key_of(dir);
	__u8 *own = inode ? bpf_map_lookup_elem(&OWN_FILES, &key) : 0, *above = dir ? bpf_map_lookup_elem(&OWN_FILES, &parent) : 0;
	if (own && *own == OWN_ENTRY && !has_two_names(inode))
		own = 0;
	if (above && *above == OWN_ENTRY)
		above = 0;
	if ((!own && !above) || is_self(task) || !refusing())
		return 0;
	/* The agent's commands leave requests in the state directory; what lies there already they do not touch. */
	if (!own && *above == OWN_STATE && is_own_binary(task))
		return 0;
	tell(TAMPER_EDIT, 0, true);
	return -EPERM;
}

static __always_inline struct inode *inode_of(struct dentry *dentry)
{
	return BPF_CORE_READ(dentry, d_inode);
}

static __noinline int edit_at(struct path *path)
{
	struct dentry *dentry = BPF_CORE_READ(path, dentry);
	return edit(inode_of(dentry), inode_of(BPF_CORE_READ(dentry, d_parent)));
}

SEC("lsm/file_open")
int BPF_PROG(on_file_open, struct file *file)
{
	if (!(BPF_CORE_READ(file, f_mode) & FMODE_WRITE))
		return 0;
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	return edit(BPF_CORE_READ(file, f_inode), inode_of(BPF_CORE_READ(dentry, d_parent)));
}

SEC("lsm/path_unlink")
int BPF_PROG(on_path_unlink, struct path *dir, struct dentry *dentry)
{
	return edit(inode_of(dentry), inode_of(BPF_CORE_READ(dir, dentry)));
}

SEC("lsm/path_rmdir")
int BPF_PROG(on_path_rmdir, struct path *dir, struct dentry *dentry)
{
	return edit(inode_of(dentry), 0);
}

SEC("lsm/path_rename")
int BPF_PROG(on_path_rename, struct path *old_dir, struct dentry *old, struct path *dir, struct dentry *dentry)
{
	int refused = edit(inode_of(old), inode_of(BPF_CORE_READ(old_dir, dentry)));
	return refused ? refused : edit(inode_of(dentry), inode_of(BPF_CORE_READ(dir, dentry)));
}

/* A second name elsewhere would be a way around the directory. */
SEC("lsm/path_link")
int BPF_PROG(on_path_link, struct dentry *old, struct path *dir, struct dentry *dentry)
{
	int refused = edit(inode_of(old), inode_of(BPF_CORE_READ(old, d_parent)));
	return refused ? refused : edit(inode_of(dentry), inode_of(BPF_CORE_READ(dir, dentry)));
}

SEC("lsm/path_truncate")
int BPF_PROG(on_path_truncate, struct path *path)
{
	return edit_at(path);
}

SEC("lsm/path_chmod")
int BPF_PROG(on_path_chmod, struct path *path)
{
	return edit_at(path);
}

SEC("lsm/path_chown")
int BPF_PROG(on_path_chown, struct path *path)
{
	return edit_at(path);
}

SEC("lsm/sb_umount")
int BPF_PROG(on_umount, struct vfsmount *vfs)
{
	struct mount___own *mount = (void *)vfs - bpf_core_field_offset(struct mount___own, mnt);
	__u64 own = lease(2);
	if (!own || BPF_CORE_READ(mount, mnt_id) != own || is_self((void *)bpf_get_current_task()) || !refusing())
		return 0;
	tell(TAMPER_UNMOUNT, 0, true);
	return -EPERM;
}

static __always_inline struct file *file_at(struct task_struct *task, __u32 fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd), *file = 0;
	if (fd < BPF_CORE_READ(table, max_fds))
		bpf_probe_read_kernel(&file, sizeof(file), &files[fd]);
	return file;
}

/* Taking a program out by its link, or changing by a map what it does. */
SEC("lsm/bpf")
int BPF_PROG(on_bpf, int cmd, void *attr)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 fd = 0;
	if ((cmd != BPF_LINK_DETACH && cmd != BPF_LINK_UPDATE && cmd != BPF_MAP_GET_FD_BY_ID) || is_self(task) || !refusing())
		return 0;
	bpf_probe_read_kernel(&fd, sizeof(fd), attr);
	if (cmd == BPF_MAP_GET_FD_BY_ID) {
		if (!bpf_map_lookup_elem(&OWN_MAPS, &fd))
			return 0;
		tell(TAMPER_DETACH, 0, true);
		return -EPERM;
	}
	struct bpf_link___own *link = BPF_CORE_READ(file_at(task, fd), private_data);
	__u32 id = BPF_CORE_READ(link, prog, aux, id);
	if (!id || !bpf_map_lookup_elem(&OWN_PROGRAMS, &id))
		return 0;
	tell(TAMPER_DETACH, 0, true);
	return -EPERM;
}
