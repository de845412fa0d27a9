//! Owns: bad input over the whole loop: a clear word, and nothing changed.
//! Never: what the frames alone can show; that is the link's own test.

use std::fs;
use std::path::Path;

use picket_tests::estate::Estate;
use picket_tests::{is_root, marked};

/// What a rule must say beside its selection.
const RULE_HEAD: &str = "title: odd\nname: odd\nid: 5a0f1d2e-5d1b-4f43-9d0c-7f9b6a1c2e77\nstatus: test\nlevel: low\npicket: {family: process, response: []}";

fn refused(estate: &Estate, file: &Path, words: &str) {
    let before = estate.json(&["policy", "show"]).unwrap();
    let error = estate.picket(&["policy", "apply", &file.display().to_string()]).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
    assert_eq!(estate.json(&["policy", "show"]).unwrap(), before, "a refused bundle changed something");
}

#[test]
fn bundles_that_are_not_right_change_nothing() {
    let estate = Estate::start().unwrap();
    let good = marked::sign(&estate, "picket-e2e-none", 5).unwrap();
    estate.picket(&["policy", "apply", &good.display().to_string()]).unwrap();
    refused(&estate, &good, "version 5");
    refused(&estate, &marked::sign(&estate, "picket-e2e-none", 4).unwrap(), "version 4");

    let text = fs::read_to_string(marked::sign(&estate, "picket-e2e-none", 6).unwrap()).unwrap();
    let forged = estate.root().join("forged");
    fs::write(&forged, text.replace("marked_process", "marked_procesz")).unwrap();
    refused(&estate, &forged, "signature");
    fs::write(&forged, &text[..text.len() / 2]).unwrap();
    refused(&estate, &forged, "bundle");

    // Signed with a key of somebody else.
    let key = estate.root().join("other.key");
    estate.picket(&["policy", "keygen", "--out", &key.display().to_string()]).unwrap();
    let out = estate.root().join("foreign");
    estate
        .picket(&[
            "policy",
            "sign",
            "--shipped",
            "watch",
            "--key",
            &key.display().to_string(),
            "--version",
            "9",
            "--out",
            &out.display().to_string(),
        ])
        .unwrap();
    refused(&estate, &out, "key");
}

#[test]
fn malformed_policies_and_rules_name_file_line_and_column() {
    let estate = Estate::start().unwrap();
    let folder = estate.root().join("bad");
    fs::create_dir_all(folder.join("rules")).unwrap();
    fs::write(folder.join("b.toml"), "name = \"bad\"\nlease_ms = 1000000\nconservative = \"ask\"\n").unwrap();
    fs::write(
        folder.join("b.cedar"),
        "@id(\"x\")\npermit (principal, action, resource)\nwhen { context.sevrity > 3 };\n",
    )
    .unwrap();
    let text = |name: &str| folder.join(name).display().to_string();
    let key = estate.root().join("coordinator/policy.key").display().to_string();
    let sign = |cedar: &str| {
        let output = [
            "policy",
            "sign",
            "--bundle",
            &text("b.toml"),
            "--cedar",
            &text(cedar),
            "--rules",
            &text("rules"),
            "--key",
            &key,
            "--version",
            "7",
            "--out",
            &text("out"),
        ];
        estate.picket(&output)
    };
    let odd = "title: odd\nlogsource: {product: linux, category: process_creation}\ndetection:\n  selection:\n    CommandLine|resembles: x\n  condition: selection\n";
    fs::write(folder.join("rules/odd.yml"), odd.replace("resembles", "contains").replace("title: odd", RULE_HEAD))
        .unwrap();
    let error = sign("b.cedar").unwrap_err().to_string();
    assert!(error.contains("3:"), "no line: {error}");
    assert!(!folder.join("out").exists());

    fs::write(folder.join("rules/odd.yml"), odd).unwrap();
    let output = estate.command(&["rules", "check", &text("rules")]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("odd.yml:5:"), "{said}");
    fs::write(folder.join("c.cedar"), "@id(\"x\")\npermit (principal, action, resource);\n").unwrap();
    assert!(sign("c.cedar").unwrap_err().to_string().contains("odd.yml:5:"));
}

#[test]
fn join_tokens_that_are_expired_used_up_or_of_another_ca_are_refused_by_name() {
    if !is_root() {
        println!("skipped: the agent needs root");
        return;
    }
    let (one, other) = (Estate::start().unwrap(), Estate::start().unwrap());
    let enrol = |token: &str| {
        let file = one.root().join("t");
        fs::write(&file, token).unwrap();
        fs::write(one.root().join("agent.toml"), format!("state_dir = \"{}/agent-x\"\n", one.root().display()))
            .unwrap();
        let output = one.agent_command().args(["enrol", "--token-file"]).arg(&file).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let token = one.picket(&["token", "--uses", "1", "--ttl", "1s"]).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let (done, error) = enrol(&token);
    assert!(!done && error.contains("expired"), "{error}");

    let (done, error) = enrol("pkt1.nonsense");
    assert!(!done && error.contains("token"), "{error}");

    // The first estate's address with the other's fingerprint: what a machine in the middle would look like.
    let mine: serde_json::Value = decoded(&one.picket(&["token"]).unwrap());
    let mut mixed: serde_json::Value = decoded(&other.picket(&["token"]).unwrap());
    mixed["addr"] = mine["addr"].clone();
    let (done, error) = enrol(&encoded(&mixed));
    assert!(!done && error.contains("CA"), "{error}");

    one.enrol().unwrap();
    let used = fs::read_to_string(one.root().join("join-token")).unwrap();
    let (done, error) = enrol(&used);
    assert!(!done && error.contains("used up"), "{error}");
    assert!(!one.root().join("agent-x/identity").exists());
}

fn decoded(token: &str) -> serde_json::Value {
    use base64::Engine;
    let body = token.trim().strip_prefix("pkt1.").unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap()
}

fn encoded(token: &serde_json::Value) -> String {
    use base64::Engine;
    format!("pkt1.{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(token.to_string()))
}

#[test]
fn one_changed_removed_or_swapped_record_is_found() {
    let estate = Estate::start().unwrap();
    for _ in 0..5 {
        estate.picket(&["token"]).unwrap();
    }
    let export = estate.root().join("export");
    let path = export.display().to_string();
    estate.picket(&["audit", "export", "--out", &path]).unwrap();
    estate.picket(&["audit", "verify", "--file", &path]).unwrap();
    let text = fs::read_to_string(&export).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let verify = |lines: &[&str]| {
        fs::write(&export, lines.join("\n") + "\n").unwrap();
        estate.picket(&["audit", "verify", "--file", &path])
    };
    assert!(verify(&lines).is_ok());
    let changed = lines[3].replacen("leaf\":\"e", "leaf\":\"f", 1);
    let mut with_change = lines.clone();
    with_change[3] = &changed;
    assert_ne!(with_change, lines);
    assert!(verify(&with_change).unwrap_err().to_string().contains('2'), "names the record");
    let mut removed = lines.clone();
    removed.remove(3);
    assert!(verify(&removed).is_err());
    let mut swapped = lines.clone();
    swapped.swap(2, 4);
    assert!(verify(&swapped).is_err());
}
