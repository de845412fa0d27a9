// Files: made, changed, moved, removed; their mode, owner and attributes; devices.
#include "rows.h"
#include <sys/xattr.h>

char *path_in(const char *dir, const char *marker)
{
	char *path = NULL;
	if (asprintf(&path, "%s/%s", dir, marker) < 0)
		fail("asprintf");
	return path;
}

int make_file(const char *path, const char *text, int mode)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, mode);
	if (fd < 0)
		fail(path);
	if (write(fd, text, strlen(text)) < 0)
		fail("write");
	return fd;
}

void copy_self(const char *path)
{
	char block[65536];
	int from = open("/proc/self/exe", O_RDONLY), to = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0755);
	if (from < 0 || to < 0)
		fail(path);
	for (ssize_t n; (n = read(from, block, sizeof(block))) > 0;)
		if (write(to, block, n) != n)
			fail("copy");
	close(from);
	close(to);
}

ROW(file_creation)
{
	close(make_file(path_in(dir, marker), "", 0640));
}

// The file is there before: only its content changes.
ROW(file_modification)
{
	int fd = open(path_in(dir, marker), O_WRONLY | O_APPEND);
	if (fd < 0 || write(fd, "more\n", 5) != 5)
		fail("modify");
	close(fd);
}

ROW(file_deletion)
{
	if (unlink(path_in(dir, marker)))
		fail("unlink");
}

ROW(file_rename)
{
	char *path = path_in(dir, marker), *to = NULL;
	if (asprintf(&to, "%s.new", path) < 0 || rename(path, to))
		fail("rename");
}

ROW(file_mode)
{
	if (chmod(path_in(dir, marker), 04755))
		fail("chmod");
}

ROW(file_owner)
{
	if (chown(path_in(dir, marker), 12345, 54321))
		fail("chown");
}

ROW(file_attributes)
{
	if (setxattr(path_in(dir, marker), "user.picket", "x", 1, 0))
		fail("setxattr");
}

ROW(file_credential_read)
{
	(void)dir, (void)marker;
	char block[16];
	int fd = open("/etc/shadow", O_RDONLY);
	if (fd < 0 || read(fd, block, sizeof(block)) < 0)
		fail("/etc/shadow");
	close(fd);
}

ROW(file_fingerprint)
{
	char *path = path_in(dir, marker);
	int fd = make_file(path, "#!/nothing\n", 0600);
	for (int i = 0; i < 4000; i++)
		if (dprintf(fd, "%d %s\n", i * 7919, marker) < 0)
			fail("write");
	close(fd);
}

// The first disk that may be opened; where there is none, nothing is done and no path is said.
ROW(raw_device)
{
	(void)dir, (void)marker;
	static const char *disks[] = { "/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/loop0", "/dev/ram0" };
	for (size_t i = 0; i < sizeof(disks) / sizeof(*disks); i++) {
		int fd = open(disks[i], O_RDONLY | O_NONBLOCK);
		if (fd >= 0) {
			close(fd);
			say("path", disks[i]);
			return;
		}
	}
}
