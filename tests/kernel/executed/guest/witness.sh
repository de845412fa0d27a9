#!/bin/sh
# The kernel's tracing writes down every program that is executed, with its words, every new process, every
# connection that is begun, and the calls by which a host is changed. Independent of the agent, which uses BPF.
set -e
tracing=/sys/kernel/tracing
[ -e $tracing/kprobe_events ] || mount -t tracefs tracefs $tracing
words=
for n in 0 1 2 3 4 5 6 7; do words="$words a$n=+u0(+u$((n * 8))(+104(%di))):ustring"; done
echo "p:lab/execve __x64_sys_execve path=+u0(+112(%di)):ustring$words" >> $tracing/kprobe_events
for call in clock_settime settimeofday mount umount finit_module init_module delete_module memfd_create; do
    # A kernel without a call has nothing to tell of it.
    echo "r:lab/$call __x64_sys_$call result=\$retval:s64" >> $tracing/kprobe_events || true
done
witness=$tracing/instances/witness
mkdir -p $witness
echo 16384 > $witness/buffer_size_kb
for event in lab sched/sched_process_exec sched/sched_process_fork sock/inet_sock_set_state; do
    echo 1 > $witness/events/$event/enable
done
