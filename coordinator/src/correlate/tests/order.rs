//! Owns: whatever the interleaving of lanes, and however often a record comes, the incidents are the same.
//! Never: single stories.

use std::collections::{BTreeMap, VecDeque};

use picket_model::*;
use proptest::prelude::*;

use super::lateral::hop;
use super::world::*;

/// Two hosts with a hop between them, both with detections, a stranger beside them, files and actions.
fn eventful() -> Story {
    let mut hop = hop(true);
    let (bash, session) = (hop.bash.clone(), hop.session.clone());
    let story = &mut hop.story;
    let (dump, found) = story.start_detected(host(2), &bash, 212, &["/usr/bin/mysqldump"], "Mass export");
    let written = story.file(host(2), &dump, FileActivity::Create, "/tmp/dump");
    story.detect(host(2), &written, &dump, "Dump in tmp", Severity::Medium);
    let script = story.file(host(2), &bash, FileActivity::Write, "/tmp/job");
    story.detect(host(2), &script, &bash, "Script in tmp", Severity::Low);
    let cron = story.running(&story.init(), 300, &["/usr/sbin/cron"]);
    let job = story.fork(host(2), &cron, 301);
    story.start_detected(host(2), &job, 302, &["/bin/sh", "/tmp/job"], "Job from tmp");
    story.start_detected(host(1), &cron, 400, &["/usr/bin/tcpdump"], "Sniffer");
    let target = session.key;
    story.report(host(2), found, ActionKind::KillTree { target }, ActionState::Applied);
    story.exit(host(2), &session);
    hop.story
}

fn read(told: &Told) -> Vec<Incident> {
    let mut incidents = told.incidents();
    for incident in &mut incidents {
        // When it was last told depends on when it was heard.
        incident.updated = Timestamp(0);
    }
    incidents
}

/// Each host's lanes keep their order; `picks` says which lane speaks next.
fn interleave(records: &[(HostId, Record)], picks: &[u8]) -> Vec<(HostId, Record)> {
    let mut lanes: BTreeMap<(HostId, Lane), VecDeque<(HostId, Record)>> = BTreeMap::new();
    for (host, record) in records {
        lanes.entry((*host, record.lane())).or_default().push_back((*host, record.clone()));
    }
    let mut order = Vec::new();
    let mut picks = picks.iter().copied().cycle();
    while !lanes.is_empty() {
        let index = usize::from(picks.next().unwrap_or(0)) % lanes.len();
        let lane = *lanes.keys().nth(index).unwrap();
        order.extend(lanes.get_mut(&lane).and_then(VecDeque::pop_front));
        lanes.retain(|_, left| !left.is_empty());
    }
    order
}

#[test]
fn the_story_has_two_incidents() {
    let told = tell(&eventful());
    let mut sizes: Vec<usize> = told.incidents().iter().map(|incident| incident.detections.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 5]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_of_lanes_gives_the_same_incidents(picks in prop::collection::vec(any::<u8>(), 1..200)) {
        let story = eventful();
        let expected = read(&tell(&story));
        let shuffled = interleave(&story.records, &picks);
        prop_assert_eq!(read(&tell_records(&shuffled)), expected);
    }

    #[test]
    fn records_that_come_again_change_nothing(picks in prop::collection::vec(any::<u8>(), 1..200)) {
        let story = eventful();
        let mut told = tell(&story);
        let expected = told.incidents();
        let size = (told.estate.graph().node_count(), told.estate.graph().edge_count());
        for (host, record) in interleave(&story.records, &picks) {
            let effects = told.hear(host, &record);
            prop_assert!(effects.is_empty(), "{record:?} gave {effects:?}");
        }
        prop_assert_eq!(told.incidents(), expected);
        prop_assert_eq!((told.estate.graph().node_count(), told.estate.graph().edge_count()), size);
    }
}
