# What packages and quickstart.sh share when they remove Picket. Sourced, POSIX sh, installed beside the binaries.
# shellcheck shell=sh

# Seconds that a process gets to end in peace.
STOP_SECONDS=10

stop_service() {
    if [ -d /run/systemd/system ]; then
        systemctl disable --now "$1" || true
    fi
}

# The start time (clock ticks since boot) of a pid: with it a number names one process for ever.
start_of() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# Ends every process that runs the binary $1 (also when that has been replaced on disk), and nothing else: a container's
# binary may have the same name, so the mount namespace must be ours.
stop_processes() {
    own=$(readlink /proc/self/ns/mnt)
    for exe in /proc/[0-9]*/exe; do
        target=$(readlink "$exe" 2>/dev/null) || continue
        [ "$(readlink "${exe%/exe}/ns/mnt" 2>/dev/null)" = "$own" ] || continue
        if [ "$target" = "$1" ] || [ "$target" = "$1 (deleted)" ]; then
            pid=${exe#/proc/}
            stop_process "${pid%/exe}" "$(start_of "${pid%/exe}")"
        fi
    done
}

# Ends the process with pid $1 if it still is the one that started at $2.
stop_process() {
    [ -n "$2" ] && [ "$(start_of "$1")" = "$2" ] || return 0
    kill -TERM "$1" 2>/dev/null || return 0
    waited=0
    while [ "$(start_of "$1")" = "$2" ] && [ "$(state_of "$1")" != Z ]; do
        if [ "$waited" -ge $((STOP_SECONDS * 10)) ]; then
            kill -KILL "$1" 2>/dev/null || true
            return 0
        fi
        sleep 0.1
        waited=$((waited + 1))
    done
}

state_of() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f1; }

# What an agent leaves for its next life, or to block domains without it, by its state directory $1.
remove_pin() {
    pin=/sys/fs/bpf/picket/$(printf %s "$1" | tr -c 'A-Za-z0-9' _)
    rm -f "$pin" "${pin}_domains" "${pin}_domains_new"
    rmdir /sys/fs/bpf/picket 2>/dev/null || true
}

# Isolation and denials of kernel modules outlive the agent on purpose; removal must not leave them. Marks of fanotify
# and BPF end with the process.
remove_containment() {
    rm -f /run/modprobe.d/00-picket-*.conf
    command -v nft >/dev/null 2>&1 || return 0
    nft delete table inet picket_isolation 2>/dev/null || true
    for namespace in /run/netns/*; do
        [ -e "$namespace" ] || continue
        nsenter --net="$namespace" nft delete table inet picket_isolation 2>/dev/null || true
    done
}
