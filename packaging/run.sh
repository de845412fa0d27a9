# Starting and stopping the parts of a quickstart: detached processes, or transient units where systemd runs.
# Sourced, never run. Needs STATE, READY_SECONDS and removal.sh.
# shellcheck shell=bash

has_systemd() { [ -d /run/systemd/system ]; }

unit_is_active() { has_systemd && systemctl --quiet is-active "$1"; }

# write_once FILE: standard input becomes the file, unless the operator has one already.
write_once() {
    if [ -e "$1" ]; then
        cat >/dev/null
    else
        install -m 0644 /dev/stdin "$1"
    fi
}

# start_part NAME COMMAND...: unless it runs already from the binary that is installed now.
start_part() {
    local name=$1
    shift
    if part_runs "$name"; then
        [ ! -e "$STATE/run/$name.current" ] || return 0
        stop_part "$name"
    fi
    step "starting the $name"
    if has_systemd; then
        start_unit "$name" "$@"
    else
        start_process "$name" "$@"
    fi
    touch "$STATE/run/$name.current"
}

# The pid file holds the pid and when it started: a number alone may be somebody else's by now. In the background of a
# script setsid does not fork, so $! is the command itself.
start_process() {
    local name=$1 pid
    shift
    setsid "$@" >>"$STATE/log/$name.log" 2>&1 </dev/null &
    pid=$!
    echo "$pid $(start_of "$pid")" >"$STATE/run/$name.pid"
}

start_unit() {
    local name=$1
    shift
    systemctl reset-failed "picket-quickstart-$name.service" 2>/dev/null || true
    systemd-run --quiet --unit="picket-quickstart-$name" --description="Picket $name (quickstart)" \
        -p Restart=always -p RestartSec=1 -p "StandardOutput=append:$STATE/log/$name.log" \
        -p "StandardError=append:$STATE/log/$name.log" "$@"
}

part_runs() {
    unit_is_active "picket-quickstart-$1.service" && return 0
    local pid start
    [ -r "$STATE/run/$1.pid" ] && read -r pid start <"$STATE/run/$1.pid" || return 1
    [ -n "$start" ] && [ "$(start_of "$pid")" = "$start" ] && [ "$(state_of "$pid")" != Z ]
}

stop_part() {
    local pid start
    if unit_is_active "picket-quickstart-$1.service"; then
        systemctl stop "picket-quickstart-$1.service"
    fi
    if [ -r "$STATE/run/$1.pid" ] && read -r pid start <"$STATE/run/$1.pid"; then
        stop_process "$pid" "$start"
    fi
    rm -f "$STATE/run/$1.pid" "$STATE/run/$1.current"
}

# wait_until WHAT LOG COMMAND...: or says what the log says.
wait_until() {
    local what=$1 log=$2 waited=0
    shift 2
    until "$@" >/dev/null 2>&1; do
        if [ "$waited" -ge $((READY_SECONDS * 5)) ]; then
            tail -n 20 "$log" >&2 || true
            fail "waited $READY_SECONDS s in vain until $what; the end of $log is above"
        fi
        sleep 0.2
        waited=$((waited + 1))
    done
}
