/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The ABI between self.bpf.c and agent/src/sensor/own/record.rs. Change both together. */
#ifndef PICKET_TAMPER_H
#define PICKET_TAMPER_H

enum tamper_kind { TAMPER_KILL = 1, TAMPER_STOP = 2, TAMPER_TRACE = 3, TAMPER_DETACH = 4, TAMPER_UNMOUNT = 5, TAMPER_EDIT = 6 };

struct tamper_record {
	__u32 kind, refused, pid;
	__s32 detail; /* the signal's number */
	__u64 start_ns, time_ns; /* CLOCK_BOOTTIME */
	char comm[16];
};

_Static_assert(sizeof(struct tamper_record) == 48, "tamper_record");

#endif
