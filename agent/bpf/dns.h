/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* DNS messages over UDP, as packets: a question when it leaves, an answer when it reaches the socket that asked. What
 * they say is for user space to read; here only ports and the direction are looked at. */
#ifndef PICKET_DNS_H
#define PICKET_DNS_H

#include "udp.h"

#define DNS_PORT 53
#define DNS_HEADER 12
/* A message without EDNS has 512 bytes, one with it hardly ever more than a packet; a longer one loses its end. */
#define DNS_MAX 1500

static __always_inline void dns_record(struct __sk_buff *skb, struct socket_state *state, struct datagram *d, bool answer)
{
	__u32 slot = 0, len = skb->len - d->body;
	if (skb->len <= d->body || len < DNS_HEADER)
		return;
	struct scratch *s = take(RECORD_DNS, &slot);
	if (!s)
		return;
	struct dns_record *r = (void *)s;
	r->head.type = RECORD_DNS;
	r->head.flags = answer ? DNS_ANSWER : 0;
	r->head.pid = state->pid;
	r->head.start_ns = state->start_ns;
	r->head.time_ns = bpf_ktime_get_boot_ns();
	r->cookie = bpf_get_socket_cookie(skb);
	r->len = len;
	r->pad = 0;
	if (len > DNS_MAX)
		len = DNS_MAX;
	r->data_len = len;
	/* Two comparisons, or older verifiers lose the bounds. */
	barrier_var(len);
	if (len > DNS_MAX)
		len = DNS_MAX;
	barrier_var(len);
	if (len >= DNS_HEADER && !bpf_skb_load_bytes(skb, d->body, s->bytes + sizeof(*r), len))
		send(&LIFECYCLE, s, sizeof(*r) + len, RECORD_DNS, answer ? WAKE : RIDE_ALONG);
	give(slot);
}

static __always_inline void passes(struct __sk_buff *skb, bool out)
{
	struct datagram d = {};
	if (!read_datagram(skb, &d, out))
		return;
	struct bpf_sock *sk = skb->sk;
	if (!sk)
		return;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return;
	struct socket_state *state = state_of(skb, sk, out);
	if (!state)
		return;
	bool dns = d.remote_port == DNS_PORT;
	if (!dns && same_peer(state, &d)) {
		bump(&FILTERED, RECORD_NET);
		return;
	}
	struct peer_key key = { .cookie = bpf_get_socket_cookie(skb), .port = d.remote_port };
	__builtin_memcpy(key.address, d.remote, 16);
	/* Only who asked gets an answer: what port 53 of somebody sends of its own accord is a flow and no more. */
	if (dns && (out || bpf_map_lookup_elem(&PEERS, &key) || connected_to(sk, &d)))
		dns_record(skb, state, &d, !out);
	flow(sk, state, &key, &d, out);
	__builtin_memcpy(state->last, d.remote, 16);
	state->last_port = d.remote_port;
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb)
{
	passes(skb, true);
	return 1;
}

SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff *skb)
{
	passes(skb, false);
	return 1;
}

#endif
