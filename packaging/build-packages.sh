#!/bin/bash
# Builds a deb and an rpm each of agent and coordinator (the picket command comes with the coordinator).
#
#   packaging/build-packages.sh              # into target/packages
#   packaging/build-packages.sh --out DIR    # into DIR
#
# Binaries are taken from $PICKET_BIN where that is set, and built as they are shipped otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR/.. source=packaging/lib.sh
. packaging/lib.sh
export_build_cache

# Whatever the caller's umask: a package's directories are readable by all.
umask 022
out=${CARGO_TARGET_DIR:-$PWD/target}/packages
while [ $# -gt 0 ]; do
    case $1 in
    --out)
        [ $# -ge 2 ] || fail "--out needs a directory"
        out=$2
        shift 2
        ;;
    -h | --help)
        sed -n '2,7s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *) fail "unknown argument $1; see --help" ;;
    esac
done

need_packages dpkg-dev rpm

if [ -z "${PICKET_BIN:-}" ]; then
    need_rust
    need_packages "${BUILD_PACKAGES[@]}"
    step "release binaries"
    cargo build --release --locked -p picket-agent -p picket-coordinator -p picket-cli
    PICKET_BIN=${CARGO_TARGET_DIR:-$PWD/target}/release
fi

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
deb_arch=$(dpkg --print-architecture)
rpm_arch=$(uname -m)
# The same commit gives the same bytes: every time stamp in a package is the commit's.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)}
export SOURCE_DATE_EPOCH

mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# put MODE SOURCE TARGET: into the tree being staged
put() { install -D -m "$1" "$2" "$stage$3"; }

# What a package of either kind installs.
stage_tree() {
    local part=$1
    stage=$work/$part
    mkdir -p "$stage"
    put 0755 "$PICKET_BIN/picket-$part" "/usr/bin/picket-$part"
    put 0644 "packaging/units/picket-$part.service" "/usr/lib/systemd/system/picket-$part.service"
    put 0644 "packaging/tmpfiles/picket-$part.conf" "/usr/lib/tmpfiles.d/picket-$part.conf"
    put 0644 packaging/removal.sh "/usr/lib/picket-$part/removal.sh"
    put 0644 "packaging/config/$part.toml" "/etc/picket/$part.toml"
    put 0644 packaging/copyright "/usr/share/doc/picket-$part/copyright"
    if [ "$part" = coordinator ]; then
        put 0755 "$PICKET_BIN/picket" /usr/bin/picket
        put 0644 packaging/sysusers/picket-coordinator.conf /usr/lib/sysusers.d/picket-coordinator.conf
    fi
    find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

# fill FILE: the template with this build's values
fill() {
    sed -e "s|@VERSION@|$version|g" -e "s|@ARCH@|$deb_arch|g" -e "s|@STAGE@|$work/$part|g" \
        -e "s|@SIZE@|$(du -sk "$stage" | cut -f1)|g" "$1"
}

make_deb() {
    local part=$1 tree=$work/deb-$1 script
    cp -a "$stage" "$tree"
    mkdir "$tree/DEBIAN"
    fill "packaging/deb/$part/control" >"$tree/DEBIAN/control"
    for script in postinst prerm postrm; do
        install -m 0755 "packaging/deb/$part/$script" "$tree/DEBIAN/$script"
    done
    echo "/etc/picket/$part.toml" >"$tree/DEBIAN/conffiles"
    # Debian wants its own changelog beside the copyright, compressed without a time stamp.
    printf 'picket-%s (%s) unstable; urgency=medium\n\n  * See docs/CHANGELOG.md.\n\n -- Picket developers <picket@example.org>  %s\n' \
        "$part" "$version" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" |
        gzip -9n >"$tree/usr/share/doc/picket-$part/changelog.gz"
    (cd "$tree" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum) >"$work/md5sums"
    install -m 0644 "$work/md5sums" "$tree/DEBIAN/md5sums"
    dpkg-deb --root-owner-group --build "$tree" "$out/picket-${part}_${version}_$deb_arch.deb"
}

make_rpm() {
    local part=$1
    if [ "$part" = agent ]; then
        install -d -m 0755 "$stage/var/lib/picket"
        install -d -m 0700 "$stage/var/lib/picket/agent"
    fi
    fill "packaging/rpm/picket-$part.spec" >"$work/picket-$part.spec"
    rpmbuild -bb --quiet --target "$rpm_arch" --define "_topdir $work/rpmbuild" --define "_rpmdir $work/rpms" \
        --define "_buildhost localhost" --define "use_source_date_epoch_as_buildtime 1" "$work/picket-$part.spec"
    mv "$work/rpms/$rpm_arch/picket-$part-$version-1.$rpm_arch.rpm" "$out/"
}

for part in agent coordinator; do
    step "picket-$part $version"
    stage_tree "$part"
    make_deb "$part"
    make_rpm "$part"
done
step "made"
ls -l "$out"/picket-*"$version"*
