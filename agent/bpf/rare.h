/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The rare calls hooked one by one: no other system call pays for them. Where the kernel refuses these, sys_enter and
 * sys_exit do the same for all. */
#ifndef PICKET_RARE_H
#define PICKET_RARE_H

#include "calls.h"

#define AFTER(name, nr)                                                                                                        \
	SEC("fexit/__x64_sys_" #name) int BPF_PROG(after_##name##_call, struct pt_regs *regs, long ret) { return after_call(regs, nr, ret); }
#define BEFORE_AND_AFTER(name, nr)                                                                                             \
	SEC("fentry/__x64_sys_" #name) int BPF_PROG(before_##name##_call) { return before_creds(); }                           \
	AFTER(name, nr)

AFTER(mmap, NR_MMAP)
AFTER(mprotect, NR_MPROTECT)
AFTER(pkey_mprotect, NR_PKEY_MPROTECT)
AFTER(ptrace, NR_PTRACE)
AFTER(process_vm_readv, NR_PROCESS_VM_READV)
AFTER(process_vm_writev, NR_PROCESS_VM_WRITEV)
AFTER(pidfd_getfd, NR_PIDFD_GETFD)
AFTER(memfd_create, NR_MEMFD_CREATE)
AFTER(memfd_secret, NR_MEMFD_SECRET)
AFTER(bpf, NR_BPF)
AFTER(mount, NR_MOUNT)
AFTER(move_mount, NR_MOVE_MOUNT)
AFTER(umount, NR_UMOUNT2)
AFTER(pivot_root, NR_PIVOT_ROOT)
AFTER(chroot, NR_CHROOT)
AFTER(clock_settime, NR_CLOCK_SETTIME)
AFTER(settimeofday, NR_SETTIMEOFDAY)
AFTER(adjtimex, NR_ADJTIMEX)
AFTER(clock_adjtime, NR_CLOCK_ADJTIME)
AFTER(kexec_load, NR_KEXEC_LOAD)
AFTER(kexec_file_load, NR_KEXEC_FILE_LOAD)
AFTER(add_key, NR_ADD_KEY)
AFTER(request_key, NR_REQUEST_KEY)
AFTER(keyctl, NR_KEYCTL)
AFTER(io_uring_setup, NR_IO_URING_SETUP)
AFTER(setns, NR_SETNS)
AFTER(unshare, NR_UNSHARE)
BEFORE_AND_AFTER(setuid, NR_SETUID)
BEFORE_AND_AFTER(setgid, NR_SETGID)
BEFORE_AND_AFTER(setreuid, NR_SETREUID)
BEFORE_AND_AFTER(setregid, NR_SETREGID)
BEFORE_AND_AFTER(setresuid, NR_SETRESUID)
BEFORE_AND_AFTER(setresgid, NR_SETRESGID)
BEFORE_AND_AFTER(setfsuid, NR_SETFSUID)
BEFORE_AND_AFTER(setfsgid, NR_SETFSGID)
BEFORE_AND_AFTER(capset, NR_CAPSET)

#endif
