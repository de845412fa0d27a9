//! Owns: that whoever looks is told of an exception from a rule that has ended, on the host and at the coordinator.
//! Never: whether an exception leaves out what it should; common/detect tests that.

use std::fs;

use picket_tests::estate::Estate;
use picket_tests::is_root;

const RULE: &str = "title: One\nname: one\nid: 5a0f1d2e-5d1b-4f43-9d0c-7f9b00000001\nstatus: test\nlevel: low\n\
    logsource: {product: linux, category: process_creation}\n\
    detection: {s: {Image: /opt/one}, condition: s}\ntags: [attack.execution, attack.t1059.004]\n";
const ENDED: &str = "title: The backup\nlogsource: {product: linux, category: process_creation}\n\
    filter: {rules: [one], s: {User: backup}, condition: not s}\n\
    picket: {reason: it must, owner: ops@example.org, until: 2020-01-31}\n";

#[test]
fn an_exception_that_has_ended_is_told_where_people_look() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let mut estate = Estate::start().unwrap();
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    let folder = estate.root().join("rules");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("one.yml"), RULE).unwrap();
    fs::write(folder.join("backup.yml"), ENDED).unwrap();
    assert!(!estate.picket(&["status"]).unwrap().contains("exceptions"));
    estate.picket(&["policy", "apply", "watch", "--rules", &folder.display().to_string()]).unwrap();

    let wanted = "backup.yml:1: the exception `The backup` ended on 2020-01-31";
    let shown = estate.picket(&["policy", "show"]).unwrap();
    assert!(shown.contains(wanted) && shown.contains("ask ops@example.org"), "{shown}");
    let status = estate.picket(&["status"]).unwrap();
    assert!(status.contains("exceptions   1 ended"), "{status}");
    estate
        .wait("the host tells it too", |estate| {
            let output = estate.agent_command().arg("status").output().ok()?;
            String::from_utf8_lossy(&output.stdout).contains(wanted).then_some(())
        })
        .unwrap();
}
