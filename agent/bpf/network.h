/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* TCP connect, accept, listen; and connects to Unix sockets that are worth watching. The state change out of SYN_SENT may come in a soft interrupt of any task, so the
 * actor is taken where connect(2) runs (CLOSE to SYN_SENT) and kept until the flow is complete. */
#ifndef PICKET_NETWORK_H
#define PICKET_NETWORK_H

#include "record.h"
#include "numbers.h"
#include "packet.h"

#define AF_INET 2
#define AF_INET6 10
#define AF_UNIX 1
#define IPPROTO_MPTCP 262
enum { STATE_ESTABLISHED = 1, STATE_SYN_SENT = 2, STATE_CLOSE = 7, STATE_LISTEN = 10 };

static __noinline int net_record(struct sock *sk, __u16 activity, struct connecting *who)
{
	struct net_record r = {};
	fill_head(&r.head, RECORD_NET, current_task());
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
	emit(&LIFECYCLE, &r, sizeof(r), RECORD_NET, WAKE);
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
	ran(RUN_SOCKET);
	if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	if (new == STATE_SYN_SENT && old == STATE_CLOSE) {
		struct task_struct *task = current_task();
		__u64 key = (__u64)sk;
		struct connecting who = { .pid = task->tgid, .start_ns = task->group_leader->start_boottime };
		bpf_map_update_elem(&CONNECTING, &key, &who, BPF_ANY);
	} else if (old == STATE_SYN_SENT) {
		connected(sk);
	} else if (new == STATE_LISTEN) {
		net_record(sk, NET_LISTEN, 0);
	}
	return 0;
}

/* The last names of Unix sockets that are worth watching, whole (with their NUL) or as beginnings. */
struct trie_name { __u32 bits; char name[24]; };
struct { __uint(type, BPF_MAP_TYPE_LPM_TRIE); __uint(map_flags, BPF_F_NO_PREALLOC); __uint(max_entries, 64); __type(key, struct trie_name); __type(value, __u8); } UNIX_NAMES SEC(".maps");
static __always_inline __u8 *known_name(void *names, const void *name)
{
	struct trie_name key = { .bits = sizeof(key.name) * 8 };
	bpf_probe_read_kernel_str(key.name, sizeof(key.name), name);
	return bpf_map_lookup_elem(names, &key);
}

/* The listener's own place in the directory tree, whatever the caller called it. */
static __noinline int unix_record(struct unix_sock *peer)
{
	struct dentry *dentry = BPF_CORE_READ(peer, path.dentry);
	__u32 slot = 0;
	if (!dentry || !known_name(&UNIX_NAMES, BPF_CORE_READ(dentry, d_name.name)))
		return 0;
	struct scratch *s = take(RECORD_UNIX, &slot);
	if (!s)
		return 0;
	struct unix_record *r = (void *)s;
	fill_head(&r->head, RECORD_UNIX, current_task());
	__u32 n = put_path(s, sizeof(*r), dentry, BPF_CORE_READ(peer, path.mnt));
	r->path_len = n;
	r->pad[0] = r->pad[1] = r->pad[2] = 0;
	send(&LIFECYCLE, s, sizeof(*r) + n, RECORD_UNIX, WAKE);
	give(slot);
	return 0;
}

SEC("lsm/unix_stream_connect")
int BPF_PROG(on_unix_connect, struct sock *sock, struct sock *other, struct sock *fresh)
{
	unix_record((void *)other);
	return 0;
}

static __always_inline struct sock *socket_of(struct task_struct *task, __s64 fd)
{
	struct file *file = file_of(task, fd);
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	if (!file || (BPF_CORE_READ(inode, i_mode) & 0170000) != 0140000)
		return 0;
	struct socket *socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

static __always_inline bool is_tcp(struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family), protocol = BPF_CORE_READ(sk, sk_protocol);
	return (family == AF_INET || family == AF_INET6) && (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP);
}

/* At the end of accept(2) the new descriptor is in the table and this task owns the flow. */
static __noinline int after_accept(struct task_struct *task, __s64 fd)
{
	struct sock *sk = socket_of(task, fd);
	if (sk && is_tcp(sk))
		net_record(sk, NET_ACCEPT, 0);
	return 0;
}

/* Where it loads, an accept by io_uring is seen as well. */
SEC("fexit/inet_csk_accept")
int on_tcp_accept(void *ctx)
{
	/* The number of arguments differs between kernels. */
	__u64 sk = 0;
	if (!bpf_get_func_ret(ctx, &sk) && sk)
		net_record((void *)sk, NET_ACCEPT, 0);
	return 0;
}

/* A non-blocking connect is told at once instead of when the far side answers. */
static __noinline int after_connect(struct task_struct *task, __s64 fd)
{
	struct sock *sk = socket_of(task, fd);
	if (!sk)
		return 0;
	if (is_tcp(sk)) {
		connected(sk);
	} else if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX && needed(FAMILY_UNIX)) {
		struct unix_sock *peer = (void *)BPF_CORE_READ((struct unix_sock *)sk, peer);
		if (peer)
			unix_record(peer);
	}
	return 0;
}

static __always_inline int after_network_call(struct task_struct *task, struct pt_regs *regs, long nr, long ret)
{
	return nr == NR_CONNECT ? after_connect(task, (__s32)regs->di) : after_accept(task, ret);
}

#endif
