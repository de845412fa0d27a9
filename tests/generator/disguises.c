// More ways around a sensor: a container by hand, a process number used again, words and addresses swapped during the call.
#include "rows.h"
#include <linux/sched.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/mount.h>

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		fail(path);
	close(fd);
}

static void say_namespace(const char *key, pid_t pid, const char *kind)
{
	char path[64], link[64] = {};
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, kind);
	if (readlink(path, link, sizeof(link) - 1) < 0)
		fail(path);
	link[strcspn(link, "]")] = 0;
	say(key, strchr(link, '[') + 1);
}

// In there it is number 1, root of nobody else, and its root directory is a file system of its own.
static void contained(const char *root, const char *marker, int self, int go)
{
	char byte, name[64];
	if (read(go, &byte, 1) != 1 || getpid() != 1)
		fail("go");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("picket", root, "tmpfs", 0, NULL))
		fail("mount");
	if (chroot(root) || chdir("/"))
		fail("chroot");
	snprintf(name, sizeof(name), "/inside-%s", marker);
	close(make_file(name, "", 0600));
	char *argv[] = { "be", "be", (char *)marker, NULL }, *envp[] = { NULL };
	fexecve(self, argv, envp);
	fail("fexecve");
}

ROW(evade_container)
{
	char *root = NULL, path[64];
	int go[2], self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (self < 0 || pipe2(go, O_CLOEXEC) || asprintf(&root, "%s/%s.root", dir, marker) < 0 || mkdir(root, 0755))
		fail("prepare");
	long flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | SIGCHLD;
	pid_t child = syscall(SYS_clone, flags, 0, 0, 0, 0);
	if (child < 0)
		fail("clone");
	if (child == 0)
		contained(root, marker, self, go[0]);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)child);
	put(path, "0 0 1");
	snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)child);
	put(path, "0 0 1");
	say_pid("child", child);
	say_namespace("pid_ns", child, "pid");
	say_namespace("user_ns", child, "user");
	int status = 0;
	if (write(go[1], "x", 1) != 1 || waitpid(child, &status, 0) != child || status)
		fail("container");
}

// Runs a program as a process of this number.
static void run_as(pid_t number, char *const argv[])
{
	struct clone_args args = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&number, .set_tid_size = 1 };
	char *envp[] = { NULL };
	pid_t child = syscall(SYS_clone3, &args, sizeof(args));
	if (child < 0)
		fail("clone3");
	if (child == 0) {
		execve("/proc/self/exe", argv, envp);
		fail("exec");
	}
	waitpid(child, NULL, 0);
}

// One process after the other with one number: what the second does is not the first one's.
ROW(evade_same_number)
{
	pid_t number = fork();
	if (number == 0)
		_exit(0);
	waitpid(number, NULL, 0);
	say_pid("child", number);
	char *path = path_in(dir, marker);
	char *first[] = { "be", "be", "somebody-else", NULL }, *second[] = { "make", "make", path, (char *)marker, NULL };
	run_as(number, first);
	usleep(30000); // starts are counted in hundredths of a second
	run_as(number, second);
}

static char WORD[PATH_MAX];
static struct sockaddr_in ADDRESS;
static uint16_t PORTS[2];
static volatile int SWAP = 1;

static void *swap_word(void *unused)
{
	for (size_t last = strlen(WORD) - 1; SWAP;)
		WORD[last] = 'A', WORD[last] = 'B';
	return unused;
}

static void *swap_port(void *unused)
{
	while (SWAP)
		ADDRESS.sin_port = PORTS[0], ADDRESS.sin_port = PORTS[1];
	return unused;
}

// Another thread rewrites an argument while execve copies it: the program itself says what it was given.
ROW(evade_swapped_argument)
{
	(void)dir;
	snprintf(WORD, sizeof(WORD), "%s-A", marker);
	pid_t child = fork();
	if (child == 0) {
		pthread_t thread;
		char *argv[] = { "tell", "tell", WORD, NULL }, *envp[] = { NULL };
		if (pthread_create(&thread, NULL, swap_word, NULL))
			fail("thread");
		usleep(1000);
		execve("/proc/self/exe", argv, envp);
		fail("exec");
	}
	say_pid("child", child);
	waitpid(child, NULL, 0);
}

// The same with an address while connect reads it: the socket says with whom it speaks.
ROW(evade_swapped_address)
{
	(void)dir, (void)marker;
	int client = socket(AF_INET, SOCK_STREAM, 0);
	for (int i = 0; i < 2; i++) {
		uint16_t port = 0;
		if (listen(bound(SOCK_STREAM, &port), 1))
			fail("listen");
		PORTS[i] = htons(port);
	}
	ADDRESS = loopback(ntohs(PORTS[0]));
	pthread_t thread;
	if (pthread_create(&thread, NULL, swap_port, NULL))
		fail("thread");
	usleep(1000);
	if (connect(client, (void *)&ADDRESS, sizeof(ADDRESS)))
		fail("connect");
	SWAP = 0;
	pthread_join(thread, NULL);
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	if (getpeername(client, (void *)&peer, &len))
		fail("getpeername");
	say_port("port", ntohs(peer.sin_port));
}
