/* Does one rare thing with the real system call, and says which processes had part in it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/capability.h>

static char shared[64] = "before";

static void must(long result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
}

static pid_t child_that_waits(void)
{
	pid_t child = fork();
	must(child, "fork");
	if (child == 0)
		for (;;)
			pause();
	return child;
}

static void end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, 0, 0);
}

static void reach(void)
{
	pid_t child = child_that_waits();
	printf("%d\n", child);
	struct user_regs_struct regs;
	must(ptrace(PTRACE_ATTACH, child, 0, 0), "attach");
	waitpid(child, 0, 0);
	must(ptrace(PTRACE_GETREGS, child, 0, &regs), "getregs");
	must(ptrace(PTRACE_SETREGS, child, 0, &regs), "setregs");
	for (int i = 0; i < 5; i++)
		must(ptrace(PTRACE_POKEDATA, child, shared, 0x656b6f70L), "poke");
	must(ptrace(PTRACE_DETACH, child, 0, 0), "detach");
	must(ptrace(PTRACE_SEIZE, child, 0, 0), "seize");
	end(child);
}

static void memory_of_other(void)
{
	pid_t child = child_that_waits();
	printf("%d\n", child);
	char buffer[64];
	struct iovec here = { buffer, sizeof(buffer) }, there = { shared, sizeof(shared) };
	for (int i = 0; i < 3; i++)
		must(syscall(SYS_process_vm_readv, child, &here, 1, &there, 1, 0), "readv");
	must(syscall(SYS_process_vm_writev, child, &here, 1, &there, 1, 0), "writev");
	long pidfd = syscall(SYS_pidfd_open, child, 0);
	must(pidfd, "pidfd_open");
	must(syscall(SYS_pidfd_getfd, pidfd, 1, 0), "getfd");
	end(child);
}

static void nested(void)
{
	int told[2];
	must(pipe(told), "pipe");
	must(unshare(CLONE_NEWPID), "unshare");
	pid_t init = fork();
	if (init == 0) {
		pid_t child = fork();
		if (child == 0) {
			char name[32] = {};
			/* The file system is the outer namespace's: its number is the one the kernel's records have. */
			must(readlink("/proc/self", name, sizeof(name) - 1), "readlink");
			must(write(told[1], name, 32), "write");
			for (;;)
				pause();
		}
		char name[32], buffer[64];
		must(read(told[0], name, 32), "read");
		printf("%s %d\n", name, child);
		fflush(stdout);
		struct iovec here = { buffer, sizeof(buffer) }, there = { shared, sizeof(shared) };
		must(syscall(SYS_process_vm_readv, child, &here, 1, &there, 1, 0), "readv");
		end(child);
		exit(0);
	}
	waitpid(init, 0, 0);
}

static void executable(void)
{
	for (int i = 0; i < 3; i++) {
		char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		page[0] = 1;
		must(mprotect(page, 4096, PROT_READ | PROT_EXEC), "mprotect");
		mmap(0, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
}

static void library(const char *path)
{
	for (int i = 0; i < 2; i++) {
		int fd = open(path, O_RDONLY);
		must(fd, path);
		if (mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED)
			must(-1, "mmap");
	}
}

static void program(void)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 7 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insn_cnt = 2, .prog_name = "picket_probe" };
	attr.insns = (unsigned long)insns;
	attr.license = (unsigned long)"GPL";
	long fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	must(fd, "bpf");
	struct bpf_prog_info info = {};
	union bpf_attr ask = { .info = { .bpf_fd = fd, .info_len = sizeof(info), .info = (unsigned long)&info } };
	must(syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof(ask)), "info");
	printf("%u ", info.id);
	for (int i = 0; i < 8; i++)
		printf("%02x", info.tag[i]);
	insns[1].code = BPF_JMP | BPF_JA;
	strcpy(attr.prog_name, "picket_bad");
	if (syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)) >= 0)
		exit(1);
}

static void capabilities(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	must(syscall(SYS_capget, &header, data), "capget");
	must(syscall(SYS_capset, &header, data), "capset to the same");
	data[0].effective &= ~(1u << CAP_SYS_TIME);
	must(syscall(SYS_capset, &header, data), "capset");
	printf("%llu\n", (unsigned long long)data[1].effective << 32 | data[0].effective);
}

static void users(void)
{
	must(syscall(SYS_setresuid, 0, 0, 0), "setresuid to the same");
	must(syscall(SYS_setresgid, 4321, 4322, -1), "setresgid");
	must(syscall(SYS_setresuid, 1234, 1235, 0), "setresuid");
}

static int born(void *none)
{
	return 0;
}

static void namespaces(void)
{
	static char stack[65536];
	int own = open("/proc/self/ns/uts", O_RDONLY);
	must(unshare(CLONE_NEWUTS), "unshare");
	must(setns(own, 0), "setns");
	pid_t child = clone(born, stack + sizeof(stack), CLONE_NEWIPC | CLONE_NEWNET | SIGCHLD, 0);
	must(child, "clone");
	printf("%d\n", child);
	waitpid(child, 0, 0);
}

static void mounts(const char *directory)
{
	must(unshare(CLONE_NEWNS), "unshare");
	must(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0), "private");
	must(chdir(directory), "chdir");
	must(mount("picket-source", "./place", "tmpfs", MS_NOSUID, 0), "mount");
	must(umount2("place", MNT_DETACH), "umount");
	must(mount("picket-root", "place", "tmpfs", 0, 0), "mount");
	must(mkdir("place/old", 0700), "mkdir");
	if (fork() == 0) {
		must(chroot("place"), "chroot");
		exit(0);
	}
	wait(0);
	must(syscall(SYS_pivot_root, "place", "place/old"), "pivot_root");
}

static void settings(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	must(syscall(SYS_add_key, "user", "picket-test", "x", 1, -2 /* of the process */), "add_key");
	syscall(SYS_request_key, "user", "picket-absent", 0, 0);
	must(syscall(SYS_keyctl, 0 /* get_keyring_id */, -2, 0), "keyctl");
	must(syscall(SYS_setresuid, 65534, 65534, 65534), "setresuid");
	/* Refused, all of them. */
	if (clock_settime(CLOCK_REALTIME, &now) == 0 || syscall(SYS_kexec_load, 0, 0, 0, 0) == 0)
		exit(1);
}

static void give(struct io_uring_sqe *sqe, int op, int dir, const char *name)
{
	sqe->opcode = op;
	sqe->fd = dir;
	sqe->addr = (unsigned long)name;
}

static void ring(const char *directory)
{
	struct io_uring_params params = {};
	long fd = syscall(SYS_io_uring_setup, 8, &params);
	must(fd, "io_uring_setup");
	char *sq = mmap(0, params.sq_off.array + params.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
	struct io_uring_sqe *sqes = mmap(0, 8 * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
	struct sockaddr_in nowhere = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	must(chdir(directory), "chdir");
	int below = open("below", O_DIRECTORY);
	must(below, "below");
	memset(sqes, 0, 8 * sizeof(*sqes));
	sqes[0].opcode = IORING_OP_NOP;
	give(&sqes[1], IORING_OP_OPENAT, AT_FDCWD, "made");
	sqes[1].open_flags = O_CREAT | O_WRONLY;
	sqes[1].len = 0600;
	give(&sqes[2], IORING_OP_RENAMEAT, AT_FDCWD, "old");
	sqes[2].len = below;
	sqes[2].off = (unsigned long)"new";
	give(&sqes[3], IORING_OP_UNLINKAT, below, "gone");
	give(&sqes[4], IORING_OP_CONNECT, socket(AF_INET, SOCK_STREAM, 0), (void *)&nowhere);
	sqes[4].off = sizeof(nowhere);
	for (unsigned i = 0; i < 5; i++)
		((unsigned *)(sq + params.sq_off.array))[i] = i;
	__atomic_store_n((unsigned *)(sq + params.sq_off.tail), 5, __ATOMIC_RELEASE);
	must(syscall(SYS_io_uring_enter, fd, 5, 5, IORING_ENTER_GETEVENTS, 0, 0), "io_uring_enter");
}

int main(int argc, char **argv)
{
	const char *act = argc > 1 ? argv[1] : "", *path = argc > 2 ? argv[2] : "";
	setbuf(stdout, 0);
	if (!strcmp(act, "reach")) reach();
	else if (!strcmp(act, "memory")) memory_of_other();
	else if (!strcmp(act, "nested")) nested();
	else if (!strcmp(act, "executable")) executable();
	else if (!strcmp(act, "library")) library(path);
	else if (!strcmp(act, "memfd")) must(memfd_create("picket-test", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd");
	else if (!strcmp(act, "program")) program();
	else if (!strcmp(act, "capabilities")) capabilities();
	else if (!strcmp(act, "users")) users();
	else if (!strcmp(act, "namespaces")) namespaces();
	else if (!strcmp(act, "mounts")) mounts(path);
	else if (!strcmp(act, "settings")) settings();
	else if (!strcmp(act, "ring")) ring(path);
	else return 2;
	return 0;
}
