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
# What administrators do by hand between the large things.
tee /etc/logrotate.d/site > /dev/null <<'END'
/srv/www/access.log {
    weekly
    missingok
}
END
echo '10.9.0.20 db.internal' >> /etc/hosts; getent hosts db.internal
printf 'vm.swappiness = 10\n' > /etc/sysctl.d/60-local.conf && sysctl -q -p /etc/sysctl.d/60-local.conf
ufw allow 8080/tcp > /dev/null && say "a port was opened"
sed -i 's/^#*LogLevel.*/LogLevel VERBOSE/' /etc/ssh/sshd_config && sshd -t && systemctl reload ssh
getent passwd carol; last -n 5 > /dev/null; passwd -S carol; chage -l carol > /dev/null; lsof -nP -iTCP -sTCP:LISTEN > /dev/null
find / -xdev -type f -size +50M > /dev/null 2>&1; du -xsh /var/log /srv; grep -rn listen /etc/nginx | head -n 2
ping -c 2 127.0.0.1 > /dev/null; nc -zv 127.0.0.1 22 2> /dev/null; curl -s -o /dev/null http://127.0.0.1:8080/; ip route; ip neigh; ethtool lo 2> /dev/null
systemd-analyze blame --no-pager > /dev/null 2>&1; systemctl cat nginx > /dev/null; systemd-detect-virt > /dev/null
install -m 755 /payload/guest/day-dev.sh /usr/local/bin/deploy && rm -f /usr/local/bin/deploy
mkdir -p /srv/restore && tar xzf /srv/backup/etc.tar.gz -C /srv/restore && diff -rq /srv/restore/etc/nginx /etc/nginx > /dev/null; rm -rf /srv/restore
mv /srv/www/index.html /srv/www/index.html.bak && cp /srv/www/index.html.bak /srv/www/index.html && chown -R www-data:www-data /srv/www && chmod -R u=rwX,g=rX,o=rX /srv/www
openssl enc -aes-256-cbc -pbkdf2 -pass pass:x -in /srv/backup/sums -out /srv/backup/sums.enc && gzip -t /srv/backup/*.gz
su - dev -c 'crontab -l' > /dev/null 2>&1; atq; runuser -u www-data -- id > /dev/null
userdel -r carol 2> /dev/null; journalctl --vacuum-size=200M > /dev/null 2>&1; history > /dev/null 2>&1
say "the administrator is done"
