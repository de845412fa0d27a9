// Published ways around a sensor: arguments rewritten after or during the call, open files handed over, names that are
// too long or no text, lives that are too short.
#include "rows.h"
#include <pthread.h>
#include <sys/prctl.h>

// Overwrites its own arguments the moment it runs: what was started is what counts.
ROW(evade_arguments)
{
	(void)dir;
	pid_t child = fork();
	if (child == 0) {
		char *argv[] = { "/proc/self/exe", "forget", (char *)marker, NULL };
		execv(argv[0], argv);
		fail("exec");
	}
	say_pid("child", child);
	waitpid(child, NULL, 0);
}

static char NAME[PATH_MAX];
static const char *ONE, *OTHER;
static volatile int SWAP = 1;

static void *swap(void *unused)
{
	while (SWAP) {
		memcpy(NAME, ONE, strlen(ONE) + 1);
		memcpy(NAME, OTHER, strlen(OTHER) + 1);
	}
	return unused;
}

// Another thread rewrites the name while the call reads it: the event must name the file that was made. Both names have
// one length, so that each is whole at any moment but the last letter.
ROW(evade_swapped_name)
{
	char *one = path_in(dir, marker), *other = strdup(one);
	one[strlen(one) - 1] = 'A';
	other[strlen(other) - 1] = 'B';
	ONE = one, OTHER = other;
	strcpy(NAME, ONE);
	pthread_t thread;
	if (pthread_create(&thread, NULL, swap, NULL))
		fail("thread");
	int fd = -1;
	for (int i = 0; i < 100000 && fd < 0; i++)
		fd = open(NAME, O_CREAT | O_EXCL | O_WRONLY, 0600);
	SWAP = 0;
	pthread_join(thread, NULL);
	if (fd < 0)
		fail("open");
	close(fd);
	say("path", access(one, F_OK) ? other : one);
}

// One opens, another writes: the file comes through a socket.
ROW(evade_handed_over)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		fail("socketpair");
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	pid_t opener = fork();
	if (opener == 0) {
		int fd = make_file(path_in(dir, marker), "", 0600);
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET, head->cmsg_type = SCM_RIGHTS, head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &fd, sizeof(fd));
		if (sendmsg(ends[1], &message, 0) != 1)
			fail("sendmsg");
		_exit(0);
	}
	waitpid(opener, NULL, 0);
	int fd;
	if (recvmsg(ends[0], &message, 0) != 1)
		fail("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	if (write(fd, "x", 1) != 1)
		fail("write");
	close(fd);
}

// More than any path a system call takes: reached step by step.
ROW(evade_long_path)
{
	char name[201];
	memset(name, 'd', 200);
	name[200] = 0;
	if (chdir(dir))
		fail(dir);
	for (int i = 0; i < 50; i++)
		if ((mkdir(name, 0700) && errno != EEXIST) || chdir(name))
			fail("mkdir");
	close(make_file(marker, "", 0600));
}

ROW(evade_not_utf8)
{
	char *path = NULL;
	if (asprintf(&path, "%s/%s\xff\xfe", dir, marker) < 0)
		fail("asprintf");
	close(make_file(path, "", 0600));
}

// Two hundred programs, each over before anybody can look; the last carries the marker.
ROW(evade_short_life)
{
	(void)dir;
	pid_t child = 0;
	for (int i = 0; i < 200; i++) {
		child = fork();
		if (child == 0) {
			char *argv[] = { "/proc/self/exe", "be", i == 199 ? (char *)marker : "x", NULL };
			execv(argv[0], argv);
			_exit(1);
		}
		waitpid(child, NULL, 0);
	}
	say_pid("child", child);
}

// Lets go of what it traced at once.
ROW(evade_detach)
{
	(void)dir, (void)marker;
	pid_t child = waiting_child();
	long trace(int request, pid_t pid, void *address, void *data) __asm__("ptrace");
	if (trace(16, child, 0, 0)) // PTRACE_ATTACH
		fail("ptrace");
	waitpid(child, NULL, 0);
	trace(17, child, 0, 0); // PTRACE_DETACH
	end(child);
}
