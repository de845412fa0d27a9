#!/bin/bash
# Builds Picket from this checkout and runs a coordinator and an agent for this machine.
#
#   packaging/quickstart.sh            build, start, enrol; run again it changes nothing
#   packaging/quickstart.sh --drill    the same, then a harmless intrusion: is each step seen, stopped and undone?
#   packaging/quickstart.sh --stop     stop both; state stays
#   packaging/quickstart.sh --remove   stop both and remove everything (asks; --yes does not)
#
# Everything lies below $PICKET_STATE (default /var/lib/picket); beside it only the link /usr/local/bin/picket and the
# system user picket, which --remove takes away again. Agents act under the bundle `careful`: it watches everything, asks
# before anything disruptive, and acts alone only on what the drill starts. PICKET_BIN names ready-made binaries.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR/.. source=packaging/lib.sh
. packaging/lib.sh
# shellcheck source=packaging/removal.sh
. packaging/removal.sh
# shellcheck source=packaging/run.sh
. packaging/run.sh
export_build_cache

STATE=${PICKET_STATE:-/var/lib/picket}
API=${PICKET_API:-http://127.0.0.1:8843}
LISTEN=${PICKET_LISTEN:-127.0.0.1:8844}
LINK=/usr/local/bin/picket
# The user that the coordinator runs as; it needs no privilege at all.
USER_NAME=picket
# How the coordinator runs: as its own user, without a capability and without a way to gain one.
AS_COORDINATOR=(setpriv --reuid "$USER_NAME" --regid "$USER_NAME" --clear-groups --no-new-privs --bounding-set=-all
    --inh-caps=-all --)
# Seconds until a part that was started must answer.
READY_SECONDS=60
export PICKET_API=$API PICKET_TOKEN_FILE=$STATE/coordinator/api-token

usage() { sed -n '2,11s/^# \{0,1\}//p' "$0"; }

action=start yes=
for argument in "$@"; do
    case $argument in
    --drill | --stop | --remove) action=${argument#--} ;;
    --yes | -y) yes=1 ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        fail "unknown argument $argument"
        ;;
    esac
done

check_machine() {
    need_root "it watches the kernel and installs packages; try sudo $0"
    case $STATE in
    /*) ;;
    *) fail "PICKET_STATE must be an absolute path, not $STATE" ;;
    esac
    [ "$(. /etc/os-release && echo "${ID:-} ${VERSION_ID:-}")" = "debian 12" ] ||
        echo "note: made for Debian 12; this is $(. /etc/os-release && echo "${PRETTY_NAME:-something else}")"
    for unit in picket-agent picket-coordinator; do
        ! unit_is_active "$unit.service" || fail "the installed package's $unit.service is running; stop it first: systemctl stop $unit"
    done
}

build() {
    need_packages "${RUN_PACKAGES[@]}"
    if [ -n "${PICKET_BIN:-}" ]; then
        return 0
    fi
    need_rust
    need_packages "${BUILD_PACKAGES[@]}"
    step "building (the first time takes some minutes)"
    cargo build --release --locked -p picket-agent -p picket-coordinator -p picket-cli
    PICKET_BIN=${CARGO_TARGET_DIR:-$PWD/target}/release
}

# Copies what changed, each as a whole, so that a running binary is replaced and not overwritten.
install_binaries() {
    install -d -m 0755 "$STATE" "$STATE/bin" "$STATE/run" "$STATE/log"
    local name
    cmp -s "$PICKET_BIN/picket-agent" "$STATE/bin/picket-agent" || allow_maintenance
    for name in picket picket-agent picket-coordinator; do
        cmp -s "$PICKET_BIN/$name" "$STATE/bin/$name" && continue
        install -m 0755 "$PICKET_BIN/$name" "$STATE/bin/.$name.new"
        mv "$STATE/bin/.$name.new" "$STATE/bin/$name"
        rm -f "$STATE/run/${name#picket-}.current"
    done
    if [ ! -e "$LINK" ] && [ ! -L "$LINK" ]; then
        ln -s "$STATE/bin/picket" "$LINK"
    fi
}

make_user() {
    if ! id "$USER_NAME" >/dev/null 2>&1; then
        useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$USER_NAME"
        touch "$STATE/.made-user"
    fi
    "${AS_COORDINATOR[@]}" test -x "$STATE" ||
        fail "the user $USER_NAME cannot reach $STATE: a directory above it is closed; choose another PICKET_STATE"
}

picket() { "$STATE/bin/picket" "$@"; }

start_coordinator() {
    install -d -m 0700 -o "$USER_NAME" -g "$USER_NAME" "$STATE/coordinator"
    write_once "$STATE/coordinator.toml" <<CONFIG
state_dir = "$STATE/coordinator"
listen = "$LISTEN"
api = "${API#http://}"
CONFIG
    start_part coordinator "${AS_COORDINATOR[@]}" "$STATE/bin/picket-coordinator" run --config "$STATE/coordinator.toml"
    wait_until "the coordinator answers" "$STATE/log/coordinator.log" coordinator_answers
}

coordinator_answers() { [ -s "$PICKET_TOKEN_FILE" ] && picket policy show >/dev/null 2>&1; }

start_agent() {
    install -d -m 0700 "$STATE/agent"
    write_once "$STATE/agent.toml" <<CONFIG
state_dir = "$STATE/agent"
CONFIG
    if [ ! -e "$STATE/agent/identity" ]; then
        step "enrolling this machine"
        (umask 077 && picket token --ttl 10m --uses 1 >"$STATE/run/join-token")
        "$STATE/bin/picket-agent" enrol --token-file "$STATE/run/join-token" --config "$STATE/agent.toml"
        rm -f "$STATE/run/join-token"
    fi
    start_part agent "$STATE/bin/picket-agent" run --config "$STATE/agent.toml"
    wait_until "the agent has its policy" "$STATE/log/agent.log" agent_answers
}

agent_answers() { picket status && picket hosts --json | grep -q '"bundle": [0-9]'; }

start() {
    check_machine
    build
    install_binaries
    make_user
    start_coordinator
    start_agent
    picket status
    cat <<HINT

Picket runs. State, logs and binaries: $STATE
  look        picket status, picket events, picket incidents   (picket --help)
  try         $0 --drill
  stop        $0 --stop
  remove      $0 --remove
HINT
    type -P picket >/dev/null || echo "  /usr/local/bin is not in your PATH: use $STATE/bin/picket"
}

# Where the agent defends itself, whoever stops or replaces it shows a token signed with the policy key.
allow_maintenance() {
    local token host
    [ -x "$STATE/bin/picket-agent" ] && part_runs agent && coordinator_answers || return 0
    host=$("$STATE/bin/picket-agent" status --config "$STATE/agent.toml" | sed -n 's/^host .*(\(.*\))$/\1/p') || return 0
    [ -n "$host" ] || return 0
    token=$(mktemp -u "$STATE/run/maintenance.XXXXXX")
    if picket policy maintenance --host "$host" --for 10m --key "$STATE/coordinator/policy.key" --note quickstart \
        --out "$token" >/dev/null; then
        "$STATE/bin/picket-agent" maintenance --token-file "$token" --config "$STATE/agent.toml" >/dev/null || true
    fi
    rm -f "$token"
}

stop() {
    need_root "what it started runs as root"
    allow_maintenance
    stop_part agent
    stop_part coordinator
}

remove() {
    need_root "what it started runs as root"
    [ -e "$STATE/bin/picket-coordinator" ] || [ -e "$STATE/.made-user" ] || fail "no quickstart in $STATE"
    if [ -z "$yes" ]; then
        read -r -p "Remove Picket and everything in $STATE (quarantined files too)? [y/N] " answer || answer=
        [ "$answer" = y ] || fail "nothing was removed; --yes does not ask"
    fi
    stop
    # Whatever of it was started by hand.
    stop_processes "$STATE/bin/picket-agent"
    stop_processes "$STATE/bin/picket-coordinator"
    remove_containment
    remove_pin "$STATE/agent"
    [ "$(readlink "$LINK" 2>/dev/null)" != "$STATE/bin/picket" ] || rm -f "$LINK"
    if [ -e "$STATE/.made-user" ]; then
        userdel "$USER_NAME" 2>/dev/null || true
    fi
    local name
    for name in agent coordinator bin run log agent.toml coordinator.toml .made-user; do
        rm -rf "${STATE:?}/$name"
    done
    rmdir --ignore-fail-on-non-empty "$STATE"
    echo "removed"
}

case $action in
start) start ;;
stop) stop ;;
remove) remove ;;
drill)
    start
    step "drill"
    picket drill
    ;;
esac
