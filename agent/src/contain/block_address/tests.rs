use super::*;

fn plan_of(network: &str, port: Option<u16>) -> Plan {
    plan(Some(network.parse().unwrap()), port, &[]).unwrap()
}

#[test]
fn each_block_has_a_lease_of_its_own_and_rules_in_every_chain() {
    let mut blocks = Blocks::new(IsolationScope::Host);
    let (one, two) = (ActionId::from_bytes([1; 16]), ActionId::from_bytes([2; 16]));
    blocks.active.insert(one, (plan_of("198.51.100.0/24", Some(443)), Timestamp::from_millis(5_000)));
    blocks.active.insert(two, (plan_of("2001:db8::1", None), Timestamp::from_millis(9_000)));
    let text = blocks.text(Timestamp::from_millis(4_000));
    let has = |words: &str| text.lines().filter(|line| line.contains(words)).count();
    assert_eq!((has("timeout 1000ms"), has("timeout 5000ms")), (1, 1), "{text}");
    assert_eq!(has("ip daddr 198.51.100.0/24 meta l4proto { tcp, udp } th dport 443"), 2, "out and forward: {text}");
    assert_eq!(has("ip saddr 198.51.100.0/24 meta l4proto { tcp, udp } th dport 443"), 2, "in and forward: {text}");
    assert_eq!(has("ip6 daddr 2001:db8::1 meta nfproto @lease_"), 2, "{text}");
    assert_eq!(has(&format!("comment \"{two}\"")), 4, "{text}");
    assert!(
        text.starts_with("table inet picket_block {}\ndelete table inet picket_block\n"),
        "one transaction: {text}"
    );
}
