/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The ABI between the programs and agent/src/sensor/decode. Change both together. */
#ifndef PICKET_EVENT_H
#define PICKET_EVENT_H

enum record_type {
	RECORD_EXEC = 1,
	RECORD_FORK = 2,
	RECORD_EXIT = 3,
	RECORD_NET = 4,
	RECORD_FILE = 5,
	RECORD_MODULE = 6,
	RECORD_CALL = 7,
	RECORD_LIBRARY = 8,
	RECORD_SCRIPT = 9,
	RECORD_DNS = 10,
	RECORD_UNIX = 13,
	RECORD_TYPES = 32,
};

/* What a call_record tells of. */
enum call_what {
	CALL_PTRACE = 1, CALL_VM_READ = 2, CALL_VM_WRITE = 3, CALL_PIDFD_GETFD = 4, CALL_PROC_MEM = 5, CALL_MPROTECT = 6,
	CALL_MMAP_EXEC = 7, CALL_MEMFD = 8, CALL_CREDS = 9, CALL_SETNS = 10, CALL_UNSHARE = 11, CALL_MOUNT = 12, CALL_UMOUNT = 13,
	CALL_CHROOT = 14, CALL_PIVOT_ROOT = 15, CALL_SET_TIME = 16, CALL_KEXEC = 17, CALL_KEYRING = 18, CALL_BPF_LOAD = 19,
	CALL_URING_SETUP = 20, CALL_URING_OP = 21, CALL_RAW_DEVICE = 22, CALL_PARAMETER = 23,
};

enum net_activity { NET_CONNECT = 1, NET_ACCEPT = 2, NET_LISTEN = 3 };
enum file_activity {
	FILE_CREATE = 1, FILE_WRITE = 2, FILE_RENAME = 3, FILE_DELETE = 4, FILE_MODE = 5, FILE_READ = 6, FILE_OWNER = 7, FILE_ATTRIBUTES = 8,
	FILE_RAW_ACCESS = 9,
};
/* What descriptor 0 or 1 is joined to. */
enum stream { STREAM_UNKNOWN = 0, STREAM_CLOSED = 1, STREAM_TERMINAL = 2, STREAM_FILE = 3, STREAM_PIPE = 4, STREAM_SOCKET = 5, STREAM_NULL = 6 };

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

#define EXEC_NO_NAME 1  /* the image's inode has no link: a memfd or deleted */
#define EXEC_ENV_MORE 2 /* not the whole environment could be looked through */

struct exec_record {
	struct record_head head;
	__u64 parent_start_ns;
	__u64 ino;
	__u64 capabilities; /* effective */
	__u32 dev; /* the kernel's own encoding: major << 20 | minor */
	__u32 ppid;
	__u32 uid, euid, gid, loginuid;
	__u32 session;
	__u32 mount_ns, pid_ns, net_ns, user_ns;
	__u32 argv_bytes, exe_bytes; /* whole lengths, whatever was kept */
	__u16 argv_len, exe_len, cwd_len, cgroup_len, script_len, preload_len;
	__u8 stream[2]; /* of descriptors 0 and 1 */
	__u8 pad[6];
	char comm[16];
	__u8 data[]; /* argv, exe parts, cwd parts, cgroup parts, script as it was named, LD_* variables with a NUL each */
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

#define NET_UDP 1 /* else TCP */

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
	__u32 path_bytes; /* whole length of part 0 of FORM_PARTS, whatever was kept */
	__u32 pad;
	__u8 data[];
};

struct module_record {
	struct record_head head;
	__s32 result; /* of finit_module or init_module */
	__u16 path_len;
	__u16 pad;
	__u8 data[];
};

/* One shape for every call that is rare: which registers mean what stands in calls.h. */
struct call_record {
	struct record_head head;
	__u16 what;
	__u16 text_len[2];
	__u16 pad;
	__u64 target_start_ns;
	__s64 args[6];
	__s64 ret;
	__u32 target_pid;
	__u32 pad2;
	__u8 data[]; /* two texts or paths, as the call has them */
};

#define DNS_ANSWER 1 /* else a question */

/* One DNS message as it passed a socket of this host. */
struct dns_record {
	struct record_head head;
	__u64 cookie;   /* the kernel's own number of the socket, never given twice */
	__u16 len;      /* of the whole message */
	__u16 data_len; /* of what is kept of it */
	__u32 pad;
	__u8 data[];
};

/* What an interpreter read from its standard input, in the order it was read. */
struct script_record {
	struct record_head head;
	__u32 at; /* where in the input the data begins */
	__u16 data_len;
	__u16 pad;
	__u8 data[];
};

/* A Unix socket was connected to. The path parts are as in file_record. */
struct unix_record {
	struct record_head head;
	__u16 path_len;
	__u16 pad[3];
	__u8 data[];
};

struct library_record {
	struct record_head head;
	__u64 ino;
	__u64 size;
	__u32 dev;
	__u16 mode;
	__u16 path_len;
	__u8 data[]; /* path parts */
};

/* Data begins where the fixed part ends: a hole at the end would part the two sides. */
_Static_assert(sizeof(struct exec_record) == 136, "exec_record");
_Static_assert(sizeof(struct net_record) == 64, "net_record");
_Static_assert(sizeof(struct file_record) == 64, "file_record");
_Static_assert(sizeof(struct module_record) == 32, "module_record");
_Static_assert(sizeof(struct call_record) == 104, "call_record");
_Static_assert(sizeof(struct dns_record) == 40, "dns_record");
_Static_assert(sizeof(struct script_record) == 32, "script_record");
_Static_assert(sizeof(struct unix_record) == 32, "unix_record");
_Static_assert(sizeof(struct library_record) == 48, "library_record");

#endif
