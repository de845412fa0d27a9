#!/bin/bash
# Measures Picket on this machine with the binaries as they are shipped, and prints the figures of docs/BENCHMARKS.md.
#
#   packaging/bench.sh                 # everything, some half an hour
#   packaging/bench.sh latency ingest  # only these: latency, load, ingest, alone, connections, pipeline, simulate,
#                                      # decide, sensor, detect, contain
#   packaging/bench.sh sensor dd pace  # only these of the sensor: storm, pace, build, dd, kernel, memory, flow
#   packaging/bench.sh contain kill    # only this of containment: kill, isolate, exec, spread, residue
#   packaging/bench.sh detect pairs    # only this of detection: stream, live, sample, pairs, indicators, correlation
#
# auditd, the peer of the sensor's parts, is unpacked from its Debian package and not installed; PICKET_AUDITD may name
# a place where it is already. rsigma-eval, the peer of detection's, is built apart from the workspace.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR/.. source=packaging/lib.sh
. packaging/lib.sh
export_build_cache

case ${1:-} in
-h | --help)
    sed -n '2,12s/^# \{0,1\}//p' "$0"
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

# Builds rsigma-eval where PICKET_RSIGMA points. One of its dependencies asks for a newer compiler than it needs.
build_rsigma() {
    local target=${PICKET_CACHE:-/var/cache/picket}/rsigma
    CARGO_TARGET_DIR=$target cargo build --release --locked --ignore-rust-version \
        --manifest-path tests/bench/rsigma/Cargo.toml
    export PICKET_RSIGMA=$target/release/picket-bench-rsigma
}

# 100,000 sequences against a brute-force oracle, a million groups, and how fast each type is.
correlations() {
    step "correlations"
    cargo test --release --locked -p picket-detect --test correlation -- --ignored --nocapture --test-threads 1 |
        grep '^correlation'
}

# Agents killed at every call to the kernel of every act and its undoing.
residue() {
    step "crashes"
    cargo test --release --locked -p picket-agent --test containment -- --ignored --exact --nocapture \
        residue::a_crash_at_any_call_leaves_nothing_behind | grep '^residue'
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
case "${*:-detect}" in
"detect live" | "detect indicators" | "detect correlation") ;;
*detect*) build_rsigma ;;
esac
step "$(uname -srm), $(nproc) cores, $(. /etc/os-release && echo "$PRETTY_NAME"), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
parts=()
for part in "$@"; do
    case $part in
    correlation | residue) ;;
    *) parts+=("$part") ;;
    esac
done
case "${*:-all}" in
"detect correlation" | "contain residue") ;;
*) "$target/release/picket-bench" "${parts[@]}" ;;
esac
case "${*:-detect}" in
detect | *correlation*) correlations ;;
esac
case "${*:-contain}" in
contain | *residue*) residue ;;
esac
