//! Owns: what a Debian server does on an ordinary day, which no rule may speak of.
//! Never: anything an intruder would do.

use std::sync::Arc;

use picket_model::{Activity, Event, EventId, Process, ProcessKey, Severity, Timestamp};

use super::pack::detector;
use super::play;
use crate::pack;

/// Parent, executable and command line of ordinary launches: maintenance, administration, services, builds.
const LAUNCHES: &[(&str, &str, &str)] = &[
    ("/usr/lib/systemd/systemd", "/usr/sbin/cron", "/usr/sbin/cron -f"),
    ("/usr/sbin/cron", "/usr/bin/dash", "/bin/sh -c cd / && run-parts --report /etc/cron.hourly"),
    ("/usr/bin/dash", "/usr/bin/run-parts", "run-parts --report /etc/cron.hourly"),
    ("/usr/bin/run-parts", "/usr/bin/dash", "/bin/sh /etc/cron.daily/dpkg"),
    ("/usr/bin/dash", "/usr/bin/cmp", "cmp -s dpkg.status.0 /var/lib/dpkg/status"),
    ("/usr/bin/dash", "/usr/sbin/logrotate", "/usr/sbin/logrotate /etc/logrotate.conf"),
    ("/usr/sbin/logrotate", "/usr/bin/dash", "sh -c /usr/lib/rsyslog/rsyslog-rotate logrotate_script /var/log/syslog"),
    ("/usr/bin/dash", "/usr/bin/systemctl", "systemctl kill -s HUP rsyslog.service"),
    ("/usr/lib/systemd/systemd", "/usr/bin/apt-get", "apt-get -qq -y update"),
    ("/usr/bin/apt-get", "/usr/lib/apt/methods/http", "/usr/lib/apt/methods/http"),
    ("/usr/bin/apt-get", "/usr/bin/dpkg", "/usr/bin/dpkg --status-fd 13 --unpack --auto-deconfigure"),
    ("/usr/bin/dpkg", "/usr/bin/dash", "/bin/sh /var/lib/dpkg/info/openssh-server.postinst configure 1:10.0"),
    ("/usr/bin/dpkg", "/usr/bin/perl", "/usr/bin/perl -w /usr/share/debconf/frontend"),
    ("/usr/bin/dash", "/usr/bin/systemctl", "systemctl daemon-reload"),
    ("/usr/bin/dash", "/usr/sbin/update-rc.d", "update-rc.d ssh defaults"),
    ("/usr/bin/dash", "/usr/sbin/useradd", "useradd --system --no-create-home --shell /usr/sbin/nologin redis"),
    ("/usr/sbin/sshd", "/usr/lib/openssh/sshd-session", "sshd-session: alice [priv]"),
    ("/usr/lib/openssh/sshd-session", "/usr/bin/bash", "-bash"),
    ("/usr/bin/bash", "/usr/bin/ls", "ls --color=auto -la /tmp"),
    ("/usr/bin/bash", "/usr/bin/sudo", "sudo systemctl restart nginx"),
    ("/usr/bin/sudo", "/usr/bin/systemctl", "systemctl restart nginx"),
    ("/usr/bin/bash", "/usr/bin/less", "less /var/log/syslog"),
    ("/usr/bin/bash", "/usr/bin/journalctl", "journalctl -u nginx -f"),
    ("/usr/bin/bash", "/usr/bin/vim.basic", "vim /etc/nginx/nginx.conf"),
    ("/usr/bin/bash", "/usr/bin/grep", "grep -r TODO src"),
    ("/usr/bin/bash", "/usr/bin/find", "find /srv -name *.log -mtime +30 -delete"),
    ("/usr/bin/bash", "/usr/bin/tar", "tar -czf /srv/backup/etc.tar.gz /etc"),
    ("/usr/bin/bash", "/usr/bin/rsync", "rsync -a /srv/ backup:/srv/"),
    ("/usr/bin/rsync", "/usr/bin/ssh", "ssh backup rsync --server -logDtpre.iLsfxCIvu . /srv/"),
    ("/usr/bin/bash", "/usr/bin/scp", "scp notes.txt alice@host:"),
    ("/usr/bin/bash", "/usr/bin/curl", "curl -fsS https://example.org/health"),
    ("/usr/bin/bash", "/usr/bin/wget", "wget https://example.org/x.tar.gz"),
    ("/usr/bin/bash", "/usr/bin/git", "git pull --rebase"),
    ("/usr/bin/git", "/usr/lib/git-core/git-remote-https", "git-remote-https origin https://example.org/x.git"),
    ("/usr/bin/bash", "/usr/bin/docker", "docker compose up -d"),
    ("/usr/bin/containerd-shim-runc-v2", "/usr/bin/runc", "runc --root /run/docker/runtime-runc create"),
    ("/usr/bin/runc", "/usr/sbin/nginx", "nginx -g daemon off;"),
    ("/usr/sbin/nginx", "/usr/sbin/nginx", "nginx: worker process"),
    ("/usr/sbin/apache2", "/usr/bin/dash", "/bin/sh -c /usr/bin/rotatelogs -n 5 /var/log/apache2/access.log 86400"),
    ("/usr/lib/systemd/systemd", "/usr/sbin/php-fpm8.4", "/usr/sbin/php-fpm8.4 --nodaemonize"),
    ("/usr/sbin/php-fpm8.4", "/usr/bin/dash", "sh -c /usr/sbin/sendmail -t -i"),
    ("/usr/lib/systemd/systemd", "/usr/lib/postgresql/17/bin/postgres", "postgres -D /var/lib/postgresql/17/main"),
    ("/usr/bin/bash", "/usr/lib/postgresql/17/bin/pg_dump", "pg_dump -Fc app"),
    ("/usr/bin/bash", "/usr/bin/psql", "psql app"),
    ("/usr/bin/bash", "/usr/bin/make", "make -j4"),
    ("/usr/bin/make", "/usr/bin/dash", "/bin/sh -c gcc -O2 -c -o main.o main.c"),
    ("/usr/bin/dash", "/usr/bin/x86_64-linux-gnu-gcc-14", "gcc -O2 -c -o main.o main.c"),
    (
        "/usr/bin/x86_64-linux-gnu-gcc-14",
        "/usr/libexec/gcc/x86_64-linux-gnu/14/cc1",
        "cc1 -quiet main.c -o /tmp/ccX1y2Z3.s",
    ),
    (
        "/home/alice/.cargo/bin/cargo",
        "/home/alice/.rustup/toolchains/stable/bin/rustc",
        "rustc --crate-name app src/main.rs",
    ),
    (
        "/home/alice/.rustup/toolchains/stable/bin/cargo",
        "/tmp/app/target/debug/build/ring/build-script-build",
        "build-script-build",
    ),
    ("/home/alice/.rustup/toolchains/stable/bin/cargo", "/tmp/rustdoctestAbC/rust_out", "/tmp/rustdoctestAbC/rust_out"),
    ("/usr/local/go/bin/go", "/tmp/go-build42/b001/app.test", "/tmp/go-build42/b001/app.test -test.v"),
    ("/usr/bin/dash", "/usr/bin/uname", "uname -m"),
    ("/usr/bin/bash", "/usr/bin/python3.13", "python3 -m venv .venv"),
    ("/usr/bin/bash", "/usr/bin/python3.13", "python3 manage.py migrate"),
    ("/usr/bin/python3.13", "/usr/bin/dash", "/bin/sh -c lsb_release -a"),
    ("/usr/bin/bash", "/usr/bin/node", "node server.js"),
    ("/usr/bin/bash", "/usr/bin/crontab", "crontab -l"),
    ("/usr/bin/bash", "/usr/bin/[", "[ -f /etc/default/locale ]"),
    ("/usr/bin/bash", "/usr/bin/chmod", "chmod 644 /etc/nginx/nginx.conf"),
    ("/usr/bin/bash", "/usr/bin/chmod", "chmod +x deploy.sh"),
    ("/usr/bin/bash", "/usr/bin/base64", "base64 -d secret.b64"),
    ("/usr/bin/dash", "/usr/bin/openssl", "openssl enc -d -aes-256-cbc -in backup.enc -out backup.tar"),
    ("/usr/bin/bash", "/usr/bin/nc.openbsd", "nc -zv db 5432"),
    ("/usr/bin/bash", "/usr/bin/kubectl", "kubectl get pods -A"),
    ("/usr/bin/bash", "/usr/sbin/nft", "nft list ruleset"),
    ("/usr/lib/systemd/systemd", "/usr/sbin/nft", "/usr/sbin/nft -f /etc/nftables.conf"),
    ("/usr/sbin/dockerd", "/usr/sbin/xtables-nft-multi", "/usr/sbin/iptables --wait -t nat -F DOCKER"),
    ("/usr/lib/systemd/systemd", "/usr/bin/journalctl", "journalctl --vacuum-time=14d"),
    ("/usr/lib/systemd/systemd", "/usr/bin/systemd-tmpfiles", "systemd-tmpfiles --clean"),
    ("/usr/lib/systemd/systemd", "/usr/sbin/fstrim", "/sbin/fstrim --listed-in /etc/fstab"),
    ("/usr/lib/systemd/systemd-udevd", "/usr/bin/kmod", "/sbin/modprobe -bv pci:v00008086"),
    ("/usr/bin/bash", "/usr/bin/ps", "ps aux"),
    ("/usr/bin/bash", "/usr/bin/env", "env LD_PRELOAD=/usr/lib/x86_64-linux-gnu/libjemalloc.so.2 redis-server"),
    ("/usr/bin/bash", "/usr/bin/gdb", "gdb ./a.out core"),
    ("/usr/bin/bash", "/usr/bin/rm", "rm -rf build /var/log/myapp/old"),
    ("/usr/bin/bash", "/usr/bin/ln", "ln -sf /dev/null /etc/systemd/system/ctrl-alt-del.target"),
    ("/usr/bin/bash", "/usr/bin/mount", "mount /dev/sdb1 /mnt/usb"),
    ("/usr/sbin/cron", "/usr/bin/dash", "/bin/sh -c curl -fsS https://example.org/ping > /dev/null"),
    ("/usr/sbin/cron", "/usr/bin/dash", "/bin/sh -c pg_dump app | gzip > /srv/backup/app.sql.gz"),
];

/// Days of other kinds, in the language of cases: chains of processes, files, jobs, accounts, containers.
const DAYS: &[(&str, &str)] = &[
    ("packages", include_str!("ordinary/packages.yml")),
    ("services", include_str!("ordinary/services.yml")),
    ("development", include_str!("ordinary/development.yml")),
    ("containers", include_str!("ordinary/containers.yml")),
    ("administration", include_str!("ordinary/administration.yml")),
    ("backups", include_str!("ordinary/backups.yml")),
];

const WANTED: usize = 1000;

fn process(key: u32, exe: &str, argv: Vec<String>, parent: Option<Arc<Process>>) -> Arc<Process> {
    let mut process = Process::unknown(ProcessKey { boot: 1, pid: key, start_ticks: u64::from(key) });
    process.exe = exe.to_owned();
    process.argv = argv;
    process.user = "root".to_owned();
    (process.uid, process.euid) = (0, 0);
    process.parent = parent;
    Arc::new(process)
}

#[test]
fn a_thousand_ordinary_launches_raise_nothing() {
    let mut detector = detector(&pack());
    let mut hits = Vec::new();
    for turn in 0..WANTED {
        let (above, exe, command) = LAUNCHES[turn % LAUNCHES.len()];
        let pid = 1000 + u32::try_from(turn).unwrap() * 2;
        let parent = process(pid, above, vec![above.to_owned()], None);
        let argv = match command.split_once(" -c ") {
            Some((shell, script)) if exe.ends_with("/dash") => {
                vec![shell.to_owned(), "-c".to_owned(), script.to_owned()]
            }
            _ => command.split(' ').map(str::to_owned).collect(),
        };
        let event = Event {
            id: EventId::from_bytes([1; 16]),
            time: Timestamp::from_millis(1_790_000_000_000 + turn as u64 * 700),
            process: Some(process(pid + 1, exe, argv, Some(parent))),
            activity: Activity::ProcessLaunch,
        };
        hits.extend(detector.observe(&event).into_iter().map(|hit| format!("{}: {command}", hit.rule.id)));
    }
    hits.extend(detector.finish().into_iter().map(|hit| format!("{} of them all", hit.rule.id)));
    assert!(hits.is_empty(), "\n{}", hits.join("\n"));
    assert_eq!(detector.take_losses(), (Vec::new(), Vec::new()));
}

/// One host sees them all, one after the other; what is below medium is no alert.
#[test]
fn ordinary_days_raise_no_alert() {
    let mut detector = detector(&pack());
    let mut hits = Vec::new();
    let mut seen = 0;
    for (day, text) in DAYS {
        for case in play::cases(day, text).misses {
            for (index, event) in case.events.iter().enumerate() {
                seen += 1;
                for hit in detector.observe(event).into_iter().filter(|hit| hit.rule.severity >= Severity::Medium) {
                    hits.push(format!("{day}, {}, event {index}: {}", case.about, hit.rule.id));
                }
            }
        }
    }
    assert!(hits.is_empty(), "\n{}", hits.join("\n"));
    assert!(seen > 300, "{seen} events");
}
