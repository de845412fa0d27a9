//! Owns: the matrix of autonomy over the whole loop: levels on a tier of hosts, and questions that nobody answers.
//! Never: acting on anything but processes and files of the test's own.

use std::fs;

use picket_tests::estate::Estate;
use picket_tests::is_root;
use picket_tests::marked::{self, Victim};
use serde_json::Value;

use crate::lists::detections;

/// A bundle that acts on what carries the marker, with these settings of autonomy, in force on the host.
fn under(estate: &Estate, marker: &str, version: u64, autonomy: &str) {
    let signed = marked::sign(estate, marker, version).unwrap();
    let folder = estate.root().join(format!("bundle-{version}"));
    let path = |name: &str| folder.join(name).display().to_string();
    let settings = fs::read_to_string(path("test.toml")).unwrap();
    fs::write(path("test.toml"), format!("{settings}\n{autonomy}")).unwrap();
    fs::remove_file(&signed).unwrap();
    let key = estate.root().join("coordinator/policy.key").display().to_string();
    let said = estate
        .picket(&[
            "policy",
            "sign",
            "--bundle",
            &path("test.toml"),
            "--cedar",
            &path("test.cedar"),
            "--rules",
            &path("rules"),
            "--key",
            &key,
            "--version",
            &version.to_string(),
            "--out",
            &signed.display().to_string(),
        ])
        .unwrap();
    assert!(said.contains("invariants proved"), "{said}");
    marked::apply(estate, &signed, version).unwrap();
}

/// The action of this state that speaks of `subject`, once it is told.
fn action(estate: &Estate, state: &str, subject: impl Fn(&Value) -> bool) -> Value {
    let found = estate.wait(&format!("an action is {state}"), |estate| {
        let actions = estate.json(&["actions", "--state", state, "--limit", "1000"]).ok()?;
        actions.as_array()?.iter().find(|one| subject(&one["kind"])).cloned()
    });
    found.unwrap()
}

fn kills(victim: &Victim) -> impl Fn(&Value) -> bool {
    let pid = victim.pid();
    move |kind| kind["target"]["pid"] == pid
}

#[test]
fn what_nobody_answers_is_done_or_given_up_as_the_settings_say() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let marker = format!("picket-e2e-silence-{}", std::process::id());
    let mut estate = Estate::start().unwrap();
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    let tier = |then: &str| {
        format!(
            "[[autonomy.tiers]]\nname = \"all\"\nlevels = {{ default = \"approve\" }}\n\
             escalation = {{ ask = \"the night shift\", within_ms = 10_000, then = \"{then}\" }}\n"
        )
    };
    under(&estate, &marker, 2, &tier("drop"));
    let mut spared = Victim::start(&marker).unwrap();
    let asked = action(&estate, "asked", kills(&spared));
    assert!(asked["detail"].as_str().unwrap().contains("waits for the night shift until"), "{asked}");
    assert_eq!(asked["decided_by"][0], "autonomy.all.approve", "{asked}");
    let dropped = action(&estate, "refused", kills(&spared));
    assert!(dropped["detail"].as_str().unwrap().contains("given up: nobody answered within 10 s"), "{dropped}");
    assert!(spared.is_alive());

    under(&estate, &marker, 3, &tier("act"));
    let mut victim = Victim::start(&marker).unwrap();
    action(&estate, "asked", kills(&victim));
    // The question outlives the agent.
    estate
        .wait("the question is written down", |estate| {
            let kept = fs::read_to_string(estate.root().join("agent/questions")).ok()?;
            kept.contains(&victim.pid().to_string()).then_some(())
        })
        .unwrap();
    estate.kill_agent();
    estate.start_agent().unwrap();
    assert!(victim.is_killed(), "{}", estate.logs());
    let killed = action(&estate, "applied", kills(&victim));
    assert!(
        killed["decided_by"].to_string().contains("escalation: the night shift did not answer within 10 s"),
        "{killed}"
    );
    assert!(spared.is_alive(), "a question that was given up stays so");
}

#[test]
fn a_question_is_handed_on_over_a_restart_and_an_answer_in_the_second_stage_counts() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let marker = format!("picket-e2e-path-{}", std::process::id());
    let mut estate = Estate::start().unwrap();
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    let path = "[[autonomy.tiers]]\nname = \"all\"\nlevels = { default = \"approve\" }\n\
                escalation = { ask = \"the night shift\", within_ms = 10_000, then = \"drop\", then_ask = [\n\
                { ask = \"the day shift\", within_ms = 3_600_000 } ] }\n";
    under(&estate, &marker, 2, path);
    let mut victim = Victim::start(&marker).unwrap();
    let asked = action(&estate, "asked", kills(&victim));
    assert_eq!(asked["asks"]["who"], "the night shift", "{asked}");
    estate
        .wait("the question is written down", |estate| {
            let kept = fs::read_to_string(estate.root().join("agent/questions")).ok()?;
            kept.contains(&victim.pid().to_string()).then_some(())
        })
        .unwrap();
    estate.kill_agent();
    estate.start_agent().unwrap();
    let second = estate
        .wait("the day shift is asked", |estate| {
            let asked = estate.json(&["actions", "--state", "asked"]).ok()?;
            asked.as_array()?.iter().find(|one| one["asks"]["who"] == "the day shift").cloned()
        })
        .unwrap();
    assert_eq!((&second["id"], &second["asks"]["stage"]), (&asked["id"], &Value::from(2)), "{second}");
    let decided_by = second["decided_by"].to_string();
    assert!(decided_by.contains("escalation: the night shift did not answer within 10 s"), "{second}");
    let listed = estate.picket(&["actions", "--state", "asked"]).unwrap();
    assert!(listed.contains("the day shift (2 of 2) until "), "{listed}");
    assert!(victim.is_alive());
    estate.picket(&["approve", second["id"].as_str().unwrap()]).unwrap();
    assert!(victim.is_killed(), "{}", estate.logs());
    let killed = action(&estate, "applied", kills(&victim));
    assert_eq!(killed["id"], asked["id"], "{killed}");
}

#[test]
fn what_is_done_and_escalated_names_whose_turn_it_is_to_look_until_somebody_has() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let marker = format!("picket-e2e-look-{}", std::process::id());
    let mut estate = Estate::start().unwrap();
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    let path = "[[autonomy.tiers]]\nname = \"all\"\nlevels = { default = \"act_and_escalate\" }\n\
                escalation = { ask = \"the night shift\", within_ms = 10_000, then = \"wait\", then_ask = [\n\
                { ask = \"the day shift\", within_ms = 3_600_000 } ] }\n";
    under(&estate, &marker, 2, path);
    let mut victim = Victim::start(&marker).unwrap();
    assert!(victim.is_killed(), "{}", estate.logs());
    let of_victim = kills(&victim);
    let second = estate
        .wait("the day shift is to look", |estate| {
            let asks = estate.json(&["actions", "--asks"]).ok()?;
            asks.as_array()?
                .iter()
                .find(|one| of_victim(&one["kind"]) && one["asks"]["who"] == "the day shift")
                .cloned()
        })
        .unwrap();
    assert_eq!((&second["state"], &second["asks"]["to"]), (&"applied".into(), &"look".into()), "{second}");
    let listed = estate.picket(&["actions", "--asks"]).unwrap();
    assert!(listed.contains("the day shift (2 of 2) looks until "), "{listed}");
    let said = estate.picket(&["acknowledge", second["id"].as_str().unwrap(), "--note", "right so"]).unwrap();
    assert!(said.starts_with("acknowledged "), "{said}");
    assert_eq!(estate.json(&["actions", "--asks"]).unwrap(), Value::Array(Vec::new()));
    let seen = action(&estate, "applied", kills(&victim));
    assert_eq!((&seen["id"], &seen["acknowledged"]["note"]), (&second["id"], &"right so".into()), "{seen}");
}

#[test]
fn a_hosts_tier_says_how_far_each_action_goes() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let marker = format!("picket-e2e-tier-{}", std::process::id());
    let mut estate = Estate::start().unwrap();
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    let name = estate.json(&["hosts"]).unwrap()[0]["hostname"].as_str().unwrap().to_owned();
    let tiers = format!(
        "[[autonomy.tiers]]\nname = \"here\"\nhosts = [\"{name}\"]\n\
         levels = {{ kill_tree = \"observe\", quarantine_file = \"suggest\" }}\n\
         [[autonomy.tiers]]\nname = \"elsewhere\"\n"
    );
    under(&estate, &marker, 2, &tiers);
    let mut observed = Victim::start(&marker).unwrap();
    let file = estate.root().join(&marker);
    fs::write(&file, "left behind").unwrap();
    let path = file.display().to_string();
    let suggested = action(&estate, "refused", |kind| kind["path"] == path);
    assert!(suggested["detail"].as_str().unwrap().contains("only suggested"), "{suggested}");
    assert_eq!(suggested["decided_by"][0], "autonomy.here.suggest", "{suggested}");
    assert!(file.exists() && observed.is_alive());
    let of_victim = kills(&observed);
    estate
        .wait("the victim is told of", |estate| {
            detections(estate).iter().any(|one| one["rule"] == "marked_process").then_some(())
        })
        .unwrap();
    let actions = estate.json(&["actions", "--limit", "1000"]).unwrap();
    assert!(!actions.as_array().unwrap().iter().any(|one| of_victim(&one["kind"])), "{actions}");

    // The same host under a tier that lets it act.
    under(&estate, &marker, 3, "[[autonomy.tiers]]\nname = \"all\"\n");
    assert!(Victim::start(&marker).unwrap().is_killed(), "{}", estate.logs());
}
