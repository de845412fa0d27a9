// Reaching into another process: looking at it, changing it, taking from it. And memory made executable.
#include "rows.h"
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

static volatile long WORD = 42;

pid_t waiting_child(void)
{
	pid_t child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	say_pid("target", child);
	return child;
}

void end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

ROW(access_ptrace)
{
	(void)dir, (void)marker;
	pid_t child = waiting_child();
	if (ptrace(PTRACE_SEIZE, child, 0, 0))
		fail("ptrace");
	end(child);
}

ROW(tamper_poke)
{
	(void)dir, (void)marker;
	pid_t child = waiting_child();
	if (ptrace(PTRACE_ATTACH, child, 0, 0))
		fail("ptrace");
	waitpid(child, NULL, 0);
	if (ptrace(PTRACE_POKEDATA, child, &WORD, 43))
		fail("poke");
	end(child);
}

ROW(access_memory)
{
	(void)dir, (void)marker;
	pid_t child = waiting_child();
	long word = 0;
	struct iovec own = { &word, sizeof(word) }, other = { (void *)&WORD, sizeof(word) };
	if (process_vm_readv(child, &own, 1, &other, 1, 0) != sizeof(word) || word != 42)
		fail("process_vm_readv");
	end(child);
}

ROW(tamper_memory_write)
{
	(void)dir, (void)marker;
	pid_t child = waiting_child();
	long word = 44;
	struct iovec own = { &word, sizeof(word) }, other = { (void *)&WORD, sizeof(word) };
	if (process_vm_writev(child, &own, 1, &other, 1, 0) != sizeof(word))
		fail("process_vm_writev");
	end(child);
}

ROW(tamper_proc_mem)
{
	(void)dir, (void)marker;
	pid_t child = waiting_child();
	char path[64];
	long word = 45;
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)child);
	int fd = open(path, O_RDWR);
	if (fd < 0 || pwrite(fd, &word, sizeof(word), (off_t)(uintptr_t)&WORD) != sizeof(word))
		fail(path);
	close(fd);
	end(child);
}

ROW(access_descriptor)
{
	(void)dir, (void)marker;
	pid_t child = waiting_child();
	int pidfd = syscall(SYS_pidfd_open, child, 0);
	if (pidfd < 0 || syscall(SYS_pidfd_getfd, pidfd, 1, 0) < 0)
		fail("pidfd_getfd");
	hold();
	end(child);
}

ROW(tamper_executable_memory)
{
	(void)dir, (void)marker;
	unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		fail("mmap");
	page[0] = 0xc3; // ret
	if (mprotect(page, 4096, PROT_READ | PROT_EXEC))
		fail("mprotect");
	((void (*)(void))page)();
	// In one step as well: writable and executable at once.
	if (mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC))
		fail("mprotect");
}
