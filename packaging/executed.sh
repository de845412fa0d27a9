#!/bin/bash
# Runs attack procedures in a virtual machine under a live agent, each in the same kept state, and says of each what was
# told and detected; or a quiet day, and what the pack says of it. docs/DETECTION.md has the results.
#
#   packaging/executed.sh                          # all procedures of the data set, an hour and more under emulation
#   packaging/executed.sh --only T1053.003         # of one technique, or the beginning of a test's number
#   packaging/executed.sh --rules my-rules/        # with other rules than those that are built in
#   packaging/executed.sh --again                  # judge once more what the last run kept
#   packaging/executed.sh --day                    # a quiet day
#
# The data set is not part of the project: PICKET_ATOMICS or --data names its file. Where it is absent nothing is run.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR/.. source=packaging/lib.sh
. packaging/lib.sh
export_build_cache

case ${1:-} in
-h | --help)
    sed -n '2,11s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

need_root "it makes a root file system and starts a virtual machine"
need_rust
need_packages "${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
step "release binaries"
cargo build --release --locked -p picket-agent -p picket-coordinator -p picket-cli
cargo build --release --locked -p picket-tests --bin picket-executed
target=${CARGO_TARGET_DIR:-$PWD/target}
export PICKET_BIN=$target/release
step "the server's disk image"
PICKET_LAB=$(tests/kernel/build-image.sh server)
export PICKET_LAB
step "$(nproc) cores, commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
"$target/release/picket-executed" "$@"
