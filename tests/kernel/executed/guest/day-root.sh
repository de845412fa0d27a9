#!/bin/sh
# An administrator's part of a day: packages, services, logs, accounts, certificates, the night's jobs, a backup.
export DEBIAN_FRONTEND=noninteractive
say() { echo "day: $*"; }
if [ -e /payload/repository/Packages ]; then
    echo 'deb [trusted=yes] file:/payload/repository ./' > /etc/apt/sources.list
    rm -f /etc/apt/sources.list.d/*
    apt-get -q update && apt-get -q -y upgrade
    # shellcheck disable=SC2046
    apt-get -q -y install --reinstall $(sed -n 's/^Package: //p' /payload/repository/Packages | sort -u) && say "packages installed"
    apt-get -q -y remove tree && apt-get -q -y autoremove && apt-get clean
    dpkg -i /payload/repository/tree_*.deb && dpkg -l tree && apt-cache policy tree && say "dpkg used"
fi
unattended-upgrade --dry-run > /dev/null 2>&1; unattended-upgrade -v && say "unattended upgrades ran"
logrotate -f /etc/logrotate.conf && say "logs rotated"
run-parts /etc/cron.daily; run-parts /etc/cron.weekly; say "daily jobs ran"
printf 'server { listen 8080; root /srv/www; }\n' > /etc/nginx/conf.d/site.conf
mkdir -p /srv/www && dd if=/dev/zero of=/srv/www/large bs=1k count=256 2> /dev/null && echo hello > /srv/www/index.html
nginx -t && systemctl restart nginx && systemctl status nginx --no-pager > /dev/null && say "nginx restarted"
mkdir -p /etc/systemd/system/nginx.service.d
journalctl -u nginx -n 20 --no-pager > /dev/null; journalctl --disk-usage; dmesg > /dev/null
ps aux > /dev/null; top -b -n1 > /dev/null; ss -tlnp > /dev/null; df -h; free -m; lsblk; mount > /dev/null; lsmod > /dev/null; uptime; w
useradd -m -s /bin/bash carol && echo 'carol:correct-horse' | chpasswd && usermod -aG dev carol && chage -M 90 carol && say "an account was made"
su - carol -c 'id; ls -la' > /dev/null
openssl req -x509 -newkey rsa:2048 -nodes -keyout /etc/ssl/private/site.key -out /etc/ssl/certs/site.pem -days 30 -subj /CN=site 2> /dev/null
chmod 640 /etc/ssl/private/site.key && openssl x509 -in /etc/ssl/certs/site.pem -noout -text > /dev/null && say "a certificate was made"
visudo -c; sysctl -n net.ipv4.ip_forward; ufw status > /dev/null; nft list ruleset > /dev/null
mkdir -p /srv/backup && tar czf /srv/backup/etc.tar.gz /etc 2> /dev/null && tar czf /srv/backup/home.tar.gz /home 2> /dev/null
rsync -a /etc/nginx/ /srv/backup/nginx/ && find /srv/backup -mtime +30 -delete && sha256sum /srv/backup/*.gz > /srv/backup/sums && say "a backup was made"
echo '17 3 * * * root tar czf /srv/backup/nightly.tar.gz /srv/www' > /tmp/nightly && install -m 644 /tmp/nightly /etc/cron.d/nightly
systemctl daemon-reload; systemctl list-timers --no-pager > /dev/null; systemctl --failed --no-pager
systemctl reload rsyslog 2> /dev/null || systemctl restart rsyslog; logger "a day's work"; tail -n 5 /var/log/syslog > /dev/null
say "the administrator is done"
