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
struct list_head { struct list_head *next; };
struct hlist_node { struct hlist_node *next; };
struct hlist_head { struct hlist_node *first; };
struct file_system_type { const char *name; };
struct super_block { __u32 s_dev; unsigned long s_magic; struct file_system_type *s_type; };
struct super_block___list { struct list_head s_mounts; };  /* before 6.18 */
struct super_block___chain { struct mount *s_mounts; };    /* since 6.18 */
struct rb_node;
struct rb_root { struct rb_node *rb_node; };
struct rb_root_cached { struct rb_root rb_root; };
struct address_space { struct rb_root_cached i_mmap; };
struct inode { struct address_space *i_mapping; unsigned short i_mode; unsigned int i_nlink; unsigned long i_ino; __u32 i_rdev; struct super_block *i_sb; long long i_size; kuid_t i_uid; void *i_private; };
struct dentry { struct dentry *d_parent; struct qstr d_name; struct inode *d_inode; };
struct vfsmount { struct dentry *mnt_root; struct super_block *mnt_sb; };
struct mount { struct mount *mnt_parent; struct dentry *mnt_mountpoint; struct vfsmount mnt; };
struct mount___list { struct list_head mnt_instance; };
struct path { struct vfsmount *mnt; struct dentry *dentry; };
struct file { unsigned int f_mode; long long f_pos; void *private_data; struct inode *f_inode; struct path f_path; };
struct file___counted { atomic_long_t f_count; }; /* before 6.13 */
struct file___ref { file_ref_t f_ref; };          /* since 6.13: one reference is 0 */
struct fdtable { unsigned int max_fds; struct file **fd; unsigned long *open_fds; };
struct files_struct { struct fdtable *fdt; struct file *fd_array[64]; };
struct fs_struct { struct path root, pwd; };

struct proc_ns_operations { const char *name; };
struct ns_common { unsigned int inum; const struct proc_ns_operations *ops; };
struct xarray { void *xa_head; };
struct xa_node { unsigned char shift; void *slots[64]; };
struct idr { struct xarray idr_rt; };
struct mnt_namespace { struct ns_common ns; };
struct net { struct ns_common ns; };
struct pid_namespace { struct idr idr; struct ns_common ns; };
struct user_namespace { struct ns_common ns; };
struct nsproxy { struct mnt_namespace *mnt_ns; struct net *net_ns; struct pid_namespace *pid_ns_for_children; void *uts_ns, *ipc_ns, *time_ns_for_children, *cgroup_ns; };
struct upid { int nr; struct pid_namespace *ns; };
struct pid { unsigned int level; struct hlist_head tasks[4]; struct upid numbers[1]; };
struct ctl_table_header;
struct proc_inode { struct pid *pid; struct ctl_table_header *sysctl; struct inode vfs_inode; };
struct signal_struct { atomic_t live; int group_exit_code; unsigned int flags; struct pid *pids[4]; };
typedef struct { __u64 val; } kernel_cap_t; /* two halves before 6.3: the same eight bytes here */
struct cred { kuid_t uid; kgid_t gid; kuid_t suid; kgid_t sgid; kuid_t euid; kgid_t egid; kuid_t fsuid; kgid_t fsgid; kernel_cap_t cap_inheritable, cap_permitted, cap_effective; struct user_namespace *user_ns; };
struct mm_struct { unsigned long start_stack, arg_start, arg_end, env_start, env_end; struct file *exe_file; };
struct bpf_prog_aux { __u32 id; char name[16]; };
struct bpf_prog { enum bpf_prog_type type; __u8 tag[8]; struct bpf_prog_aux *aux; };
struct vm_area_struct { struct file *vm_file; void *anon_vma; };
struct kernfs_node { const char *name; };
struct kernfs_node___old { struct kernfs_node *parent; };   /* before 6.15 */
struct kernfs_node___new { struct kernfs_node *__parent; }; /* since 6.15 */
struct cgroup { struct kernfs_node *kn; };
struct css_set { struct cgroup *dfl_cgrp; };
struct thread_info { __u32 status; };
struct task_struct {
	struct thread_info thread_info;
	int pid, tgid, exit_code, exit_state;
	__u64 start_boottime, self_exec_id;
	struct task_struct *real_parent, *group_leader;
	struct mm_struct *mm;
	struct pid *thread_pid;
	struct hlist_node pid_links[4];
	struct nsproxy *nsproxy;
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
struct unix_sock { struct path path; struct sock *peer; };

struct pt_regs { unsigned long r10, r8, ax, dx, si, di, orig_ax; };
struct linux_binprm { struct file *file; const char *filename, *interp; };

struct filename { const char *name; };
struct io_kiocb { struct file *file; __u8 opcode; };
struct io_open { int dfd; struct filename *filename; };
struct io_unlink { int dfd; struct filename *filename; };
struct io_mkdir { int dfd; struct filename *filename; };
struct io_rename { int old_dfd, new_dfd; struct filename *oldpath, *newpath; };
struct io_link { int old_dfd, new_dfd; struct filename *oldpath, *newpath; };
struct io_connect { void *addr; int addr_len; };
struct io_ring_ctx { unsigned int flags; };

#pragma clang attribute pop

#endif
