#!/bin/bash
# Lets libFuzzer at every parser of bytes from outside, guided by coverage, one target after the other.
#
#   packaging/fuzz.sh                  # each target for 60 s
#   packaging/fuzz.sh 600 ring audit   # these two, 10 minutes each
#   packaging/fuzz.sh --list
#
# What was found to be new is kept in the corpus (PICKET_CACHE, /var/cache/picket by default) for the next run. The first
# crash ends it, with the input's path.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/lib.sh
export_build_cache

mapfile -t targets < <(sed -n 's/^name = "\(.*\)"$/\1/p' tests/fuzz/Cargo.toml | grep -v '^picket-fuzz$')
case ${1:-} in
-h | --help)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
--list)
    printf '%s\n' "${targets[@]}"
    exit 0
    ;;
esac
seconds=${1:-60}
[[ $seconds =~ ^[0-9]+$ ]] || fail "$seconds is no number of seconds"
shift || true
[ $# -eq 0 ] || targets=("$@")

need_rust
need_packages "${BUILD_PACKAGES[@]}"
# With a target named, build scripts and macros are built without these.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
triple=$(rustc -vV | sed -n 's/^host: //p')
out=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
step "targets"
cargo build --release --locked --manifest-path tests/fuzz/Cargo.toml --target "$triple" --target-dir "$out"

for target in "${targets[@]}"; do
    step "$target, $seconds s"
    corpus=$PICKET_CACHE/fuzz/$target
    mkdir -p "$corpus"
    seeds=()
    [ ! -d "tests/fuzz/seeds/$target" ] || seeds=("tests/fuzz/seeds/$target")
    [ "$target" != sigma ] || seeds=(common/detect/rules)
    [ "$target" != yara ] || seeds=(common/detect/rules/yara)
    "$out/$triple/release/$target" -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$corpus-" "$corpus" "${seeds[@]}" 2>&1 |
        grep -vE '^(#[0-9]+	(NEW|REDUCE|RELOAD|pulse|INITED)|INFO|	NEW_FUNC|WARNING: Failed to find|".* # Uses|######|Loaded )' ||
        fail "$target: see above"
done
