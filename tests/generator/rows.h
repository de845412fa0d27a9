// What each row's own file gives to generate.c.
#ifndef PICKET_ROWS_H
#define PICKET_ROWS_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

void fail(const char *what);
void say(const char *key, const char *value);
void say_pid(const char *key, pid_t pid);

// A child that waits until it is killed; the parent's `end` does it.
pid_t waiting_child(void);
void end(pid_t child);
// `dir/marker`
char *path_in(const char *dir, const char *marker);
int make_file(const char *path, const char *text, int mode);
// Where there is no BPF, what is gone within a quarter of a second is not seen, as the host says.
void hold(void);
// A copy of this very program.
void copy_self(const char *path);
struct sockaddr_in;
struct sockaddr_in loopback(uint16_t port);
// A bound socket and its port.
int bound(int type, uint16_t *port);
void say_port(const char *key, uint16_t port);
// Acts until it is told to end.
void steady(const char *dir, const char *marker);

#define ROW(name) void name(const char *dir, const char *marker)
ROW(process_creation); ROW(process_termination);
ROW(file_creation); ROW(file_modification); ROW(file_deletion); ROW(file_rename); ROW(file_mode); ROW(file_owner);
ROW(file_attributes); ROW(file_credential_read); ROW(file_fingerprint); ROW(raw_device);
ROW(script_file); ROW(script_argument); ROW(script_stdin); ROW(bind_shell);
ROW(network_tcp); ROW(network_udp); ROW(dns_query); ROW(network_unix);
ROW(module_load); ROW(library_load); ROW(bpf_load);
ROW(access_ptrace); ROW(access_memory); ROW(access_descriptor); ROW(tamper_poke); ROW(tamper_memory_write);
ROW(tamper_proc_mem); ROW(tamper_executable_memory); ROW(tamper_preload); ROW(memfd_make); ROW(memfd_execute);
ROW(privilege_credentials); ROW(privilege_capabilities); ROW(privilege_namespaces); ROW(mount_change); ROW(mount_chroot);
ROW(evade_arguments); ROW(evade_swapped_name); ROW(evade_handed_over); ROW(evade_long_path); ROW(evade_not_utf8);
ROW(evade_short_life); ROW(evade_detach); ROW(evade_container); ROW(evade_same_number); ROW(evade_swapped_argument);
ROW(evade_swapped_address);
ROW(uring_setup); ROW(uring_operation); ROW(keyring_use); ROW(kernel_time); ROW(kernel_kexec); ROW(kernel_parameter);

#endif
