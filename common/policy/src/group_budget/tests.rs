use picket_model::{BundleVersion, Timestamp};

use crate::Bundle;

const ALL: &str = "@id(\"all\")\npermit (principal, action, resource);";

fn bundle(groups: &str) -> Result<Bundle, String> {
    let text = format!("name = \"ours\"\nlease_ms = 86_400_000\nconservative = \"ask\"\n{groups}");
    let bundle = Bundle::from_texts(&text, ALL).and_then(|bundle| bundle.check().map(|()| bundle));
    bundle
        .map(|bundle| Bundle { version: BundleVersion(1), issued: Timestamp(1), ..bundle })
        .map_err(|error| error.to_string())
}

#[test]
fn a_group_that_bounds_nothing_or_nobody_is_named() {
    let group = |name: &str, hosts: &str, budgets: &str| {
        format!("[[group_budgets]]\nname = \"{name}\"\nhosts = [{hosts}]\nbudgets = {{ {budgets} }}\n")
    };
    let good = group("db", "\"db-*\"", "kill_tree = 2, isolate_host = 0");
    let groups = bundle(&good).unwrap().group_budgets;
    assert_eq!((groups[0].budgets["kill_tree"], groups[0].budgets["isolate_host"]), (2, 0));
    for (text, complaint) in [
        (group("db", "", "kill_tree = 2"), "\"db\" names no host"),
        (group("db", "\"db-*\"", ""), "\"db\" bounds no action"),
        (group("db", "\"db-*\"", "kill = 2"), "\"kill\" is no action"),
        (group("db", "\"db-*\"", "kill_tree = 1001"), "group_budgets.budgets.kill_tree"),
        (group("d b", "\"db-*\"", "kill_tree = 2"), "\"d b\" is not made of"),
        (good.clone() + &good, "two groups are called \"db\""),
    ] {
        let error = bundle(&text).unwrap_err();
        assert!(error.contains(complaint), "{error}");
    }
    let none = serde_json::to_string(&bundle("").unwrap()).unwrap();
    assert!(!none.contains("group_budgets"), "agents that do not know of them take such a bundle");
}
