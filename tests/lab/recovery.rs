//! Owns: an incident on a whole machine with its service manager, accounts and jobs, from what it left to the return to service.
//! Never: an end that is taken from Picket's word alone; the guest's own tools say what is so.

use picket_tests::soc;
use picket_tests::vm::{Lab, Vm};
use serde_json::Value;

/// A job, an account, a key, a service, a process that outlives its parent, and settings that were there before.
const INTRUSION: &str = "cat > /root/intrude.sh <<'END'
umask 022
echo '0 0 31 2 * root /bin/true' > /etc/cron.d/x
useradd --create-home --shell /bin/bash eve
bash -c \"echo 'ssh-ed25519 AAAAC3 intruder' >> /root/.ssh/authorized_keys\"
cp /bin/sleep /usr/local/sbin/beacon
printf '[Service]\\nExecStart=/usr/local/sbin/beacon 10000\\n' > /etc/systemd/system/beacon.service
systemctl daemon-reload
systemctl start beacon.service
sed -i s/good/bad/ /etc/app/exchanged
cat /root/intrude.sh >> /etc/app/longer
chown 33:33 /etc/app/owner
chmod 666 /etc/app/mode
rm /etc/app/gone
setsid sleep 9999 > /dev/null 2>&1 &
END
bash /root/intrude.sh";

fn says(guest: &Vm, command: &str) -> String {
    let output = guest.ssh(command).unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned()
}

fn incident(guest: &Vm) -> String {
    soc::wait(guest, "the intrusion is an incident", || {
        let incidents = soc::json(guest, "incidents")?;
        let ids = incidents.as_array()?.iter().filter_map(|incident| incident["id"].as_str());
        let told = |id: &&str| {
            let plan = soc::json(guest, &format!("remediate {id}")).unwrap_or_default().to_string();
            ["/etc/cron.d/x", "\"eve\"", "beacon.service", "intruder", "/etc/app/gone"]
                .iter()
                .all(|what| plan.contains(what))
        };
        ids.map(str::to_owned).find(|id| told(&id.as_str()))
    })
}

#[test]
fn a_host_returns_to_service_once_nothing_of_the_incident_is_left() {
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(why) => return println!("skipped: {why}"),
    };
    let guests = soc::boot(&lab, &["desk"], &soc::payload(&[]));
    let guest = &guests[0];
    // What is prepared while an agent looks on belongs to the incident.
    guest
        .run("mkdir -p /root/.ssh; touch /root/.ssh/authorized_keys; cp -a /root/.ssh/authorized_keys /root/keys")
        .unwrap();
    guest.run("useradd --create-home ann; echo ann:once-upon-a-time | chpasswd").unwrap();
    guest
        .run("mkdir /etc/app; cd /etc/app; for name in exchanged longer owner mode gone; do echo good > $name; chmod 640 $name; done; cp -a /etc/app /root/app")
        .unwrap();
    soc::start_coordinator(guest);
    soc::start_agent(guest, guest, "");
    soc::wait(guest, "copies of settings are kept", || {
        let named = "grep -rlF -e /etc/app/ -e /root/.ssh/authorized_keys /var/lib/picket/agent/copies/files | wc -l";
        (says(guest, named) == "6").then_some(())
    });
    guest.run(INTRUSION).unwrap();
    let incident = incident(guest);
    let picket = |what: &str| guest.ssh(&format!("/opt/picket/picket {what}")).unwrap();

    picket(&format!("remediate {incident} --yes --note agreed"));
    soc::wait(guest, "every step is done", || {
        let plan = soc::json(guest, &format!("remediate {incident}"))?;
        let done = |step: &Value| step["report"]["state"] == "applied";
        plan["steps"].as_array()?.iter().all(done).then_some(())
    });
    assert_eq!(
        says(guest, "ls /etc/cron.d/x /usr/local/sbin/beacon 2>/dev/null; pgrep -f '[s]leep 9999'; pgrep beacon"),
        ""
    );
    assert!(says(guest, "systemctl is-active beacon.service").starts_with("inactive"));
    assert!(says(guest, "passwd --status eve").starts_with("eve L "));
    guest.run("cmp /root/.ssh/authorized_keys /root/keys").unwrap();
    let settings = |folder: &str| says(guest, &format!("cd {folder}; stat -c '%n %a %U %G' *; cat *"));
    assert_eq!(settings("/etc/app"), settings("/root/app"));

    // By hand is not done yet.
    let early = picket(&format!("recover {incident} --yes"));
    assert_eq!(early.status.code(), Some(1), "{}", String::from_utf8_lossy(&early.stdout));
    let done = picket(&format!("recover {incident} --yes --by-hand-done --watch 2h --note rebuilt"));
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && said.contains("on watch until"), "{said}");
    let report = says(guest, &format!("/opt/picket/picket report {incident}"));
    assert!(report.contains("**passed**") && report.contains("lock\\_account account eve"), "{report}");

    // What it left comes back.
    guest
        .run("cp /bin/sleep /usr/local/sbin/beacon; echo '0 0 31 2 * root /usr/local/sbin/beacon 1' > /etc/cron.d/x")
        .unwrap();
    soc::wait(guest, "it is back", || {
        let back = soc::json(guest, &format!("recover {incident}"))?["watch"]["returned"].clone();
        (!back.is_null()).then_some(())
    });
}
