/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Memory that becomes executable: part of calls.h. The kernel's own mapping says what lies behind it, not the caller's
 * descriptor. The kernel maps a program and its loader by itself, without a call: those are not told here. */
#ifndef PICKET_LIBRARY_H
#define PICKET_LIBRARY_H

#define PROT_WRITE_EXEC 6
#define PROT_EXEC 4
#define MAP_ANONYMOUS 0x20

/* A library that only root can write is told once for each program that loads it; any other once for each image
 * (process between two execs). The oldest pair goes first and is then told again. */
struct pair_key { __u64 library, program, size, image; __u32 library_dev, program_dev; };
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 16384); __type(key, struct pair_key); __type(value, __u8); } PAIRS SEC(".maps");

enum { BACKING_UNKNOWN = 0, BACKING_NONE = 1, BACKING_COPY = 2, BACKING_FILE = 3 };
struct mapping { __u64 file; __u32 backing; };

static long look(struct task_struct *task, struct vm_area_struct *vma, void *ctx)
{
	struct mapping *mapping = ctx;
	mapping->file = (__u64)vma->vm_file;
	/* A private mapping has anon_vma once one of its pages was written. */
	mapping->backing = !vma->vm_file ? BACKING_NONE : vma->anon_vma ? BACKING_COPY : BACKING_FILE;
	return 0;
}

/* Fails while another thread changes the process's mappings: then it is unknown, and the descriptor has to do. */
static __always_inline void mapping_at(struct mapping *mapping, __u64 address)
{
	bpf_find_vma(bpf_get_current_task_btf(), address, look, mapping, 0);
}

/* args: address, length, protection, backing. text 1: the file. */
static __noinline int memory_record(struct task_struct *task, __u16 what, __u64 *args, struct mapping *mapping)
{
	__u32 slot = 0;
	if (!first_time(task, RECORD_CALL, what, mapping->backing, 0))
		return 0;
	struct scratch *s = take(RECORD_CALL, &slot);
	if (!s)
		return 0;
	struct call_record *r = begin_call(s, task, what, 0);
	r->args[0] = args[0];
	r->args[1] = args[1];
	r->args[2] = args[2];
	r->args[3] = mapping->backing;
	struct file *file = (void *)mapping->file;
	if (file)
		r->text_len[1] = put_path(s, sizeof(*r), BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_path.mnt));
	finish_call(s, slot);
	return 0;
}

static __noinline int after_mprotect(struct task_struct *task, __u64 address, __u64 len, __u64 prot)
{
	struct mapping mapping = {};
	__u64 args[3] = { address, len, prot };
	mapping_at(&mapping, address);
	if (mapping.backing == BACKING_FILE)
		return 0;
	return memory_record(task, CALL_MPROTECT, args, &mapping);
}

static __noinline bool new_pair(struct task_struct *task, struct inode *library, struct inode *program)
{
	__u8 one = 1;
	struct pair_key key = {};
	key.library = BPF_CORE_READ(library, i_ino);
	key.library_dev = BPF_CORE_READ(library, i_sb, s_dev);
	key.size = BPF_CORE_READ(library, i_size);
	key.program = BPF_CORE_READ(program, i_ino);
	key.program_dev = BPF_CORE_READ(program, i_sb, s_dev);
	/* Group or others may write it, it is not root's, or it has no name. */
	if (BPF_CORE_READ(library, i_mode) & 022 || BPF_CORE_READ(library, i_uid.val) || !BPF_CORE_READ(library, i_nlink))
		key.image = task->group_leader->start_boottime + task->self_exec_id;
	if (bpf_map_update_elem(&PAIRS, &key, &one, BPF_NOEXIST) == 0)
		return true;
	bump(&FILTERED, RECORD_LIBRARY);
	return false;
}

static __noinline int library_record(struct task_struct *task, struct file *file)
{
	__u32 slot = 0, n;
	struct inode *inode = BPF_CORE_READ(file, f_inode), *program = BPF_CORE_READ(task, mm, exe_file, f_inode);
	if (!inode || inode == program || !new_pair(task, inode, program))
		return 0;
	struct scratch *s = take(RECORD_LIBRARY, &slot);
	if (!s)
		return 0;
	struct library_record *r = (void *)s;
	fill_head(&r->head, RECORD_LIBRARY, task);
	r->ino = BPF_CORE_READ(inode, i_ino);
	r->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	r->mode = BPF_CORE_READ(inode, i_mode);
	r->size = BPF_CORE_READ(inode, i_size);
	n = put_path(s, sizeof(*r), BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_path.mnt));
	r->path_len = n;
	send(&FILES, s, sizeof(*r) + n, RECORD_LIBRARY, WAKE_FILES);
	give(slot);
	return 0;
}

static __noinline int after_mmap(struct task_struct *task, struct pt_regs *regs, __u64 address)
{
	struct mapping mapping = {};
	__u64 args[3] = { address, regs->si, regs->dx };
	bool anonymous = regs->r10 & MAP_ANONYMOUS;
	mapping_at(&mapping, address);
	if (mapping.backing == BACKING_UNKNOWN && !anonymous)
		mapping.file = (__u64)file_of(task, (__s32)regs->r8);
	if (mapping.file)
		return library_record(task, (void *)mapping.file);
	if ((regs->dx & PROT_WRITE_EXEC) == PROT_WRITE_EXEC)
		return memory_record(task, CALL_MMAP_EXEC, args, &mapping);
	return 0;
}

#endif
