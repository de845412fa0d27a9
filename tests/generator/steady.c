// Everyday acts one after the other, each under a name of its own, until DIRECTORY/MARKER.end is there: what is told of
// them while the agent starts anew or the clock is set. A line for each act:
//
//     did KIND NAME PID BOOT WALL BOOT WALL
//
// with the nanoseconds of both clocks before and after it, and `end` at the end.
#include "rows.h"
#include <netinet/in.h>
#include <time.h>

// Every round is a session of its own, so that none comes near a session's share of records.
#define PAUSE_US 50000
// Whoever started this may be gone.
#define ROUNDS_MAX 12000

struct moment {
	long long boot, wall;
};

static long long nanoseconds(clockid_t clock)
{
	struct timespec time;
	clock_gettime(clock, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static struct moment now(void)
{
	return (struct moment){ nanoseconds(CLOCK_BOOTTIME), nanoseconds(CLOCK_REALTIME) };
}

static void did(const char *kind, const char *name, pid_t pid, struct moment before)
{
	struct moment after = now();
	printf("did %s %s %d %lld %lld %lld %lld\n", kind, name, (int)pid, before.boot, before.wall, after.boot, after.wall);
}

#define DO(kind, name, act)                            \
	do {                                           \
		struct moment before = now();          \
		if ((act) < 0)                         \
			fail(kind);                    \
		did(kind, name, getpid(), before);     \
	} while (0)

static int closed(int fd)
{
	return fd < 0 ? -1 : close(fd);
}

static int written(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, "x", 1) != 1 ? -1 : close(fd);
}

static void connected(void)
{
	uint16_t port = 0;
	int listener = bound(SOCK_STREAM, &port), client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = loopback(port);
	char name[16];
	snprintf(name, sizeof(name), "%u", port);
	if (listen(listener, 1) || client < 0)
		fail("listen");
	DO("connect", name, connect(client, (void *)&address, sizeof(address)));
	close(client);
	close(listener);
}

static void ran(const char *kind, const char *name, char *const argv[])
{
	static char *nothing[] = { "PATH=/usr/bin:/bin", NULL };
	struct moment before = now();
	pid_t child = fork();
	if (child == 0) {
		execve(argv[0], argv, nothing);
		fail(argv[0]);
	}
	if (child < 0 || waitpid(child, NULL, 0) != child)
		fail("fork");
	did(kind, name, child, before);
	if (!strcmp(kind, "launch"))
		did("exit", name, child, before);
}

static void one_round(const char *dir, const char *name)
{
	char *path = path_in(dir, name), *text = NULL;
	if (setsid() < 0 || asprintf(&text, ": %s", name) < 0)
		fail("setsid");
	DO("create", path, closed(open(path, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0600)));
	DO("set_mode", path, chmod(path, 0640));
	DO("write", path, written(path));
	DO("delete", path, unlink(path));
	DO("memfd", name, closed(memfd_create(name, MFD_CLOEXEC)));
	connected();
	char *launch[] = { "/proc/self/exe", "be", (char *)name, NULL }, *script[] = { "/bin/sh", "-c", text, NULL };
	ran("launch", name, launch);
	ran("script", name, script);
}

void steady(const char *dir, const char *marker)
{
	char *end = NULL, *name = NULL;
	if (asprintf(&end, "%s/%s.end", dir, marker) < 0)
		fail("asprintf");
	for (int i = 0; i < ROUNDS_MAX && access(end, F_OK); i++) {
		if (asprintf(&name, "%s-%d-", marker, i) < 0)
			fail("asprintf");
		pid_t child = fork();
		if (child == 0) {
			one_round(dir, name);
			_exit(0);
		}
		int status = 0;
		if (child < 0 || waitpid(child, &status, 0) != child || status)
			fail("round");
		free(name);
		usleep(PAUSE_US);
	}
	printf("end\n");
}
