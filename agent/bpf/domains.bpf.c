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
/* The root, a type and a class. */
#define QUESTION_MIN 5
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

/* Loops are calls: a verifier that goes through them byte by byte gives up. */
struct name {
	struct name_key key;
	__u32 label;  /* where the next label begins */
	__u32 length; /* of the whole, once its end is found */
};

/* In place: lengths to dots, letters to lower case. */
static long read_byte(__u32 i, struct name *name)
{
	if (i >= NAME_MAX)
		return 1;
	__u8 byte = name->key.name[i];
	if (i != name->label) {
		if (byte >= 'A' && byte <= 'Z')
			byte += 'a' - 'A';
	} else {
		if (!byte)
			name->length = i;
		if (!byte || byte > LABEL_MAX)
			return 1;
		name->label = i + byte + 1;
		byte = '.';
	}
	name->key.name[i] = byte;
	return 0;
}

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

/* 0, which the verifier must not know: before 6.7 it looks at what bpf_loop calls once, with the values of the first round,
 * and takes out what it then believes never to happen. */
static __always_inline __u32 unknown_zero(const __u32 *unknown)
{
	__u32 once = *(const volatile __u32 *)unknown, again = *(const volatile __u32 *)unknown;
	return once - again;
}

/* Whether a message that begins there asks for a denied name. Whatever it is not sure of passes. */
__noinline int asks_for_denied(struct __sk_buff *skb, __u32 at)
{
	struct name name = {};
	__u8 head[DNS_HEADER] __attribute__((aligned(4)));
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
	if (size < QUESTION_MIN || size > NAME_MAX || bpf_skb_load_bytes(skb, at, name.key.name, size))
		return 0;
	name.label = unknown_zero((__u32 *)head);
	bpf_loop(NAME_MAX, read_byte, &name, 0);
	/* No name, or the root. */
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
