#!/bin/sh
# Makes the guest a server that people work on, once, before anything is kept: an account, keys, histories, mail,
# a firewall. Then has the kernel's own tracing write down what happens, for nobody's word but the kernel's.
set -e
useradd -m -s /bin/bash dev
echo 'dev ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/dev
chmod 440 /etc/sudoers.d/dev
for home in /root /home/dev; do
    mkdir -p "$home/.ssh" "$home/.gnupg" "$home/.aws"
    cp /root/.ssh/authorized_keys "$home/.ssh/authorized_keys" 2>/dev/null || true
    [ -e "$home/.ssh/id_rsa" ] || ssh-keygen -q -t rsa -b 2048 -N '' -f "$home/.ssh/id_rsa"
    cat "$home/.ssh/id_rsa.pub" >> "$home/.ssh/authorized_keys"
    printf 'ls -la\ncd /srv\nmake test\nssh web-2\n' > "$home/.bash_history"
    cp "$home/.bash_history" "$home/.history"
    printf '[default]\naws_access_key_id = AKIDLAB\naws_secret_access_key = lab\n' > "$home/.aws/credentials"
    printf 'notes\n' > "$home/notes.txt"
    chmod 700 "$home/.ssh" "$home/.gnupg"
done
chown -R dev:dev /home/dev
mkdir -p /var/spool/mail /srv
printf 'From cron@lab\n\nbackup done\n' > /var/spool/mail/root
touch /var/log/messages /var/log/syslog
[ -e /etc/locale.conf ] || echo 'LANG=C.UTF-8' > /etc/default/locale
# The folder in which these procedures expect their data set's checkout.
for technique in $(ls /payload/procedures 2>/dev/null); do
    folder=/tmp/AtomicRedTeam/atomics/$(cat "/payload/procedures/$technique/technique")
    mkdir -p "$folder/src"
    echo text > "$folder/src/file.txt"
done
chown -R dev:dev /tmp/AtomicRedTeam 2>/dev/null || true
ufw allow 22/tcp > /dev/null 2>&1 && ufw --force enable > /dev/null 2>&1 || true
mkdir -p -m 1777 /run/lab
