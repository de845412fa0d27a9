// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Drops the questions to name servers that are for a denied domain or anything below it, whoever of the control group
// asks. An object of its own: it is loaded while a domain is denied, and its link may outlive the agent, so that the
// kernel itself ends what it denies. The sender of a datagram is told EPERM; over TCP the question never arrives.
//
// The hook is the socket's way out: the packet is whole there, before the kernel cuts or translates it. It may be
// interrupted by itself on the same CPU, so nothing is kept but on the stack.
#include "packet.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define DNS_PORT 53
#define DNS_HEADER 12
#define DNS_RESPONSE 0x80
/* RFC 1035: a name with the lengths of its labels and the root's zero; a label; what TCP has before each message. */
#define NAME_MAX 255
#define LABEL_MAX 63
#define TCP_LENGTH 2
/* Denied at once, as the agent limits it. */
#define DENIED_MAX 256
/* Offsets in a packet are bounded, or older verifiers cannot add to them. */
#define PACKET_MAX 0xffff

/* A name in lower case, a dot before each label, from its end to its beginning: `elpmaxe.live.`. What is below a domain
 * begins with it then, and the last dot keeps `notevil.example` apart. */
struct name_key {
	__u32 bits;
	__u8 name[256];
};

/* Until when, in CLOCK_BOOTTIME nanoseconds. The longest match counts, so the agent gives a domain below another one the
 * later end of both. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, DENIED_MAX);
	__type(key, struct name_key);
	__type(value, __u64);
} DENIED_NAMES SEC(".maps");

struct name {
	struct name_key key;
	__u32 length;
};

/* 1 where it is so, without a branch: the verifier follows every way through a loop. */
static __always_inline __u64 is_negative(__s64 value)
{
	return (__u64)value >> 63;
}

/* In place: lengths to dots, letters to lower case. The length of what stands there then; 0 for what is no name, and for
 * the root. */
static __always_inline __u32 read_name(__u8 *name)
{
	__u64 left = 0;
	for (__u32 i = 0; i < NAME_MAX; i++) {
		__u64 byte = name[i];
		__u64 label = is_negative(left - 1);
		__u64 upper = is_negative(byte - 'Z' - 1) & ~is_negative(byte - 'A');
		__u64 shown = byte + upper * ('a' - 'A');
		/* Either the end, or more than a label. */
		if (label & is_negative((__s64)LABEL_MAX - 1 - ((byte - 1) & 0xff)))
			return byte ? 0 : i;
		name[i] = shown + label * ('.' - shown);
		left += label * (byte + 1) - 1;
	}
	return 0;
}

/* Called for each until the middle: by a call, or the verifier would go through all of it for each length. */
static long swap(__u32 i, struct name *name)
{
	__u32 j = name->length - 1 - i;
	if (i >= NAME_MAX || j >= NAME_MAX || j <= i)
		return 1;
	__u8 first = name->key.name[i];
	name->key.name[i] = name->key.name[j];
	name->key.name[j] = first;
	return 0;
}

/* Whether a message that begins there asks for a denied name. Whatever it is not sure of passes. */
__noinline int asks_for_denied(struct __sk_buff *skb, __u32 at)
{
	struct name name = {};
	__u8 head[DNS_HEADER];
	if (!skb || at > PACKET_MAX || bpf_skb_load_bytes(skb, at, head, sizeof(head)))
		return 0;
	if ((head[2] & DNS_RESPONSE) || !(head[4] | head[5]))
		return 0;
	at += DNS_HEADER;
	__u32 size = skb->len;
	if (size <= at)
		return 0;
	size -= at;
	if (size > NAME_MAX)
		size = NAME_MAX;
	barrier_var(size);
	if (size < 1 || size > NAME_MAX || bpf_skb_load_bytes(skb, at, name.key.name, size))
		return 0;
	name.length = read_name(name.key.name);
	if (!name.length)
		return 0;
	bpf_loop(NAME_MAX / 2 + 1, swap, &name, 0);
	name.key.bits = name.length * 8;
	__u64 *until = bpf_map_lookup_elem(&DENIED_NAMES, &name.key);
	return until && bpf_ktime_get_boot_ns() < *until;
}

static __always_inline bool may_ask(__u8 protocol)
{
	return protocol == IPPROTO_UDP || protocol == IPPROTO_TCP;
}

SEC("cgroup_skb/egress")
int on_question(struct __sk_buff *skb)
{
	__u8 head[14], protocol = 0;
	__u32 at = transport_header(skb, may_ask, &protocol);
	/* The ports are at the same place in both. */
	if (!at || bpf_skb_load_bytes(skb, at, head, 4) || head[2] || head[3] != DNS_PORT)
		return 1;
	int denied;
	if (protocol == IPPROTO_UDP) {
		denied = asks_for_denied(skb, at + UDP_HEADER);
	} else {
		if (bpf_skb_load_bytes(skb, at, head, sizeof(head)))
			return 1;
		at += (head[12] >> 4) * 4;
		/* Some send the length by itself before the message. */
		denied = asks_for_denied(skb, at + TCP_LENGTH) || asks_for_denied(skb, at);
	}
	/* The verifier does not know what a function gives, and the compiler would. */
	barrier_var(denied);
	return denied ? 0 : 1;
}
