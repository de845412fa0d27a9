//! Owns: an intrusion that moves from one guest to the next by SSH: one incident, both contained, the path told.
//! Never: a network beyond the guests' own link.

use picket_tests::vm::Lab;
use serde_json::Value;

use picket_tests::soc;

/// How long the intruder's quiet process on db would sleep; a number that nothing else in a guest says.
const QUIET: u32 = 6021;

#[test]
fn an_intrusion_that_moves_by_ssh_is_one_incident_and_both_hosts_are_contained() {
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(why) => return println!("skipped: {why}"),
    };
    // As files: typed over SSH, the command line alone would be detected and the test's own session killed; and a script
    // that holds the encoded command is killed itself, before it goes anywhere.
    let folder = tempfile::tempdir().unwrap();
    let [intruder, loud] = ["intruder", "loud"].map(|name| folder.path().join(name));
    std::fs::write(&loud, "echo c2xlZXAgNjAwCg== | base64 -d | sh").unwrap();
    std::fs::write(&intruder, format!("sh -c \"$(cat /opt/picket/loud)\"\nssh -tt root@10.9.0.3 'sleep {QUIET}'\n"))
        .unwrap();
    let payload = soc::payload(&[intruder, loud]);
    let guests = soc::boot(&lab, &["soc", "web", "db"], &payload);
    let (soc, web, db) = (&guests[0], &guests[1], &guests[2]);
    soc::start_coordinator(soc);
    soc::start_agent(soc, web, "");
    soc::start_agent(soc, db, "");
    soc.run("/opt/picket/picket policy apply standard").unwrap();
    soc::wait(soc, "both hosts act under standard", || {
        let hosts = soc::json(soc, "hosts")?;
        hosts.as_array()?.iter().all(|host| host["status"]["bundle_name"] == "standard").then_some(())
    });

    // Loud on web, where an encoded command is decoded and run; then, with a key that lies around, quietly on to db.
    web.run("systemd-run --quiet --unit=intruder /bin/sh /opt/picket/intruder").unwrap();

    let incident = soc::wait(soc, "one incident holds both hosts", || {
        let incidents = soc::json(soc, "incidents --all")?;
        incidents
            .as_array()?
            .iter()
            .find(|incident| incident["hosts"].as_array().is_some_and(|h| h.len() == 2))
            .cloned()
    });
    let id = incident["id"].as_str().unwrap().to_owned();
    soc::wait(soc, "what the intruder ran on web is gone", || web.run("! pgrep -f '[b]ase64 -d'").ok());
    soc::wait(soc, "the intruder's session on db is gone", || db.run(&format!("! pgrep -f '[s]leep {QUIET}'")).ok());

    let whole = soc::wait(soc, "both containments are on the record", || {
        let whole = soc::json(soc, &format!("incident {id}"))?;
        let applied: Vec<&Value> = whole["actions"].as_array()?.iter().filter(|a| a["state"] == "applied").collect();
        let on = |name: &str| applied.iter().any(|action| action["hostname"] == name);
        (on("web") && on("db")).then_some(whole)
    });
    let path = whole["incident"]["path"].as_array().unwrap();
    let steps: Vec<String> = path
        .iter()
        .map(|step| {
            format!(
                "{} {} {}",
                step["from_label"].as_str().unwrap(),
                step["relation"].as_str().unwrap(),
                step["to_label"].as_str().unwrap()
            )
        })
        .collect();
    let crossing =
        steps.iter().position(|step| step.contains("web") && step.contains("reached") && step.contains("db"));
    assert!(crossing.is_some(), "no step from web to db: {steps:#?}");
    // However quick the coordinator was: what the crossing led to on db comes last.
    let last = steps.last().unwrap();
    assert!(crossing < Some(steps.len() - 1) && last.starts_with("db: "), "nothing after the crossing: {steps:#?}");
    // No rule of db's own fired: the coordinator asked, and db's own policy let it act.
    let on_db = whole["actions"].as_array().unwrap().iter().find(|action| action["hostname"] == "db").unwrap();
    assert_eq!(on_db["reason"]["principal"]["who"], "coordinator", "{on_db}");
    println!("{}", steps.join("\n"));
    let verified = soc.run("/opt/picket/picket audit verify").unwrap();
    assert!(verified.contains("verified"), "{verified}");
}
