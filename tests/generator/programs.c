// Programs: started, ended, given scripts, preloaded, kept in memory; and what is loaded into them and the kernel.
#include "rows.h"
#include <linux/bpf.h>

static void run(char *const argv[], char *const envp[], int in)
{
	pid_t child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0) {
		if (in >= 0 && (dup2(in, 0) < 0 || dup2(in, 1) < 0))
			fail("dup2");
		execve(argv[0], argv, envp);
		fail(argv[0]);
	}
	say_pid("child", child);
	waitpid(child, NULL, 0);
}

static char *NOTHING[] = { "PATH=/usr/bin:/bin", NULL };

ROW(process_creation)
{
	(void)dir;
	char *argv[] = { "/proc/self/exe", "be", (char *)marker, NULL };
	run(argv, NOTHING, -1);
}

ROW(process_termination)
{
	(void)dir, (void)marker;
	pid_t child = fork();
	if (child == 0)
		_exit(7);
	say_pid("child", child);
	waitpid(child, NULL, 0);
}

ROW(script_file)
{
	char *path = path_in(dir, marker), *text = NULL;
	if (asprintf(&text, "#!/bin/sh\n: %s\n", marker) < 0)
		fail("asprintf");
	close(make_file(path, text, 0700));
	char *argv[] = { "/bin/sh", path, NULL };
	run(argv, NOTHING, -1);
}

ROW(script_argument)
{
	(void)dir;
	char *text = NULL;
	if (asprintf(&text, ": %s", marker) < 0)
		fail("asprintf");
	char *argv[] = { "/bin/sh", "-c", text, NULL };
	run(argv, NOTHING, -1);
}

ROW(script_stdin)
{
	(void)dir;
	int ends[2];
	if (pipe2(ends, O_CLOEXEC))
		fail("pipe");
	dprintf(ends[1], ": %s\n", marker);
	close(ends[1]);
	pid_t child = fork();
	if (child == 0) {
		char *argv[] = { "/bin/sh", NULL };
		dup2(ends[0], 0);
		execve(argv[0], argv, NOTHING);
		fail("sh");
	}
	say_pid("child", child);
	waitpid(child, NULL, 0);
}

// A shell whose input and output are a socket, as a bind or a reverse shell has it.
ROW(bind_shell)
{
	(void)dir;
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		fail("socketpair");
	dprintf(ends[1], ": %s\nexit\n", marker);
	shutdown(ends[1], SHUT_WR);
	char *argv[] = { "/bin/sh", "-s", (char *)marker, NULL };
	run(argv, NOTHING, ends[0]);
}

ROW(tamper_preload)
{
	(void)marker;
	char *preload = NULL;
	if (asprintf(&preload, "LD_PRELOAD=%s/%s.so", dir, marker) < 0)
		fail("asprintf");
	char *argv[] = { "/proc/self/exe", "be", (char *)marker, NULL };
	char *envp[] = { "PATH=/bin", preload, NULL };
	run(argv, envp, -1);
}

ROW(memfd_make)
{
	(void)dir;
	if (memfd_create(marker, MFD_CLOEXEC) < 0)
		fail("memfd_create");
	hold();
}

ROW(memfd_execute)
{
	(void)dir;
	char block[65536];
	int from = open("/proc/self/exe", O_RDONLY), fd = memfd_create(marker, 0);
	if (from < 0 || fd < 0)
		fail("memfd_create");
	for (ssize_t n; (n = read(from, block, sizeof(block))) > 0;)
		if (write(fd, block, n) != n)
			fail("write");
	pid_t child = fork();
	if (child == 0) {
		char *argv[] = { "be", "be", (char *)marker, NULL };
		fexecve(fd, argv, NOTHING);
		fail("fexecve");
	}
	say_pid("child", child);
	waitpid(child, NULL, 0);
}

// Refused by every kernel: an attempt counts, and nothing is loaded.
ROW(module_load)
{
	int fd = make_file(path_in(dir, marker), "no module", 0600);
	if (syscall(SYS_finit_module, fd, "", 0) == 0)
		fail("a text was loaded as a module");
}

ROW(library_load)
{
	char *path = path_in(dir, marker);
	copy_self(path);
	int fd = open(path, O_RDONLY);
	if (fd < 0 || mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED)
		fail("mmap");
}

ROW(bpf_load)
{
	(void)dir;
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {};
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = 2;
	attr.license = (uintptr_t)"GPL";
	snprintf(attr.prog_name, sizeof(attr.prog_name), "%.15s", marker);
	if (syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)) < 0)
		fail("bpf");
}
