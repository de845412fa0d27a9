/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Where in a packet of the cgroup hooks, which begin at the IP header, the transport's header begins. */
#ifndef PICKET_PACKET_H
#define PICKET_PACKET_H

#include "kernel.h"
#include <bpf/bpf_helpers.h>

#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define UDP_HEADER 8
/* Extension headers before the transport's; real packets have none or one. */
#define EXTENSIONS_MAX 4

typedef bool (*transport)(__u8 protocol);

/* 0 for any other protocol than those that are wanted; which one it is. */
static __always_inline __u32 transport_header(struct __sk_buff *skb, transport wanted, __u8 *protocol)
{
	__u8 head[20];
	if (skb->protocol == __builtin_bswap16(ETHERTYPE_IPV4)) {
		if (bpf_skb_load_bytes(skb, 0, head, 20) || !wanted(head[9]))
			return 0;
		/* Of a fragment, only the first has the header. */
		if ((head[6] & 0x1f) | head[7])
			return 0;
		*protocol = head[9];
		return (head[0] & 15) * 4;
	}
	if (skb->protocol != __builtin_bswap16(ETHERTYPE_IPV6) || bpf_skb_load_bytes(skb, 6, head, 1))
		return 0;
	__u32 at = 40;
	__u8 next = head[0];
	for (int i = 0; i <= EXTENSIONS_MAX; i++) {
		if (wanted(next)) {
			*protocol = next;
			return at;
		}
		/* hop-by-hop, routing, fragment, destination */
		if (next != 0 && next != 43 && next != 44 && next != 60)
			return 0;
		if (bpf_skb_load_bytes(skb, at, head, 2))
			return 0;
		at += next == 44 ? 8 : (head[1] + 1) * 8;
		next = head[0];
	}
	return 0;
}

#endif
