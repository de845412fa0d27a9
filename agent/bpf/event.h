/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The ABI between the programs and agent/src/sensor/decode.rs. Change both together. */
#ifndef PICKET_EVENT_H
#define PICKET_EVENT_H

enum record_type {
	RECORD_EXEC = 1,
	RECORD_FORK = 2,
	RECORD_EXIT = 3,
	RECORD_NET = 4,
	RECORD_FILE = 5,
	RECORD_MODULE = 6,
	RECORD_TYPES = 8,
};

enum net_activity { NET_CONNECT = 1, NET_ACCEPT = 2, NET_LISTEN = 3 };
enum file_activity { FILE_CREATE = 1, FILE_WRITE = 2, FILE_RENAME = 3, FILE_DELETE = 4, FILE_MODE = 5, FILE_READ = 6 };

/* The path parts are the names from the last to the first, each with a closing NUL. */
enum file_form {
	/* part 0: the whole path, part 1: the whole old path where there is one */
	FORM_PARTS = 0,
	/* part 0: the directory the text is relative to, part 1: the text as the caller wrote it; 2 and 3: the same of the old name */
	FORM_TEXT = 1,
};

struct record_head {
	__u16 type;
	__u16 flags;
	__u32 pid;
	__u64 time_ns;  /* CLOCK_BOOTTIME */
	__u64 start_ns; /* of the thread group, CLOCK_BOOTTIME */
};

#define EXEC_NO_NAME 1 /* the image's inode has no link: a memfd or deleted */

struct exec_record {
	struct record_head head;
	__u64 parent_start_ns;
	__u64 ino;
	__u32 dev; /* the kernel's own encoding: major << 20 | minor */
	__u32 ppid;
	__u32 uid, euid, gid, loginuid;
	__u32 session, pad;
	__u16 argv_len, exe_len, cwd_len, cgroup_len;
	char comm[16];
	__u8 data[]; /* argv, exe parts, cwd parts, cgroup parts */
};

struct fork_record {
	struct record_head head;
	__u64 child_start_ns;
	__u32 child_pid;
	__u32 pad;
};

struct exit_record {
	struct record_head head;
	__u32 code; /* as wait(2) gives it */
	__u32 pad;
};

struct net_record {
	struct record_head head;
	__u16 activity, family; /* AF_INET 2, AF_INET6 10 */
	__u16 local_port, remote_port;
	__u8 local[16], remote[16];
};

struct file_record {
	struct record_head head;
	__u64 ino;
	__u64 size;
	__u32 dev;
	__u16 mode;
	__u8 activity, form;
	__u16 part_len[4];
	__u8 data[];
};

struct module_record {
	struct record_head head;
	__s32 result; /* of finit_module or init_module */
	__u16 path_len;
	__u16 pad;
	__u8 data[];
};

/* Data begins where the fixed part ends: a hole at the end would part the two sides. */
_Static_assert(sizeof(struct exec_record) == 96, "exec_record");
_Static_assert(sizeof(struct net_record) == 64, "net_record");
_Static_assert(sizeof(struct file_record) == 56, "file_record");
_Static_assert(sizeof(struct module_record) == 32, "module_record");

#endif
