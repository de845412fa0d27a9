// What is asked of the kernel itself: privileges, namespaces, mounts, rings, keys, its clock and settings.
#include "rows.h"
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <sys/mount.h>
#include <time.h>

ROW(privilege_credentials)
{
	(void)dir, (void)marker;
	if (setresgid(54321, 54321, 54321) || setresuid(12345, 12345, 12345))
		fail("setresuid");
}

ROW(privilege_capabilities)
{
	(void)dir, (void)marker;
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = {};
	data[0].effective = data[0].permitted = 1 << CAP_CHOWN;
	if (syscall(SYS_capset, &header, data))
		fail("capset");
}

ROW(privilege_namespaces)
{
	(void)dir, (void)marker;
	int own = open("/proc/self/ns/uts", O_RDONLY);
	if (own < 0 || unshare(CLONE_NEWUTS) || setns(own, CLONE_NEWUTS))
		fail("namespaces");
}

ROW(mount_change)
{
	char *target = NULL;
	if (asprintf(&target, "%s/%s.mount", dir, marker) < 0)
		fail("asprintf");
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		fail("unshare");
	if (mkdir(target, 0700) && errno != EEXIST)
		fail(target);
	if (mount("picket", target, "tmpfs", MS_NOSUID, NULL))
		fail("mount");
	hold();
	if (umount2(target, MNT_DETACH))
		fail("umount");
}

ROW(mount_chroot)
{
	(void)marker;
	if (chroot(dir))
		fail("chroot");
}

ROW(uring_setup)
{
	(void)dir, (void)marker;
	struct io_uring_params params = {};
	if (syscall(SYS_io_uring_setup, 8, &params) < 0)
		fail("io_uring_setup");
}

// Makes a file without any system call that makes files.
ROW(uring_operation)
{
	struct io_uring_params params = {};
	int ring = syscall(SYS_io_uring_setup, 8, &params);
	if (ring < 0)
		fail("io_uring_setup");
	size_t len = params.sq_off.array + params.sq_entries * sizeof(unsigned);
	char *sq = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
	struct io_uring_sqe *sqe = mmap(NULL, params.sq_entries * sizeof(*sqe), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
					ring, IORING_OFF_SQES);
	if (sq == MAP_FAILED || sqe == MAP_FAILED)
		fail("mmap");
	char *path = path_in(dir, marker);
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_OPENAT;
	sqe->fd = AT_FDCWD;
	sqe->addr = (uintptr_t)path;
	sqe->len = 0600;
	sqe->open_flags = O_CREAT | O_WRONLY;
	*(unsigned *)(sq + params.sq_off.array) = 0;
	__atomic_store_n((unsigned *)(sq + params.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		fail("io_uring_enter");
	if (access(path, F_OK))
		fail(path);
}

ROW(keyring_use)
{
	(void)dir;
	// -2: the process's own keyring, which ends with it.
	if (syscall(SYS_add_key, "user", marker, "x", 1, -2) < 0)
		fail("add_key");
}

// Sets the clock to what it says already.
ROW(kernel_time)
{
	(void)dir, (void)marker;
	struct timespec now;
	if (clock_gettime(CLOCK_REALTIME, &now) || clock_settime(CLOCK_REALTIME, &now))
		fail("clock_settime");
}

// No segments: it loads nothing, whether the kernel allows it or not.
ROW(kernel_kexec)
{
	(void)dir, (void)marker;
	syscall(SYS_kexec_load, 0, 0, NULL, 0);
}

// A setting of a network of its own.
ROW(kernel_parameter)
{
	(void)dir, (void)marker;
	if (unshare(CLONE_NEWNET))
		fail("unshare");
	int fd = open("/proc/sys/net/ipv4/ip_forward", O_WRONLY);
	if (fd < 0 || write(fd, "1", 1) != 1)
		fail("ip_forward");
	close(fd);
	say("path", "/proc/sys/net/ipv4/ip_forward");
}
