#!/bin/bash
# Installs what the tests need and runs every test: unit, property, real-kernel, packages and the lab of
# virtual machines.
#
#   packaging/test.sh                  # everything
#   packaging/test.sh -E 'test(sigma)' # arguments go to cargo nextest
#   packaging/test.sh --install-only   # only what the tests need
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/lib.sh
export_build_cache

case ${1:-} in
-h | --help)
    sed -n '2,8s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

need_rust
need_packages "${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
cargo_nextest
[ "${1:-}" != --install-only ] || exit 0

step "release binaries, as they are shipped"
cargo build --release --locked -p picket-agent -p picket-coordinator -p picket-cli
target=${CARGO_TARGET_DIR:-$PWD/target}
export PICKET_BIN=$target/release
step "the lab's disk image"
PICKET_LAB=$(tests/kernel/build-image.sh)
export PICKET_LAB
step "tests"
cargo nextest run --workspace --locked --no-fail-fast "$@"
step "documentation examples"
cargo test --workspace --locked --doc --quiet
