//! Owns: what the throttles promise.
//! Never: the network; the link is tested with a real agent in tests/link.rs.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::throttle::{Addresses, Bucket};

#[test]
fn a_bucket_gives_its_burst_then_its_rate() {
    let start = Instant::now();
    let mut bucket = Bucket::new(3, 10, start);
    assert!((0..3).all(|_| bucket.try_take(start)));
    assert!(!bucket.try_take(start));
    assert!(bucket.try_take(start + Duration::from_millis(101)));
    assert!(!bucket.try_take(start + Duration::from_millis(110)));
    let mut bucket = Bucket::new(1, 10, start);
    assert_eq!(bucket.take(start), Duration::ZERO);
    assert_eq!(bucket.take(start), Duration::from_millis(100));
    assert_eq!(bucket.take(start), Duration::from_millis(200));
    assert_eq!(bucket.take(start + Duration::from_secs(9)), Duration::ZERO);
}

#[test]
fn addresses_are_throttled_apart_and_a_whole_ipv6_network_together() {
    let (now, mut addresses) = (Instant::now(), Addresses::new(1, 1));
    let mut take = |text: &str| addresses.try_take(text.parse::<IpAddr>().unwrap(), now);
    assert!(take("192.0.2.1") && take("192.0.2.2") && !take("192.0.2.1"));
    assert!(!take("::ffff:192.0.2.2"), "the same address, written for IPv6");
    assert!(take("2001:db8::1") && !take("2001:db8::2") && take("2001:db8:0:1::1"));
}

#[test]
fn the_table_of_addresses_is_bounded_and_forgets_the_quiet_first() {
    let (now, mut addresses) = (Instant::now(), Addresses::new(1, 1));
    let address = |number: u32| IpAddr::from(number.to_be_bytes());
    let max = u32::try_from(super::limits::ADDRESSES_MAX).unwrap();
    assert!((0..max).all(|number| addresses.try_take(address(number), now)));
    assert!(!addresses.try_take(address(max), now), "full of addresses that were just here");
    assert!(addresses.try_take(address(max), now + Duration::from_secs(2)), "they have gone quiet");
}
