/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What interpreters read from their standard input when it is a pipe, a socket or a file. Who is an interpreter is
 * decided once, at exec; a read by anybody else costs one look into a map, and only when it is of descriptor 0. */
#ifndef PICKET_SCRIPT_H
#define PICKET_SCRIPT_H

#include "network.h"

/* Of one process. Longer scripts are rare and their beginning says what they are. */
#define STDIN_MAX 16384
#define CHUNK_MAX 4096
#define CHUNKS (STDIN_MAX / CHUNK_MAX)
/* Shells read a pipe byte by byte: so small reads are gathered to a line before they are told. */
#define SMALL_READ 64
#define LINE_HELD 512

struct reading {
	__u64 position; /* in a file: a shell goes back and reads some of it again */
	__u32 end;      /* how much was read */
	__u32 held;     /* how much of that waits in `line` */
	__u8 line[LINE_HELD];
};

/* Interpreters that run, by thread group: about 0.6 MB. Under a flood the one that reads least is forgotten. */
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 1024); __type(key, __u32); __type(value, struct reading); } READING SEC(".maps");
enum { IS_INTERPRETER = 1, GO_BY_COMM = 2 };
struct { __uint(type, BPF_MAP_TYPE_LPM_TRIE); __uint(map_flags, BPF_F_NO_PREALLOC); __uint(max_entries, 64); __type(key, struct trie_name); __type(value, __u8); } INTERPRETERS SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct reading); } FRESH_READING SEC(".maps");

static __always_inline void script_head(struct script_record *r, struct task_struct *task, __u32 at, __u32 len)
{
	fill_head(&r->head, RECORD_SCRIPT, task);
	r->at = at;
	r->data_len = len;
	r->pad = 0;
}

static __noinline int flush_line(struct task_struct *task, struct reading *reading)
{
	__u32 slot = 0;
	if (!reading)
		return 0;
	__u32 held = reading->held;
	/* Two comparisons, or older verifiers lose the bounds. */
	barrier_var(held);
	if (held > LINE_HELD)
		return 0;
	barrier_var(held);
	if (held == 0)
		return 0;
	reading->held = 0;
	struct scratch *s = take(RECORD_SCRIPT, &slot);
	if (!s)
		return 0;
	script_head((void *)s, task, reading->end - held, held);
	bpf_probe_read_kernel(s->bytes + sizeof(struct script_record), held, reading->line);
	send(&LIFECYCLE, s, sizeof(struct script_record) + held, RECORD_SCRIPT, RIDE_ALONG);
	give(slot);
	return 0;
}

struct piece { const char *from; __u32 at, left; };

static int send_piece(__u32 i, struct piece *piece)
{
	__u32 slot = 0, len = piece->left;
	if (!len)
		return 1;
	if (len > CHUNK_MAX)
		len = CHUNK_MAX;
	struct scratch *s = take(RECORD_SCRIPT, &slot);
	if (!s)
		return 1;
	script_head((void *)s, current_task(), piece->at, len);
	barrier_var(len);
	if (len > CHUNK_MAX)
		len = CHUNK_MAX;
	if (!bpf_probe_read_user(s->bytes + sizeof(struct script_record), len, piece->from))
		send(&LIFECYCLE, s, sizeof(struct script_record) + len, RECORD_SCRIPT, RIDE_ALONG);
	give(slot);
	piece->from += len;
	piece->at += len;
	piece->left -= len;
	return 0;
}

static __always_inline void gather(struct task_struct *task, struct reading *reading, const char *from, __u32 len)
{
	char last = 0;
	__u32 held = reading->held;
	if (held > LINE_HELD - SMALL_READ) {
		flush_line(task, reading);
		held = 0;
	}
	barrier_var(held);
	barrier_var(len);
	if (held > LINE_HELD - SMALL_READ || len > SMALL_READ)
		return;
	barrier_var(len);
	if (len == 0 || bpf_probe_read_user(&reading->line[held], len, from))
		return;
	reading->held = held + len;
	reading->end += len;
	bpf_probe_read_user(&last, 1, from + len - 1);
	if (last == '\n')
		flush_line(task, reading);
}

/* Of a file only what was not read before; of a pipe or socket everything. False: nothing of it. `after` is where the
 * next read would begin. */
static __always_inline bool new_part(struct reading *reading, struct file *file, __u64 after, const char **from, __u64 *got)
{
	switch (BPF_CORE_READ(file, f_inode, i_mode) & 0170000) {
	case 0010000:
	case 0140000:
		return true;
	case 0100000:
		break;
	default:
		return false;
	}
	__u64 seen = reading->position;
	if (!reading->end)
		seen = after - *got;
	if (after <= seen)
		return false;
	if (after - seen < *got) {
		*from += *got - (after - seen);
		*got = after - seen;
	}
	reading->position = after;
	return true;
}

static __noinline int after_stdin(struct task_struct *task, struct file *file, const char *from, __s64 result, __u64 after)
{
	__u32 pid = task->tgid;
	__u64 got = result;
	struct reading *reading = bpf_map_lookup_elem(&READING, &pid);
	if (!reading || !file)
		return 0;
	if (result == 0)
		flush_line(task, reading);
	if (result <= 0)
		return 0;
	if (reading->end >= STDIN_MAX) {
		bump(&FILTERED, RECORD_SCRIPT);
		return 0;
	}
	if (!new_part(reading, file, after, &from, &got))
		return 0;
	if (got > STDIN_MAX - reading->end)
		got = STDIN_MAX - reading->end;
	if (got <= SMALL_READ) {
		gather(task, reading, from, got);
		return 0;
	}
	flush_line(task, reading);
	struct piece piece = { from, reading->end, got };
	reading->end += got;
	bpf_loop(CHUNKS, send_piece, &piece, 0);
	return 0;
}

static __noinline int after_read_call(struct task_struct *task, const char *from, __s64 result)
{
	__u32 pid = task->tgid;
	if (!bpf_map_lookup_elem(&READING, &pid))
		return 0;
	struct file *file = file_of(task, 0);
	return after_stdin(task, file, from, result, BPF_CORE_READ(file, f_pos));
}

/* Most reads of the host are not of descriptor 0, which here takes a few loads to tell. A table that has grown lies
 * elsewhere, and its pointers have no type. */
static __always_inline bool of_another_descriptor(struct task_struct *task, struct file *file)
{
	struct files_struct *files = task->files;
	return (__u64)files->fdt->fd == (__u64)&files->fd_array && files->fd_array[0] != file;
}

/* Every kind of read(2) of a file comes through here, but neither the vector forms nor io_uring's. */
SEC("fexit/vfs_read")
int BPF_PROG(on_vfs_read, struct file *file, char *from, unsigned long count, long long *position, long result)
{
	struct task_struct *task = current_task();
	if (of_another_descriptor(task, file))
		return 0;
	__u32 pid = task->tgid;
	if (!bpf_map_lookup_elem(&READING, &pid) || file_of(task, 0) != file)
		return 0;
	/* The file's own position is set only after this. */
	long long after = 0;
	if (position)
		bpf_probe_read_kernel(&after, sizeof(after), position);
	return after_stdin(task, file, from, result, after);
}

static __always_inline const unsigned char *name_of_image(struct task_struct *task)
{
	struct file *exe = task->mm->exe_file;
	return exe ? exe->f_path.dentry->d_name.name : 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec_script, struct task_struct *task)
{
	__u32 zero = 0, pid = task->tgid;
	struct reading *before = bpf_map_lookup_elem(&READING, &pid);
	if (before) {
		flush_line(task, before);
		bpf_map_delete_elem(&READING, &pid);
	}
	__u8 *kind = known_name(&INTERPRETERS, name_of_image(task));
	/* busybox is what it was called as; where it was called by its own name, its arguments say, and user space reads them. */
	if (kind && *kind == GO_BY_COMM) {
		char comm[16];
		BPF_CORE_READ_INTO(&comm, task, comm);
		kind = known_name(&INTERPRETERS, comm);
	}
	/* Never written to: it stays as it was made, all zero. */
	struct reading *fresh = bpf_map_lookup_elem(&FRESH_READING, &zero);
	if (kind && fresh)
		bpf_map_update_elem(&READING, &pid, fresh, BPF_ANY);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit_script, struct task_struct *task)
{
	if (task->signal->live.counter != 0)
		return 0;
	__u32 pid = task->tgid;
	struct reading *reading = bpf_map_lookup_elem(&READING, &pid);
	if (reading) {
		flush_line(task, reading);
		bpf_map_delete_elem(&READING, &pid);
	}
	return 0;
}

#endif
