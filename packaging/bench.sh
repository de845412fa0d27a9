#!/bin/bash
# Measures Picket on this machine with the binaries as they are shipped, and prints the figures of docs/BENCHMARKS.md.
#
#   packaging/bench.sh                 # everything, some ten minutes
#   packaging/bench.sh latency ingest  # only these: latency, load, ingest, connections
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR/.. source=packaging/lib.sh
. packaging/lib.sh
export_build_cache

case ${1:-} in
-h | --help)
    sed -n '2,5s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

need_root "it loads BPF programs"
need_rust
need_packages "${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}"
step "release binaries"
cargo build --release --locked -p picket-agent -p picket-coordinator -p picket-cli
cargo build --release --locked -p picket-tests --bin picket-bench
target=${CARGO_TARGET_DIR:-$PWD/target}
export PICKET_BIN=$target/release
step "$(uname -srm), $(nproc) cores, $(. /etc/os-release && echo "$PRETTY_NAME"), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
"$target/release/picket-bench" "$@"
