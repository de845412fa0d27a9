# Shell functions that the scripts beside this file share. Sourced, never run.
# shellcheck shell=bash disable=SC2034

# The Rust release the workspace is written for (rust-version in Cargo.toml).
RUST_WANTED=1.95

step() { printf '\n== %s\n' "$*"; }

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

need_root() { [ "$(id -u)" = 0 ] || fail "must run as root: $1"; }

# Build output outlives a checkout when CI is set, so that a second run is quick.
export_build_cache() {
    export PICKET_CACHE=${PICKET_CACHE:-/var/cache/picket}
    if [ -n "${CI:-}" ]; then
        export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PICKET_CACHE/target}
    fi
}

# Says which toolchain is missing and how to get it; installing one is the owner's choice.
need_rust() {
    [ -x "$HOME/.cargo/bin/cargo" ] && PATH=$PATH:$HOME/.cargo/bin
    command -v cargo >/dev/null || fail "no Rust toolchain: Picket needs Rust $RUST_WANTED or newer. Get it from https://rustup.rs:
  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- --default-toolchain $RUST_WANTED"
    local have
    have=$(cargo --version | awk '{print $2}')
    [ "$(printf '%s\n%s\n' "$RUST_WANTED" "$have" | sort -V | head -1)" = "$RUST_WANTED" ] ||
        fail "cargo $have is too old: Picket needs Rust $RUST_WANTED or newer. Run: rustup toolchain install $RUST_WANTED"
}

# Installs those of the named Debian packages that are missing; asks apt only when one is.
need_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || fail "needs the Debian packages: ${missing[*]}"
    need_root "it installs ${missing[*]}"
    step "installing ${missing[*]}"
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# A C compiler and linker for Rust, cmake for aws-lc, clang-19 and the BPF headers for agent/bpf.
BUILD_PACKAGES=(build-essential cmake pkg-config clang-19 llvm-19 libbpf-dev linux-libc-dev)
# What runs beside the binaries: nftables for isolation, iproute2 for the drill's namespace, cvc5 for proving policies.
RUN_PACKAGES=(nftables iproute2 procps cvc5)
TEST_PACKAGES=(qemu-system-x86 mmdebstrap e2fsprogs openssh-client openssh-server rpm dpkg-dev lintian cron attr curl kmod strace)

cargo_deny() {
    local tools=${PICKET_CACHE:-/var/cache/picket}/tools
    if [ ! -x "$tools/bin/cargo-deny" ]; then
        cargo install --quiet --locked --root "$tools" cargo-deny@0.20.2 >&2
    fi
    echo "$tools/bin/cargo-deny"
}

cargo_nextest() {
    if cargo nextest --version >/dev/null 2>&1; then return 0; fi
    local tools=${PICKET_CACHE:-/var/cache/picket}/tools
    [ -x "$tools/bin/cargo-nextest" ] || cargo install --quiet --locked --root "$tools" cargo-nextest@0.9.143 >&2
    PATH=$PATH:$tools/bin
}
