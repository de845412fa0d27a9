//! Owns: what a million indicators cost: time to take them up, memory, time to look one up.
//! Never: an event's way through the rules.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use picket_detect::{IndicatorSource, Indicators};
use picket_model::Sha256;

const DIGESTS: u64 = 400_000;
const ADDRESSES: u64 = 200_000;
const RANGES: u64 = 100_000;
const DOMAINS: u64 = 250_000;
const NAMES: u64 = 25_000;
const LOOKUPS: u64 = 2_000_000;

/// Numbers that are spread evenly and the same in every run (splitmix64).
fn spread(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn digest(seed: u64) -> Sha256 {
    let mut bytes = [0; 32];
    for (index, chunk) in (0..).zip(bytes.chunks_mut(8)) {
        chunk.copy_from_slice(&spread(seed.wrapping_mul(4).wrapping_add(index)).to_be_bytes());
    }
    Sha256(bytes)
}

fn address(seed: u64) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits((spread(seed) >> 32) as u32))
}

fn domain(seed: u64) -> String {
    format!("host-{:x}.example{}.org", spread(seed), seed % 1000)
}

fn source() -> IndicatorSource {
    let texts = |count: u64, text: &dyn Fn(u64) -> String| (0..count).map(text).collect::<Vec<_>>();
    let mut addresses = texts(ADDRESSES, &|seed| address(seed).to_string());
    addresses.extend((0..RANGES).map(|seed| {
        let IpAddr::V4(ip) = address(seed + ADDRESSES) else { unreachable!() };
        format!("{}/24", Ipv4Addr::from_bits(ip.to_bits() & 0xffff_ff00))
    }));
    IndicatorSource {
        sha256: texts(DIGESTS, &|seed| digest(seed).to_string()),
        addresses,
        domains: texts(DOMAINS, &domain),
        urls: texts(NAMES, &|seed| format!("http://{}/x", domain(seed))),
        file_names: texts(NAMES, &|seed| format!("/tmp/{:x}", spread(seed))),
        ..IndicatorSource::default()
    }
}

pub fn run() {
    let source = source();
    let started = Instant::now();
    let indicators = Indicators::compile(&source).unwrap();
    let took = started.elapsed();
    drop(source);
    let total = DIGESTS + ADDRESSES + RANGES + DOMAINS + 2 * NAMES;
    println!("{total} indicators taken up in {} ms", took.as_millis());
    println!("memory beyond their texts: {:.1} MiB", indicators.bytes() as f64 / f64::from(1 << 20));
    each("digest", &(|seed| digest(seed)), DIGESTS, &|digest| indicators.has_sha256(digest));
    each("address or range", &address, ADDRESSES, &|ip| indicators.has_address(*ip));
    each("domain of three labels", &domain, DOMAINS, &|name| indicators.listed_domain(name).is_some());
}

/// Half of the questions are about listed ones, in no order that memory could foresee.
fn each<T>(what: &str, make: &dyn Fn(u64) -> T, listed: u64, ask: &dyn Fn(&T) -> bool) {
    let asked: Vec<T> = (0..LOOKUPS / 8).map(|turn| make(spread(turn) % (2 * listed))).collect();
    let mut times: Vec<f64> = (0..8)
        .map(|_| {
            let started = Instant::now();
            let found = asked.iter().filter(|asked| ask(black_box(asked))).count();
            assert!(found * 3 > asked.len(), "half of them are listed");
            started.elapsed().as_nanos() as f64 / asked.len() as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{what}: {:.0} ns a look, median of {} rounds", times[times.len() / 2], times.len());
}
