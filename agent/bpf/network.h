/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* TCP connect, accept, listen. The state change out of SYN_SENT may come in a soft interrupt of any task, so the
 * actor is taken where connect(2) runs (CLOSE to SYN_SENT) and kept until the flow is complete. */
#ifndef PICKET_NETWORK_H
#define PICKET_NETWORK_H

#include "record.h"

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
enum { STATE_ESTABLISHED = 1, STATE_SYN_SENT = 2, STATE_CLOSE = 7, STATE_LISTEN = 10 };

static __noinline int net_record(struct sock *sk, __u16 activity, struct connecting *who)
{
	struct net_record r = {};
	fill_head(&r.head, RECORD_NET, (void *)bpf_get_current_task());
	if (who) {
		r.head.pid = who->pid;
		r.head.start_ns = who->start_ns;
	}
	r.activity = activity;
	r.family = BPF_CORE_READ(sk, __sk_common.skc_family);
	r.local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	/* A refused connection has given its port back, but the socket still knows it. */
	if (!r.local_port)
		r.local_port = __builtin_bswap16(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	if (activity != NET_LISTEN)
		r.remote_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (r.family == AF_INET) {
		BPF_CORE_READ_INTO((__u32 *)r.local, sk, __sk_common.skc_rcv_saddr);
		BPF_CORE_READ_INTO((__u32 *)r.remote, sk, __sk_common.skc_daddr);
	} else if (r.family == AF_INET6) {
		BPF_CORE_READ_INTO((struct in6_addr *)r.local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO((struct in6_addr *)r.remote, sk, __sk_common.skc_v6_daddr);
	} else {
		return 0;
	}
	if (bpf_ringbuf_output(&LIFECYCLE, &r, sizeof(r), WAKE))
		bump(&LOST, RECORD_NET);
	return 0;
}

/* Whoever takes the entry out tells of the connection, so it is told once. */
static __always_inline void connected(struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct connecting *found = bpf_map_lookup_elem(&CONNECTING, &key), who;
	if (!found)
		return;
	who = *found;
	if (bpf_map_delete_elem(&CONNECTING, &key) == 0)
		net_record(sk, NET_CONNECT, &who);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_socket_state, struct sock *sk, int old, int new)
{
	bump(&RUNS, RUN_SOCKET);
	if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	if (new == STATE_SYN_SENT && old == STATE_CLOSE) {
		struct task_struct *task = (void *)bpf_get_current_task();
		__u64 key = (__u64)sk;
		struct connecting who = { .pid = BPF_CORE_READ(task, tgid), .start_ns = BPF_CORE_READ(task, group_leader, start_boottime) };
		bpf_map_update_elem(&CONNECTING, &key, &who, BPF_ANY);
	} else if (old == STATE_SYN_SENT) {
		connected(sk);
	} else if (new == STATE_LISTEN) {
		net_record(sk, NET_LISTEN, 0);
	}
	return 0;
}

static __always_inline struct sock *tcp_socket_of(struct task_struct *task, __s64 fd)
{
	struct file *file = file_of(task, fd);
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	if (!file || (BPF_CORE_READ(inode, i_mode) & 0170000) != 0140000)
		return 0;
	struct socket *socket = BPF_CORE_READ(file, private_data);
	struct sock *sk = BPF_CORE_READ(socket, sk);
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if ((family != AF_INET && family != AF_INET6) || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	return sk;
}

/* At the end of accept(2) the new descriptor is in the table and this task owns the flow. */
static __noinline int after_accept(struct task_struct *task, __s64 fd)
{
	struct sock *sk = tcp_socket_of(task, fd);
	if (sk)
		net_record(sk, NET_ACCEPT, 0);
	return 0;
}

/* A non-blocking connect is told at once instead of when the far side answers. */
static __noinline int after_connect(struct task_struct *task, __s64 fd)
{
	struct sock *sk = tcp_socket_of(task, fd);
	if (sk)
		connected(sk);
	return 0;
}

#endif
