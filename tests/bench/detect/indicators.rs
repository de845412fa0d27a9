//! Owns: what a million indicators cost: memory, time to look one up, and how long events wait while they take over.
//! Never: an event's way through the rules.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use picket_agent::detect::Detect;
use picket_detect::{Detector, Gathering, Indicators, ListKind, ListReader, ListWriter, pack};
use picket_model::{Event, HostId};
use picket_tests::estate::Estate;

use super::live::near_misses;
use crate::numbers::{percentile, pid_of, resident_kib, thread_cpu};

/// Together a million, in the shares of public feeds: mostly contents and domains.
const SHA256: u64 = 300_000;
const MD5: u64 = 50_000;
const ADDRESSES: u64 = 150_000;
const ADDRESSES_V6: u64 = 50_000;
const RANGES: u64 = 75_000;
const RANGES_V6: u64 = 25_000;
const DOMAINS: u64 = 250_000;
const URLS: u64 = 50_000;
const FILE_NAMES: u64 = 50_000;

/// Too short for others to come in between, and long enough that reading the clock does not count.
const BATCH: usize = 100;
const BATCHES: usize = 5_000;
/// Each batch is asked so often, all others in between: its best pass is the one in which nothing else came in between.
const PASSES: usize = 7;
const SWAPS: usize = 10;

/// Numbers that are spread evenly and the same in every run (splitmix64).
fn spread(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn sha256(seed: u64) -> String {
    (0..4).map(|part| format!("{:016x}", spread(seed.wrapping_mul(4).wrapping_add(part)))).collect()
}

fn md5(seed: u64) -> String {
    sha256(seed ^ u64::MAX)[..32].to_owned()
}

fn v4(seed: u64) -> Ipv4Addr {
    Ipv4Addr::from_bits((spread(seed) >> 32) as u32)
}

fn v6(seed: u64) -> Ipv6Addr {
    let bits = u128::from(spread(seed)) << 64 | u128::from(spread(!seed));
    Ipv6Addr::from_bits(bits >> 3 | 1 << 125)
}

fn domain(seed: u64) -> String {
    format!("host-{:x}.example{}.org", spread(seed), seed % 1000)
}

fn below(seed: u64) -> String {
    format!("a.b.{}", domain(seed))
}

fn url(seed: u64) -> String {
    format!("http://{}/a/b{}.sh", domain(seed), seed % 10)
}

fn path(seed: u64) -> String {
    format!("/tmp/.x/{:x}", spread(seed))
}

/// Each kind as a file of the lists that a host fetches.
fn lists() -> Vec<(ListKind, Vec<String>)> {
    let all = |count: u64, text: &dyn Fn(u64) -> String| (0..count).map(text).collect::<Vec<_>>();
    let mut addresses = all(ADDRESSES, &|seed| v4(seed).to_string());
    addresses.extend(all(ADDRESSES_V6, &|seed| v6(seed).to_string()));
    addresses
        .extend(all(RANGES, &|seed| format!("{}/24", Ipv4Addr::from_bits(v4(seed | 1 << 32).to_bits() & 0xffff_ff00))));
    addresses.extend(all(RANGES_V6, &|seed| {
        format!("{}/48", Ipv6Addr::from_bits(v6(seed | 1 << 32).to_bits() >> 80 << 80))
    }));
    vec![
        (ListKind::Sha256, all(SHA256, &sha256)),
        (ListKind::Md5, all(MD5, &md5)),
        (ListKind::Addresses, addresses),
        (ListKind::Domains, all(DOMAINS, &domain)),
        (ListKind::Urls, all(URLS, &url)),
        (ListKind::FileNames, all(FILE_NAMES, &path)),
    ]
}

fn written(lists: &[(ListKind, Vec<String>)]) -> Vec<Vec<u8>> {
    let of = |(kind, texts): &(ListKind, Vec<String>)| {
        let mut writer = ListWriter::new(*kind);
        texts.iter().for_each(|text| writer.add(text).unwrap());
        writer.finish().0
    };
    lists.iter().map(of).collect()
}

fn gathered(files: &[Vec<u8>]) -> Gathering {
    let mut gathering = Gathering::default();
    files.iter().for_each(|file| gathering.list(ListReader::new(&file[..]).unwrap()).unwrap());
    gathering
}

pub fn run() {
    let lists = lists();
    let total: usize = lists.iter().map(|(_, texts)| texts.len()).sum();
    let files = written(&lists);
    let before = resident_kib(std::process::id());
    let begun = thread_cpu();
    let indicators = gathered(&files).finish();
    let took = thread_cpu() - begun;
    let resident = resident_kib(std::process::id()).saturating_sub(before);
    println!(
        "{total} indicators, {:.1} MB of lists taken up in {} ms of processor time; {:.1} MB held, resident memory grew by {:.1} MB",
        files.iter().map(Vec::len).sum::<usize>() as f64 / 1e6,
        took.as_millis(),
        indicators.bytes() as f64 / 1e6,
        resident as f64 * 1024.0 / 1e6
    );
    lookups(&indicators);
    drop(indicators);
    swaps(&files);
    drop(files);
    on_a_host(&lists);
}

fn lookups(indicators: &Indicators) {
    let digest = |seed| sha256(seed).parse().unwrap();
    each("SHA-256", SHA256, &digest, &|digest| indicators.has_sha256(digest));
    each("MD5", MD5, &md5, &|text| indicators.has_md5(text));
    each("IPv4 address", ADDRESSES, &|seed| IpAddr::V4(v4(seed)), &|ip| indicators.has_address(*ip));
    each("IPv6 address", ADDRESSES_V6, &|seed| IpAddr::V6(v6(seed)), &|ip| indicators.has_address(*ip));
    each("IPv4 range", RANGES, &|seed| IpAddr::V4(v4(seed | 1 << 32)), &|ip| indicators.has_address(*ip));
    each("IPv6 range", RANGES_V6, &|seed| IpAddr::V6(v6(seed | 1 << 32)), &|ip| indicators.has_address(*ip));
    each("domain", DOMAINS, &domain, &|name| indicators.listed_domain(name).is_some());
    each("name two below a domain", DOMAINS, &below, &|name| indicators.listed_domain(name).is_some());
    each("URL in a command", URLS, &|seed| format!("curl -s {}", url(seed)), &|text| {
        indicators.listed_url(text).is_some()
    });
    each("path of a file", FILE_NAMES, &path, &|path| indicators.has_file_name(path));
}

/// Listed ones and others, in no order that memory could foresee.
fn each<T>(what: &str, listed: u64, make: &dyn Fn(u64) -> T, ask: &dyn Fn(&T) -> bool) {
    let [hits, misses] = [0, 1 << 40].map(|from| {
        let asked: Vec<T> = (0..BATCH * BATCHES).map(|turn| make(from + spread(turn as u64) % listed)).collect();
        let (mut found, mut best, mut all) = (0, vec![u64::MAX; BATCHES], Vec::new());
        for _ in 0..PASSES {
            for (batch, best) in asked.chunks(BATCH).zip(&mut best) {
                let begun = Instant::now();
                found += batch.iter().filter(|asked| ask(black_box(asked))).count();
                let took = begun.elapsed().as_nanos() as u64 / BATCH as u64;
                *best = took.min(*best);
                all.push(took);
            }
        }
        let asked = asked.len() * PASSES;
        assert!(from != 0 || found == asked, "{what}: every listed one is found");
        assert!(from == 0 || found * 50 < asked, "{what}: others are not, but for those within a range");
        [percentile(&mut all, 50), percentile(&mut best, 99)]
    });
    println!(
        "{what}: listed {} ns, p99 {} ns; not listed {} ns, p99 {} ns a look-up: median of {PASSES} times {BATCHES} batches \
         of {BATCH}, and p99 of the batches, each undisturbed",
        hits[0], hits[1], misses[0], misses[1]
    );
}

/// The judging thread goes on with events while another compiles; between two of them it takes over what is ready.
fn swaps(files: &[Vec<u8>]) {
    let ids = || {
        let mut next = 0u128;
        Box::new(move || {
            next += 1;
            next.to_be_bytes()
        }) as Box<dyn FnMut() -> [u8; 16] + Send>
    };
    let compiled = || Detector::of_host_gathered(&pack(), gathered(files)).unwrap();
    let mut detect = Detect::new((HostId::from_bytes([7; 16]), "bench".into()), compiled(), ids());
    let events = near_misses();
    let alone = busy(&mut detect, &events, |_| false);
    let (ready, taken) = sync_channel(0);
    let (mut replacing, mut left) = (Vec::new(), SWAPS);
    let during = std::thread::scope(|scope| {
        scope.spawn(move || (0..SWAPS).for_each(|_| ready.send(compiled()).unwrap()));
        busy(&mut detect, &events, |detect| {
            if let Ok(next) = taken.try_recv() {
                let begun = Instant::now();
                let before = detect.replace(next);
                replacing.push(begun.elapsed());
                drop(std::thread::spawn(move || drop(before)));
                left -= 1;
            }
            left > 0
        })
    });
    replacing.sort();
    println!(
        "{SWAPS} swaps of the pack with all of them: the swap itself {:?}, at most {:?}; between two events at most \
         {during:?}, without a swap {alone:?}",
        replacing[SWAPS / 2],
        replacing[SWAPS - 1],
    );
}

/// The longest time from one event's end to the next one's, for two seconds and until `more` says no.
fn busy(detect: &mut Detect, events: &[Event], mut more: impl FnMut(&mut Detect) -> bool) -> Duration {
    let (begun, mut last, mut longest) = (Instant::now(), Instant::now(), Duration::ZERO);
    for event in events.iter().cycle() {
        let goes_on = more(detect);
        black_box(detect.observe(event));
        let now = Instant::now();
        longest = longest.max(now - last);
        last = now;
        if !goes_on && now - begun > Duration::from_secs(2) {
            break;
        }
    }
    longest
}

/// The same on a real agent, from `picket policy apply` on.
fn on_a_host(lists: &[(ListKind, Vec<String>)]) {
    let mut estate = Estate::start().unwrap();
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    let in_force = |estate: &Estate, version: u64| {
        let wanted = |estate: &Estate| {
            let hosts = estate.json(&["hosts"]).ok()?;
            hosts.as_array()?.iter().any(|host| host["status"]["bundle"] == version).then_some(())
        };
        estate.wait("the bundle is in force", wanted).unwrap();
    };
    in_force(&estate, 1);
    let pid = pid_of(&estate.root().join("bin/picket-agent"));
    let before = resident_kib(pid);
    let mut arguments: Vec<String> = ["policy", "apply", "watch"].map(str::to_owned).to_vec();
    for (kind, texts) in lists {
        let file = estate.root().join(kind.word());
        std::fs::write(&file, texts.join("\n")).unwrap();
        arguments.extend(["--indicators".to_owned(), format!("{}={}", kind.word(), file.display())]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    for version in 2..5 {
        let begun = Instant::now();
        estate.picket(&arguments).unwrap();
        let applied = begun.elapsed();
        in_force(&estate, version);
        let said = std::fs::read_to_string(estate.root().join("picket-agent.log")).unwrap();
        let waited = said.lines().rfind(|line| line.contains("while the bundle took over")).unwrap();
        let us = waited.split("us=").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap();
        println!(
            "on a host: applied in {:.1} s, in force {:.1} s later, events waited {us} µs; the agent had {:.1} MB, now {:.1} MB",
            applied.as_secs_f64(),
            (begun.elapsed() - applied).as_secs_f64(),
            before as f64 * 1024.0 / 1e6,
            resident_kib(pid) as f64 * 1024.0 / 1e6
        );
    }
}
