//! Owns: whose names are never blocked, and until when each is.
//! Never: the kernel.

#![allow(clippy::unwrap_used)]

use picket_model::action::IsolationScope;
use picket_model::{ActionId, Domain, Timestamp};

use super::{DomainError, Domains, meant, plan, searched};

fn domain(text: &str) -> Domain {
    text.parse().unwrap()
}

#[test]
fn what_the_coordinator_is_found_by_is_not_blocked() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("etc")).unwrap();
    let text = "nameserver 192.0.2.1\nsearch Corp.example. lan\noptions ndots:1\n";
    std::fs::write(root.path().join("etc/resolv.conf"), text).unwrap();
    let refused = |name: &str, coordinators: &[Domain]| match plan(&domain(name), coordinators, root.path()) {
        Err(DomainError::Guarded { why, .. }) => why.contains("coordinator"),
        _ => false,
    };
    let whole = [domain("soc.picket.example")];
    assert!(refused("soc.picket.example", &whole) && refused("picket.example", &whole));
    assert!(!refused("x.soc.picket.example", &whole) && !refused("notpicket.example", &whole));
    let short = [domain("soc")];
    assert!(refused("corp.example", &short) && refused("soc.lan", &short) && !refused("evil.example", &short));
    assert_eq!(meant(&short, &searched(root.path())).len(), 3);
}

#[test]
fn a_domain_below_another_is_blocked_as_long_as_both() {
    let root = tempfile::tempdir().unwrap();
    let mut domains = Domains::new(IsolationScope::Host, None, root.path());
    for (number, name, until) in [(1, "evil.example", 9), (2, "a.evil.example", 5), (3, "b.a.evil.example", 12)] {
        domains.active.insert(ActionId::from_bytes([number; 16]), (domain(name), Timestamp(until)));
    }
    let ends = domains.names();
    assert_eq!(ends.into_values().collect::<Vec<_>>(), [9, 12, 9]);
}
