/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* UDP, both directions. The packets tell of flows: they are the kernel's own copy, whatever call (or io_uring) sent
 * them. The address hooks run in the calling process and say whose a socket is; a packet that comes in has no process.
 * Addresses are those of the packet, thus after any NAT of this host. */
#ifndef PICKET_UDP_H
#define PICKET_UDP_H

#include "network.h"

/* New peers that one socket may tell of in a second: a resolver or a scan has thousands, and the first say enough. */
#define PEERS_PER_SECOND 64
#define SECOND 1000000000ULL

/* What is known of one socket; it goes with the socket. */
struct socket_state {
	__u64 start_ns;
	__u32 pid;       /* 0: not known yet */
	__u32 binding;   /* bind(2) asked for a port by its number */
	__u64 second;    /* when the count below began */
	__u32 told, pad;
	__u8 last[16];   /* the peer of the last packet: most packets are for the same */
	__u32 last_port, pad2;
};

struct peer_key { __u64 cookie; __u8 address[16]; __u32 port, pad; };
enum { PEER_ASKED = 1, PEER_TOLD = 2 };

struct { __uint(type, BPF_MAP_TYPE_SK_STORAGE); __uint(map_flags, BPF_F_NO_PREALLOC); __type(key, int); __type(value, struct socket_state); } SOCKETS SEC(".maps");
/* Flows that were told of. About 1 MB; a flow that fell out is told of again. */
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 16384); __type(key, struct peer_key); __type(value, __u8); } PEERS SEC(".maps");
/* Whose the sockets were that were open before the programs ran, by cookie. */
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 8192); __type(key, __u64); __type(value, struct connecting); } HOLDERS SEC(".maps");

struct datagram {
	__u16 family, local_port, remote_port;
	__u16 body; /* where what UDP carries begins */
	__u8 local[16], remote[16];
};

static __always_inline void take_owner(struct socket_state *state)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 pid = BPF_CORE_READ(task, tgid);
	if (state->pid == pid || !BPF_CORE_READ(task, mm))
		return;
	state->pid = pid;
	state->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
}

/* For hooks that run in the process that calls. */
static __always_inline struct socket_state *owned(struct bpf_sock *sk)
{
	struct socket_state *state = sk ? bpf_sk_storage_get(&SOCKETS, sk, 0, BPF_SK_STORAGE_GET_F_CREATE) : 0;
	if (state)
		take_owner(state);
	return state;
}

static __always_inline int asked(struct bpf_sock_addr *ctx, struct peer_key *key)
{
	__u8 mark = PEER_ASKED;
	owned(ctx->sk);
	key->cookie = bpf_get_socket_cookie(ctx);
	key->port = __builtin_bswap16(ctx->user_port);
	/* An answer of this peer is then no flow that came in. */
	bpf_map_update_elem(&PEERS, key, &mark, BPF_NOEXIST);
	return 1;
}

SEC("cgroup/sendmsg4")
int on_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct peer_key key = {};
	*(__u32 *)key.address = ctx->user_ip4;
	return asked(ctx, &key);
}

SEC("cgroup/sendmsg6")
int on_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct peer_key key = {};
	__u32 *address = (__u32 *)key.address;
	address[0] = ctx->user_ip6[0];
	address[1] = ctx->user_ip6[1];
	address[2] = ctx->user_ip6[2];
	address[3] = ctx->user_ip6[3];
	return asked(ctx, &key);
}

static __always_inline int on_address(struct bpf_sock_addr *ctx, bool binding)
{
	if (ctx->protocol != IPPROTO_UDP)
		return 1;
	struct socket_state *state = owned(ctx->sk);
	if (state && binding)
		state->binding = ctx->user_port != 0;
	return 1;
}

SEC("cgroup/connect4") int on_connect4(struct bpf_sock_addr *ctx) { return on_address(ctx, false); }
SEC("cgroup/connect6") int on_connect6(struct bpf_sock_addr *ctx) { return on_address(ctx, false); }
SEC("cgroup/recvmsg4") int on_recvmsg4(struct bpf_sock_addr *ctx) { return on_address(ctx, false); }
SEC("cgroup/recvmsg6") int on_recvmsg6(struct bpf_sock_addr *ctx) { return on_address(ctx, false); }
SEC("cgroup/bind4") int on_bind4(struct bpf_sock_addr *ctx) { return on_address(ctx, true); }
SEC("cgroup/bind6") int on_bind6(struct bpf_sock_addr *ctx) { return on_address(ctx, true); }

static __always_inline void udp_record(struct datagram *d, struct socket_state *state, __u16 activity)
{
	struct net_record r = {};
	r.head.type = RECORD_NET;
	r.head.flags = NET_UDP;
	r.head.pid = state->pid;
	r.head.start_ns = state->start_ns;
	r.head.time_ns = bpf_ktime_get_boot_ns();
	r.activity = activity;
	r.family = d->family;
	r.local_port = d->local_port;
	r.remote_port = d->remote_port;
	__builtin_memcpy(r.local, d->local, 16);
	__builtin_memcpy(r.remote, d->remote, 16);
	emit(&LIFECYCLE, &r, sizeof(r), RECORD_NET, WAKE);
}

static __always_inline int bound(struct bpf_sock *ctx, struct datagram *d)
{
	if (ctx->protocol != IPPROTO_UDP)
		return 1;
	struct socket_state *state = bpf_sk_storage_get(&SOCKETS, ctx, 0, 0);
	if (!state || !state->binding)
		return 1;
	state->binding = 0;
	d->local_port = ctx->src_port;
	udp_record(d, state, NET_LISTEN);
	return 1;
}

SEC("cgroup/post_bind4")
int on_post_bind4(struct bpf_sock *ctx)
{
	struct datagram d = { .family = AF_INET };
	*(__u32 *)d.local = ctx->src_ip4;
	return bound(ctx, &d);
}

SEC("cgroup/post_bind6")
int on_post_bind6(struct bpf_sock *ctx)
{
	struct datagram d = { .family = AF_INET6 };
	__u32 *local = (__u32 *)d.local;
	local[0] = ctx->src_ip6[0];
	local[1] = ctx->src_ip6[1];
	local[2] = ctx->src_ip6[2];
	local[3] = ctx->src_ip6[3];
	return bound(ctx, &d);
}

/* TCP leaves at the first byte that says so. */
static __always_inline bool only_udp(__u8 protocol)
{
	return protocol == IPPROTO_UDP;
}

static __always_inline bool read_datagram(struct __sk_buff *skb, struct datagram *d, bool out)
{
	__be16 ports[2];
	__u8 protocol;
	__u32 at = transport_header(skb, only_udp, &protocol);
	if (!at || bpf_skb_load_bytes(skb, at, ports, 4))
		return false;
	bool v4 = skb->protocol == __builtin_bswap16(ETHERTYPE_IPV4);
	d->family = v4 ? AF_INET : AF_INET6;
	d->body = at + UDP_HEADER;
	d->local_port = __builtin_bswap16(ports[out ? 0 : 1]);
	d->remote_port = __builtin_bswap16(ports[out ? 1 : 0]);
	if (v4)
		return !bpf_skb_load_bytes(skb, out ? 12 : 16, d->local, 4) && !bpf_skb_load_bytes(skb, out ? 16 : 12, d->remote, 4);
	return !bpf_skb_load_bytes(skb, out ? 8 : 24, d->local, 16) && !bpf_skb_load_bytes(skb, out ? 24 : 8, d->remote, 16);
}

static __always_inline bool same_peer(struct socket_state *state, struct datagram *d)
{
	__u64 *a = (__u64 *)state->last, *b = (__u64 *)d->remote;
	return a[0] == b[0] && a[1] == b[1] && state->last_port == d->remote_port;
}

/* The socket was connected to this peer, perhaps by another address than the packet has now. */
static __always_inline bool connected_to(struct bpf_sock *sk, struct datagram *d)
{
	if (d->family == AF_INET)
		return sk->dst_ip4 == *(__u32 *)d->remote && __builtin_bswap16(sk->dst_port) == d->remote_port;
	__u32 *remote = (__u32 *)d->remote;
	return sk->dst_ip6[0] == remote[0] && sk->dst_ip6[1] == remote[1] && sk->dst_ip6[2] == remote[2] && sk->dst_ip6[3] == remote[3]
		&& __builtin_bswap16(sk->dst_port) == d->remote_port;
}

static __always_inline bool allowed(struct socket_state *state)
{
	__u64 now = bpf_ktime_get_boot_ns();
	if (now - state->second > SECOND) {
		state->second = now;
		state->told = 0;
	}
	return state->told++ < PEERS_PER_SECOND;
}

static __always_inline void flow(struct bpf_sock *sk, struct socket_state *state, struct peer_key *key, struct datagram *d, bool out)
{
	__u8 *mark = bpf_map_lookup_elem(&PEERS, key), told = PEER_TOLD;
	bool reply = !out && (mark || connected_to(sk, d));
	if (reply || (mark && *mark == PEER_TOLD) || !allowed(state)) {
		bump(&FILTERED, RECORD_NET);
		return;
	}
	bpf_map_update_elem(&PEERS, key, &told, BPF_ANY);
	udp_record(d, state, out ? NET_CONNECT : NET_ACCEPT);
}

static __always_inline struct socket_state *state_of(struct __sk_buff *skb, struct bpf_sock *sk, bool out)
{
	struct socket_state *state = bpf_sk_storage_get(&SOCKETS, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!state || state->pid)
		return state;
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct connecting *held = bpf_map_lookup_elem(&HOLDERS, &cookie);
	if (held) {
		state->pid = held->pid;
		state->start_ns = held->start_ns;
	} else if (out) {
		/* A send runs in its sender up to here. */
		take_owner(state);
	}
	return state;
}

#endif
