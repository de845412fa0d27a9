#!/bin/bash
# Builds the root disk of the lab's virtual machines: a stock Debian 12 with its own cloud kernel,
# systemd, sshd, cron and nftables. Built once; prints the folder that holds root.img, vmlinuz, initrd
# and id_ed25519 (the key that the lab signs in with).
#
#   tests/kernel/build-image.sh            # default cache: /var/cache/picket/lab
#   PICKET_CACHE=/somewhere tests/kernel/build-image.sh
#   tests/kernel/build-image.sh server     # also what a server that people work on has: compilers, git, nginx, rsyslog
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${PICKET_CACHE:-/var/cache/picket}/lab
variant=${1:-plain}
# A change of this script is a change of the image.
stamp=$(sha256sum "$here/build-image.sh" | cut -c1-16)
case $variant in
plain) size=2G ;;
server) size=4G stamp+=-server ;;
*) echo "build-image.sh: there is no image $variant; there are plain and server" >&2; exit 2 ;;
esac
out=$cache/$stamp

if [ -e "$out/done" ]; then
    echo "$out"
    exit 0
fi
[ "$(id -u)" = 0 ] || { echo "build-image.sh: must run as root (it makes a root file system)" >&2; exit 1; }
for tool in mmdebstrap mkfs.ext4 ssh-keygen; do
    command -v "$tool" >/dev/null || {
        echo "build-image.sh: $tool is missing; packaging/test.sh installs what the lab needs" >&2
        exit 1
    }
done

mkdir -p "$cache"
work=$(mktemp -d "$cache/building.XXXXXX")
trap 'rm -rf "$work"' EXIT

packages=systemd-sysv,openssh-server,openssh-client,iproute2,procps,cron,at,sudo,dbus,udev
packages+=,linux-image-cloud-amd64,nftables,kmod,netcat-openbsd,python3-minimal,sysfsutils
if [ "$variant" = server ]; then
    packages+=,apt,apt-utils,unattended-upgrades,logrotate,rsyslog,nginx-light,python3,perl,git,gcc,libc6-dev,make
    packages+=,curl,wget,openssl,ca-certificates,rsync,zip,unzip,bzip2,xz-utils,xxd,ed,file,less,vim-tiny,bsdextrautils
    packages+=,net-tools,iputils-ping,bind9-dnsutils,whois,lsof,tcpdump,nmap,socat,iptables,ufw,ldap-utils,pciutils
    packages+=,dmidecode,acl,attr,libcap2-bin,e2fsprogs,gnupg,strace,busybox,dbus-user-session,libpam-systemd,locales
    packages+=,bash-completion,e2fsprogs,psmisc
fi
mmdebstrap --quiet --variant=minbase --include="$packages" bookworm "$work/root" >&2

root=$work/root
ssh-keygen -q -t ed25519 -N '' -C lab -f "$work/id_ed25519"
install -d -m 700 "$root/root/.ssh"
install -m 600 "$work/id_ed25519.pub" "$root/root/.ssh/authorized_keys"
# The intrusion of the lab moves from one guest to the next with a key it finds, as intruders do.
install -m 600 "$work/id_ed25519" "$root/root/.ssh/id_ed25519"
printf 'StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n' > "$root/root/.ssh/config"
printf 'PermitRootLogin prohibit-password\nUseDNS no\nGSSAPIAuthentication no\n' > "$root/etc/ssh/sshd_config.d/lab.conf"
echo '/dev/vda / ext4 rw,noatime 0 1' > "$root/etc/fstab"
# The guest's name and address come from the kernel command line: picket.name, picket.address.
cat > "$root/usr/local/sbin/lab-net" <<'EOF'
#!/bin/sh
for word in $(cat /proc/cmdline); do
    case $word in
    picket.name=*) echo "${word#*=}" > /etc/hostname; hostname "${word#*=}" ;;
    picket.address=*) address=${word#*=} ;;
    esac
done
ip link set lo up
for card in /sys/class/net/e*; do
    name=${card##*/}
    ip link set "$name" up
    case $(cat "$card/address") in
    52:54:00:aa:*) ip addr add 10.0.2.15/24 dev "$name"; ip route add default via 10.0.2.2 ;;
    *) [ -z "$address" ] || ip addr add "$address/24" dev "$name" ;;
    esac
done
EOF
chmod 755 "$root/usr/local/sbin/lab-net"
cat > "$root/etc/systemd/system/lab-net.service" <<'EOF'
[Unit]
Description=Lab network
DefaultDependencies=no
Before=network.target ssh.service
After=systemd-udevd.service systemd-udev-settle.service local-fs.target
Wants=systemd-udev-settle.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/lab-net
[Install]
WantedBy=multi-user.target
EOF
ln -s ../lab-net.service "$root/etc/systemd/system/multi-user.target.wants/lab-net.service"
# Slow under emulation and of no use here.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    e2scrub_reap.service systemd-timesyncd.service getty@tty1.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
ssh-keygen -A -f "$root" >&2
cp "$root"/boot/vmlinuz-* "$work/vmlinuz"
cp "$root"/boot/initrd.img-* "$work/initrd"
rm -rf "$root/var/cache/apt" "$root/var/lib/apt/lists" "$root/usr/share/doc" "$root/usr/share/locale"
mkdir -p "$root/var/cache/apt" "$root/var/lib/apt/lists"
truncate -s "$size" "$work/root.img"
mkfs.ext4 -q -F -L lab -d "$root" "$work/root.img" >&2
rm -rf "$root"
touch "$work/done"
rm -rf "$out"
chmod 755 "$work"
mv "$work" "$out"
trap - EXIT
echo "$out"
