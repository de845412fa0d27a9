#!/bin/bash
# Measures Picket on this machine with the binaries as they are shipped, and prints the figures of docs/BENCHMARKS.md.
#
#   packaging/bench.sh                 # everything, some half an hour
#   packaging/bench.sh latency ingest  # only these: latency, load, ingest, connections, pipeline, sensor
#   packaging/bench.sh sensor dd pace  # only these of the sensor: storm, pace, build, dd, kernel, memory, flow
#
# auditd, the peer of the sensor's parts, is unpacked from its Debian package and not installed; PICKET_AUDITD may name
# a place where it is already.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR/.. source=packaging/lib.sh
. packaging/lib.sh
export_build_cache

case ${1:-} in
-h | --help)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

# Unpacks auditd where PICKET_AUDITD points; without it the peer is left out, and the figures say so.
unpack_auditd() {
    export PICKET_AUDITD=${PICKET_AUDITD:-${PICKET_CACHE:-/var/cache/picket}/auditd}
    [ ! -x "$PICKET_AUDITD/sbin/auditd" ] || return 0
    local draft
    draft=$(mktemp -d)
    if (cd "$draft" && apt-get download auditd libauparse0 >/dev/null 2>&1); then
        for package in "$draft"/*.deb; do dpkg-deb -x "$package" "$draft/root"; done
        mkdir -p "$PICKET_AUDITD/sbin" "$PICKET_AUDITD/library"
        find "$draft/root" -type f \( -name auditd -o -name auditctl \) -path '*/sbin/*' \
            -exec cp {} "$PICKET_AUDITD/sbin/" \;
        find "$draft/root" -name 'libauparse.so*' -exec cp -a {} "$PICKET_AUDITD/library/" \;
    else
        unset PICKET_AUDITD
    fi
    rm -rf "$draft"
}

need_root "it loads BPF programs"
need_rust
need_packages "${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}"
step "release binaries"
cargo build --release --locked -p picket-agent -p picket-coordinator -p picket-cli
cargo build --release --locked -p picket-tests --bin picket-bench
target=${CARGO_TARGET_DIR:-$PWD/target}
export PICKET_BIN=$target/release
case "${*:-sensor}" in
*sensor*) unpack_auditd ;;
esac
step "$(uname -srm), $(nproc) cores, $(. /etc/os-release && echo "$PRETTY_NAME"), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
"$target/release/picket-bench" "$@"
