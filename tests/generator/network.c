// Sockets: TCP and UDP over the loopback, a name asked for in a network of its own, a Unix socket worth watching.
#include "rows.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/un.h>

struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

int bound(int type, uint16_t *port)
{
	struct sockaddr_in address = loopback(*port);
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, type, 0);
	if (fd < 0 || bind(fd, (void *)&address, len) || getsockname(fd, (void *)&address, &len))
		fail("bind");
	*port = ntohs(address.sin_port);
	return fd;
}

void say_port(const char *key, uint16_t port)
{
	printf("%s=%u\n", key, port);
}

ROW(network_tcp)
{
	(void)dir, (void)marker;
	uint16_t port = 0;
	int listener = bound(SOCK_STREAM, &port);
	if (listen(listener, 1))
		fail("listen");
	struct sockaddr_in address = loopback(port);
	int client = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(client, (void *)&address, sizeof(address)))
		fail("connect");
	if (accept(listener, NULL, NULL) < 0)
		fail("accept");
	say_port("port", port);
	hold();
}

ROW(network_udp)
{
	(void)dir, (void)marker;
	uint16_t port = 20000 + getpid() % 20000, from = 0;
	int server = bound(SOCK_DGRAM, &port), client = bound(SOCK_DGRAM, &from);
	struct sockaddr_in address = loopback(port);
	char byte = 1;
	if (sendto(client, &byte, 1, 0, (void *)&address, sizeof(address)) != 1)
		fail("sendto");
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	if (recvfrom(server, &byte, 1, 0, (void *)&peer, &len) != 1)
		fail("recvfrom");
	say_port("port", port);
	say_port("from", from);
	hold();
}

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
		fail("lo");
	close(fd);
}

// One label of the name, then `example` and `test`; type A, class IN.
static size_t question(unsigned char *at, const char *marker)
{
	const char *labels[] = { marker, "example", "test" };
	size_t len = 12;
	memset(at, 0, len);
	at[0] = 0x12, at[1] = 0x34, at[2] = 1, at[5] = 1;
	for (int i = 0; i < 3; i++) {
		size_t n = strlen(labels[i]);
		at[len++] = n;
		memcpy(at + len, labels[i], n);
		len += n;
	}
	memcpy(at + len, "\0\0\1\0\1", 5);
	return len + 5;
}

ROW(dns_query)
{
	(void)dir;
	unsigned char packet[512], answer[512];
	if (unshare(CLONE_NEWNET))
		fail("unshare");
	loopback_up();
	uint16_t port = 53, from = 0;
	int server = bound(SOCK_DGRAM, &port);
	pid_t responder = fork();
	if (responder == 0) {
		struct sockaddr_in peer;
		socklen_t len = sizeof(peer);
		ssize_t n = recvfrom(server, answer, sizeof(answer) - 16, 0, (void *)&peer, &len);
		answer[2] = 0x81, answer[3] = 0x80, answer[7] = 1;
		memcpy(answer + n, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\7", 16); // 192.0.2.7
		sendto(server, answer, n + 16, 0, (void *)&peer, len);
		_exit(0);
	}
	close(server);
	int client = bound(SOCK_DGRAM, &from);
	struct sockaddr_in address = loopback(53);
	if (connect(client, (void *)&address, sizeof(address)))
		fail("connect");
	size_t len = question(packet, marker);
	if (send(client, packet, len, 0) != (ssize_t)len || recv(client, answer, sizeof(answer), 0) <= 0)
		fail("dns");
	waitpid(responder, NULL, 0);
}

ROW(network_unix)
{
	(void)marker;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/docker.sock", dir);
	unlink(address.sun_path);
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(server, (void *)&address, sizeof(address)) || listen(server, 1))
		fail("bind");
	if (connect(client, (void *)&address, sizeof(address)))
		fail("connect");
	say("path", address.sun_path);
}
