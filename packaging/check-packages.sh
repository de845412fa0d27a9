#!/bin/bash
# Installs, removes and purges the built packages in a throw-away Debian 12 root, and lays the rpms out in another.
#
#   packaging/check-packages.sh DIR    # DIR as build-packages.sh --out made it
#
# Needs root and mmdebstrap. Everything happens in namespaces of its own: no process, table or file of this machine is
# touched.
set -euo pipefail
packages=$(cd "${1:?the directory with the packages}" && pwd)
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR/.. source=packaging/lib.sh
. packaging/lib.sh
need_root "it makes a root file system"
need_packages mmdebstrap rpm dpkg-dev
export PICKET_CACHE=${PICKET_CACHE:-/var/cache/picket}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The root file system is built once: a tar of a minimal Debian 12 with what the packages depend on.
base=$PICKET_CACHE/package-root.tar
if [ ! -s "$base" ]; then
    step "a minimal Debian 12"
    mkdir -p "$PICKET_CACHE"
    mmdebstrap --quiet --format=tar --variant=minbase --include=nftables,systemd-standalone-sysusers,systemd-standalone-tmpfiles \
        bookworm "$base.new"
    mv "$base.new" "$base"
fi

step "deb: install, upgrade, remove, purge"
mkdir "$work/root"
tar -xf "$base" -C "$work/root" --exclude='./dev/*'
cp "$packages"/*.deb "$work/root/"
cat >"$work/root/check" <<'INSIDE'
set -eu
mount -t proc proc /proc
fail() { echo "FAILED: $*" >&2; exit 1; }

dpkg -i /*.deb >/log 2>&1 || { cat /log; fail install; }
for part in agent coordinator; do
    [ -x /usr/bin/picket-$part ] || fail "no binary of $part"
    [ "$(stat -c '%a %U' /etc/picket/$part.toml)" = '644 root' ] || fail "configuration of $part"
    /usr/bin/picket-$part --version >/dev/null || fail "picket-$part --version"
done
/usr/bin/picket --version >/dev/null || fail "picket --version"
[ "$(stat -c '%a %U' /var/lib/picket/agent)" = '700 root' ] || fail "state of the agent"
[ "$(stat -c '%a %U' /var/lib/picket/coordinator)" = '700 picket' ] || fail "state of the coordinator"

echo '# changed by the operator' >>/etc/picket/agent.toml
dpkg -i /*.deb >/log 2>&1 || { cat /log; fail upgrade; }
grep -q operator /etc/picket/agent.toml || fail "an upgrade replaced a changed configuration file"

# What must not outlive the agent: a process of its binary, the isolation's table. And what must: everything else.
cp /bin/sleep /usr/bin/picket-agent
/usr/bin/picket-agent 300 &
agent=$!
sleep 300 &
bystander=$!
nft add table inet picket_isolation
nft add table inet operators
echo quarantined >/var/lib/picket/agent/vault
dpkg -r picket-agent >/log 2>&1 || { cat /log; fail remove; }
! kill -0 "$agent" 2>/dev/null || [ "$(sed 's/.*) //' /proc/$agent/stat | cut -c1)" = Z ] || fail "the agent still runs"
kill -0 "$bystander" || fail "a bystander was killed"
! nft list table inet picket_isolation 2>/dev/null || fail "the table is still there"
nft list table inet operators >/dev/null || fail "the operator's own table is gone"
[ -e /var/lib/picket/agent/vault ] || fail "removing lost the vault"
[ -e /etc/picket/agent.toml ] || fail "removing lost the configuration"

dpkg -P picket-agent >/log 2>&1 || { cat /log; fail purge; }
[ ! -e /var/lib/picket/agent ] || fail "purging left the agent's state"
[ ! -e /etc/picket/agent.toml ] || fail "purging left the agent's configuration"
[ -d /var/lib/picket/coordinator ] || fail "purging the agent took the coordinator's state"
dpkg -P picket-coordinator >/log 2>&1 || { cat /log; fail "purge of the coordinator"; }
[ ! -e /var/lib/picket ] || fail "purging left state"
[ ! -e /etc/picket ] || fail "purging left configuration"
[ -z "$(find / -xdev -name '*picket*' -not -path '/picket-*' -not -path '/proc/*' -print -quit)" ] || fail "files are left"
kill "$bystander"
INSIDE
# shellcheck disable=SC2016
unshare --mount --net --pid --fork --propagation private bash -euc '
    mount --bind "$1" "$1"
    mount -t devtmpfs none "$1/dev"
    chroot "$1" /bin/sh /check' -- "$work/root"

step "rpm: contents, and laid out in an empty root"
for file in "$packages"/*.rpm; do
    rpm -K --nosignature "$file" >/dev/null || fail "$file is damaged"
    rpm --root "$work/rpm" --initdb
    # Only laid out: the scripts want a system, and the root has none.
    rpm --root "$work/rpm" --install --nodeps --noscripts --ignorearch "$file"
done
for path in usr/bin/picket usr/bin/picket-agent usr/bin/picket-coordinator etc/picket/agent.toml etc/picket/coordinator.toml \
    usr/lib/systemd/system/picket-agent.service usr/lib/systemd/system/picket-coordinator.service; do
    [ -e "$work/rpm/$path" ] || fail "no /$path from the rpms"
done
rpm --root "$work/rpm" --erase --noscripts --nodeps picket-agent picket-coordinator
[ ! -e "$work/rpm/usr/bin/picket-agent" ] || fail "erasing left the agent"

step "packages install, upgrade and go without a trace"
