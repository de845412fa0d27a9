// Does the one thing that a row of docs/TELEMETRY.md is about, by real system calls, and prints what it did as lines of
// `key=value`: at least `pid`, the process that acted. Usage: generate ROW DIRECTORY MARKER
//
// It uses system calls and not other programs, so that only the row itself can be what is seen.
#include "rows.h"

struct row {
	const char *name;
	void (*act)(const char *dir, const char *marker);
};

static const struct row ROWS[] = {
	{ "process.creation", process_creation },
	{ "process.termination", process_termination },
	{ "file.creation", file_creation },
	{ "file.modification", file_modification },
	{ "file.deletion", file_deletion },
	{ "file.rename", file_rename },
	{ "file.mode", file_mode },
	{ "file.owner", file_owner },
	{ "file.attributes", file_attributes },
	{ "file.credential_read", file_credential_read },
	{ "file.fingerprint", file_fingerprint },
	{ "script.file", script_file },
	{ "script.argument", script_argument },
	{ "script.stdin", script_stdin },
	{ "network.connection", network_tcp },
	{ "network.udp", network_udp },
	{ "dns.query", dns_query },
	{ "network.unix", network_unix },
	{ "bind.shell", bind_shell },
	{ "module.load", module_load },
	{ "library.load", library_load },
	{ "bpf.load", bpf_load },
	{ "raw.device", raw_device },
	{ "access.ptrace", access_ptrace },
	{ "access.memory", access_memory },
	{ "access.descriptor", access_descriptor },
	{ "tamper.poke", tamper_poke },
	{ "tamper.memory_write", tamper_memory_write },
	{ "tamper.proc_mem", tamper_proc_mem },
	{ "tamper.executable_memory", tamper_executable_memory },
	{ "tamper.preload", tamper_preload },
	{ "memfd.create", memfd_make },
	{ "memfd.execute", memfd_execute },
	{ "privilege.credentials", privilege_credentials },
	{ "privilege.capabilities", privilege_capabilities },
	{ "privilege.namespaces", privilege_namespaces },
	{ "mount.change", mount_change },
	{ "mount.chroot", mount_chroot },
	{ "io_uring.setup", uring_setup },
	{ "io_uring.operation", uring_operation },
	{ "keyring.use", keyring_use },
	{ "kernel.time", kernel_time },
	{ "kernel.kexec", kernel_kexec },
	{ "kernel.parameter", kernel_parameter },
	{ "evade.arguments", evade_arguments },
	{ "evade.swapped_name", evade_swapped_name },
	{ "evade.handed_over", evade_handed_over },
	{ "evade.long_path", evade_long_path },
	{ "evade.not_utf8", evade_not_utf8 },
	{ "evade.short_life", evade_short_life },
	{ "evade.detach", evade_detach },
	{ "evade.container", evade_container },
	{ "evade.same_number", evade_same_number },
	{ "evade.swapped_argument", evade_swapped_argument },
	{ "evade.swapped_address", evade_swapped_address },
	{ "steady", steady },
};

void fail(const char *what)
{
	perror(what);
	exit(1);
}

void hold(void)
{
	usleep(600000);
}

void say(const char *key, const char *value)
{
	printf("%s=%s\n", key, value);
}

void say_pid(const char *key, pid_t pid)
{
	printf("%s=%d\n", key, (int)pid);
}

int main(int argc, char **argv)
{
	// The other end of the rows that start a program: it lives just long enough to be one.
	if (argc >= 2 && !strcmp(argv[1], "be"))
		return 0;
	if (argc >= 3 && !strcmp(argv[1], "forget")) {
		memset(argv[2], '-', strlen(argv[2]));
		return 0;
	}
	if (argc >= 3 && !strcmp(argv[1], "tell")) {
		say("argument", argv[2]);
		return 0;
	}
	if (argc >= 3 && !strcmp(argv[1], "make"))
		return close(make_file(argv[2], "", 0600));
	if (argc != 4) {
		fprintf(stderr, "usage: generate ROW DIRECTORY MARKER; rows:\n");
		for (size_t i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++)
			fprintf(stderr, "  %s\n", ROWS[i].name);
		return 2;
	}
	// Whatever else goes on in the tests' session, the files of a row come out of a share of their own. Who leads a session
	// already has one.
	setsid();
	setvbuf(stdout, NULL, _IOLBF, 0);
	say_pid("pid", getpid());
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++)
		if (!strcmp(ROWS[i].name, argv[1])) {
			ROWS[i].act(argv[2], argv[3]);
			return 0;
		}
	fprintf(stderr, "generate: there is no row %s\n", argv[1]);
	return 2;
}
