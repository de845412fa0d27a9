use serde_json::json;

use super::Fields;

fn fits(fields: &str) -> bool {
    let row = json!({
        "process": {"exe": "/usr/bin/sh", "uid": 0},
        "activity": {"class": "account", "change": {"name": "alice", "changed": ["shell", "uid"]}},
        "rows": [{"row": "dns.query", "hook": ""}, {"row": "file.mode", "hook": "sys_exit"}],
    });
    Fields::parse(fields).unwrap().fit(&row)
}

#[test]
fn a_field_is_found_by_its_name_and_value() {
    assert!(fits(""));
    assert!(fits("process.exe=/usr/bin/sh"));
    assert!(fits("process.uid=0\nactivity.change.name=alice"));
    assert!(!fits("process.uid=0\nactivity.change.name=bob"));
    assert!(!fits("process=/usr/bin/sh"));
    assert!(!fits("process.missing=*"));
}

#[test]
fn stars_stand_for_anything() {
    for good in ["/usr/*", "*sh", "*bin*", "*", "/*/bin/*"] {
        assert!(fits(&format!("process.exe={good}")), "{good}");
    }
    for bad in ["/usr", "usr*", "*/sbin/*", "/usr/bin/sh*sh"] {
        assert!(!fits(&format!("process.exe={bad}")), "{bad}");
    }
}

#[test]
fn any_element_of_a_list_may_hold_it() {
    assert!(fits("activity.change.changed=uid"));
    assert!(fits("rows.row=file.mode"));
    assert!(!fits("activity.change.changed=home"));
}

#[test]
fn what_cannot_be_asked_is_refused_with_its_text() {
    let refused = Fields::parse("nonsense").err().unwrap();
    assert!(refused.message.contains("nonsense") && refused.hint.contains("--field"));
    assert!(Fields::parse(&"a=b\n".repeat(17)).is_err());
}
