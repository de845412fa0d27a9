//! Owns: what one compromised host can do to the others with all the records that it may send: nothing.
//! Never: a record that the link would not take from it; coordinator/tests tries those.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use picket_agent::report::{Spool, SpoolLimits};
use picket_model::{
    Activity, Detection, DetectionId, Event, EventId, HostId, NetActivity, NetFlow, NetProtocol, Process, ProcessKey,
    Record, RuleId, SensorFamily, Severity, Timestamp,
};
use picket_tests::estate::Estate;
use picket_tests::marked::{self, Victim};
use picket_tests::simulated::Simulated;
use picket_tests::{eventually, is_root};
use serde_json::Value;

/// Far beyond what one incident and one host may hold.
const FORGED: u32 = 4_000;
/// As `coordinator/src/respond` has it for one host's evidence in an hour.
const PLANNED_MAX: usize = 8;
/// Open incidents of one host, and one that gathers what comes beyond.
const INCIDENTS_MAX: usize = 256 + 1;
const NAMES: [(&str, &str); 5] = [
    ("/usr/lib/systemd/systemd", "root"),
    ("/usr/sbin/sshd", "root"),
    ("/usr/bin/picket-coordinator", "picket"),
    ("/usr/sbin/backupd", "root"),
    ("/usr/sbin/krb5kdc", "root"),
];
const RULES: [&str; 4] = ["reverse_shell_dev_tcp", "miner_command", "exec_from_temp", "web_server_spawns_shell"];

fn now() -> u64 {
    u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos()).unwrap()
}

/// Of the liar itself, as the link demands; with all that points at others.
fn forged(number: u32, host: HostId, aims: &[SocketAddr]) -> Detection {
    let (exe, user) = NAMES[number as usize % NAMES.len()];
    let mut process =
        Process::unknown(ProcessKey { boot: 1, pid: 1 + number % 3_000, start_ticks: u64::from(number / 7) });
    process.exe = exe.to_owned();
    process.user = user.to_owned();
    process.argv = vec![exe.to_owned(), "-a".to_owned()];
    let aim = aims[number as usize % aims.len()];
    let flow = NetFlow {
        protocol: NetProtocol::Tcp,
        local_ip: IpAddr::from([10, 66, 6, 6]),
        local_port: 40_000 + u16::try_from(number % 20_000).unwrap(),
        remote_ip: aim.ip(),
        remote_port: aim.port(),
    };
    let (process, time) = (Some(Arc::new(process)), Timestamp(now() - u64::from(FORGED - number) * 10_000_000));
    // Some are sent again under the same number.
    let id = u128::from(number - number % 3 % 2 + 1);
    Detection {
        id: DetectionId::from_bytes(id.to_be_bytes()),
        host,
        time,
        rule: RuleId(RULES[number as usize % RULES.len()].to_owned()),
        title: format!("forged {number}"),
        severity: Severity::Critical,
        techniques: vec!["T1021.004".to_owned()],
        tactics: vec!["lateral-movement".to_owned()],
        family: if number.is_multiple_of(2) { SensorFamily::Process } else { SensorFamily::Network },
        evidence: Vec::new(),
        response: ["isolate_host", "kill_tree", "quarantine_file"].map(str::to_owned).to_vec(),
        event: Event {
            id: EventId::from_bytes(id.to_be_bytes()),
            time,
            process: process.clone(),
            activity: Activity::Network { activity: NetActivity::Connect, flow },
        },
        lineage: process.into_iter().collect(),
    }
}

/// The honest host's addresses at every port that matters, and the coordinator's own.
fn aims(estate: &Estate, honest: &Value) -> Vec<SocketAddr> {
    let addresses = honest["facts"]["addresses"].as_array().unwrap().iter();
    let mut ips: Vec<IpAddr> = addresses.filter_map(|text| text.as_str()?.parse().ok()).collect();
    ips.push(IpAddr::from([127, 0, 0, 1]));
    let api = estate.command(&[]).get_envs().find_map(|(name, value)| {
        let url = value?.to_str()?.to_owned();
        (name == "PICKET_API").then(|| url.rsplit(':').next().unwrap().parse::<u16>().unwrap())
    });
    let ports = [22, 88, 443, 8844, api.unwrap()];
    ips.iter().flat_map(|ip| ports.map(|port| SocketAddr::new(*ip, port))).collect()
}

fn rows(estate: &Estate, what: &str) -> Vec<Value> {
    estate.json(&[what, "--limit", "10000"]).unwrap().as_array().unwrap().clone()
}

#[test]
fn one_compromised_host_cannot_turn_the_others_against_each_other_or_hide_an_attack() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let marker = format!("picket-e2e-redteam-{}", std::process::id());
    let estate = marked::estate(&marker).unwrap();
    let honest = estate.json(&["hosts"]).unwrap()[0].clone();
    let honest_id = honest["id"].as_str().unwrap();
    let aims = aims(&estate, &honest);

    let liar = Simulated::enrol(&estate, "liar").unwrap();
    let host = liar.host().unwrap();
    let spool = Spool::open(&liar.folder.path().join("spool"), SpoolLimits::default()).unwrap();
    for number in 0..FORGED {
        spool.append(&Record::Detection { detection: forged(number, host, &aims) }).unwrap();
    }
    let uplink = liar.start(spool.clone()).unwrap();
    let half = |_: &Estate| (spool.backlog() < u64::from(FORGED / 2)).then_some(());
    estate.wait("half of the flood has come", half).unwrap();

    // The real attack in the middle of it.
    assert!(Victim::start(&marker).unwrap().is_killed(), "not contained beside a flood\n{}", estate.logs());
    let sent = eventually(Duration::from_secs(300), || (spool.backlog() == 0).then_some(()));
    assert!(sent.is_some(), "{} records were not acknowledged\n{}", spool.backlog(), estate.logs());
    assert!(Victim::start(&marker).unwrap().is_killed(), "not contained after a flood\n{}", estate.logs());

    // Both are told, whatever else there is.
    let own = |estate: &Estate| {
        let detections = estate.json(&["detections", "--host", honest_id, "--limit", "1000"]).ok()?;
        let marked = detections.as_array()?.iter().filter(|row| row["rule"] == "marked_process").count();
        (marked >= 2).then_some(())
    };
    estate.wait("the honest host's detections are there", own).unwrap();
    let shown = |estate: &Estate| {
        let incidents = estate.json(&["incidents", "--all"]).ok()?;
        let of_honest = |row: &&Value| row["hosts"].to_string().contains(honest_id);
        incidents.as_array()?.iter().find(of_honest).cloned()
    };
    let incident = estate.wait("the real attack is an incident that people see", shown).unwrap();
    assert!(!incident["hosts"].to_string().contains(&host.to_string()), "and not mixed with the lies: {incident}");

    let actions = rows(&estate, "actions");
    let is_of = |action: &&Value, id: &str| action["host"] == id;
    for action in actions.iter().filter(|action| is_of(action, honest_id)) {
        assert_eq!(action["reason"]["rule"], "marked_process", "done to the honest host: {action}");
    }
    let planned = actions.iter().filter(|action| action["reason"]["principal"].to_string().contains("coordinator"));
    let planned: Vec<&Value> = planned.filter(|action| action["state"] != "asked").collect();
    assert!(planned.len() <= PLANNED_MAX, "{} acts: {planned:?}", planned.len());
    let hosts = estate.json(&["hosts"]).unwrap();
    assert!(hosts.as_array().unwrap().iter().all(|row| row["status"]["isolated"] != true), "{hosts}");
    let incidents = estate.json(&["incidents", "--all"]).unwrap();
    let of_liar =
        incidents.as_array().unwrap().iter().filter(|row| row["hosts"].to_string().contains(&host.to_string()));
    let of_liar = of_liar.count();
    assert!(of_liar <= INCIDENTS_MAX, "{of_liar} incidents");
    estate.picket(&["audit", "verify"]).unwrap();
    uplink.stop();
}
