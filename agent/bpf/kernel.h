/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Only the kernel fields the programs read; CO-RE finds their true offsets when a program loads. */
#ifndef PICKET_KERNEL_H
#define PICKET_KERNEL_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct { int counter; } atomic_t;
typedef struct { __s64 counter; } atomic64_t;
typedef struct { __s64 counter; } atomic_long_t;
typedef struct { atomic64_t refcnt; } file_ref_t;
typedef struct { __u32 val; } kuid_t;
typedef struct { __u32 val; } kgid_t;

struct qstr { union { struct { __u32 hash; __u32 len; }; __u64 hash_len; }; const unsigned char *name; };
struct super_block { __u32 s_dev; unsigned long s_magic; };
struct rb_node;
struct rb_root { struct rb_node *rb_node; };
struct rb_root_cached { struct rb_root rb_root; };
struct address_space { struct rb_root_cached i_mmap; };
struct inode { struct address_space *i_mapping; unsigned short i_mode; unsigned int i_nlink; unsigned long i_ino; struct super_block *i_sb; long long i_size; };
struct dentry { struct dentry *d_parent; struct qstr d_name; struct inode *d_inode; };
struct vfsmount { struct dentry *mnt_root; };
struct mount { struct mount *mnt_parent; struct dentry *mnt_mountpoint; struct vfsmount mnt; };
struct path { struct vfsmount *mnt; struct dentry *dentry; };
struct file { unsigned int f_mode; void *private_data; struct inode *f_inode; struct path f_path; };
struct file___counted { atomic_long_t f_count; }; /* before 6.13 */
struct file___ref { file_ref_t f_ref; };          /* since 6.13: one reference is 0 */
struct fdtable { unsigned int max_fds; struct file **fd; unsigned long *open_fds; };
struct files_struct { struct fdtable *fdt; };
struct fs_struct { struct path root, pwd; };

struct upid { int nr; };
struct pid { struct upid numbers[1]; };
struct signal_struct { atomic_t live; int group_exit_code; unsigned int flags; struct pid *pids[4]; };
struct cred { kuid_t uid; kgid_t gid; kuid_t euid; };
struct mm_struct { unsigned long arg_start, arg_end; struct file *exe_file; };
struct kernfs_node { const char *name; };
struct kernfs_node___old { struct kernfs_node *parent; };   /* before 6.15 */
struct kernfs_node___new { struct kernfs_node *__parent; }; /* since 6.15 */
struct cgroup { struct kernfs_node *kn; };
struct css_set { struct cgroup *dfl_cgrp; };
struct thread_info { __u32 status; };
struct task_struct {
	struct thread_info thread_info;
	int pid, tgid, exit_code;
	__u64 start_boottime;
	struct task_struct *real_parent, *group_leader;
	struct mm_struct *mm;
	const struct cred *cred;
	kuid_t loginuid;
	struct fs_struct *fs;
	struct files_struct *files;
	struct signal_struct *signal;
	struct css_set *cgroups;
	char comm[16];
};

struct in6_addr { union { __u8 u6_addr8[16]; } in6_u; };
struct sock_common {
	__be32 skc_daddr, skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
};
struct sock { struct sock_common __sk_common; __u16 sk_protocol; };
struct inet_sock { struct sock sk; __be16 inet_sport; };
struct socket { struct sock *sk; };

struct pt_regs { unsigned long r10, ax, dx, si, di, orig_ax; };
struct linux_binprm { struct file *file; };

#pragma clang attribute pop

#endif
