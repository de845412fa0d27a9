//! Owns: a host that says too much: it fills its own share, and nobody else notices.
//! Never: what is detected.

use picket_model::*;

use super::world::*;
use crate::graph::Limits;

const LIMITS: Limits =
    Limits { nodes_max: 6_000, nodes_per_host_max: 4_000, edges_max: 20_000, pins_per_host_max: 2_000 };
const FLOOD: u32 = 100_000;

fn quiet_incident(told: &mut Told) -> Incident {
    let mut story = Story::new();
    let nginx = story.running(&story.init(), 100, &["/usr/sbin/nginx"]);
    story.start_detected(host(1), &nginx, 101, &["/bin/sh"], "Shell of a web server");
    for (host, record) in &story.records {
        told.hear(*host, record);
    }
    told.only()
}

fn assert_bounded(told: &mut Told) {
    assert!(told.estate.graph().node_count() <= LIMITS.nodes_max);
    assert!(told.estate.graph().edge_count() <= LIMITS.edges_max);
    assert!(told.estate.take_losses().iter().any(|loss| loss.place == "correlate.detections" && loss.count > 0));
}

#[test]
fn a_flood_of_detections_in_one_session_stays_one_incident() {
    let mut told = Told::new(LIMITS);
    let quiet = quiet_incident(&mut told);
    let mut story = Story::new();
    let service = story.running(&story.init(), 50, &["/opt/noisy"]);
    for n in 0..FLOOD {
        story.start_detected(host(2), &service, 1000 + n, &["/bin/true"], "Noise");
        // The detection alone: it carries all that the graph needs.
        let (host, record) = story.records.pop().unwrap();
        story.records.clear();
        told.hear(host, &record);
    }
    let (child, worst) = story.start_detected(host(2), &service, 999, &["/bin/evil"], "Evil");
    let Some((_, Record::Detection { detection })) = story.records.last_mut() else { panic!("a detection is last") };
    detection.severity = Severity::Critical;
    assert_eq!(child.key.pid, 999);
    for (host, record) in story.records.drain(..) {
        told.hear(host, &record);
    }
    let incidents = told.incidents();
    assert_eq!(incidents.len(), 2);
    assert!(incidents.contains(&quiet), "the other host's incident reads as before");
    let noisy = incidents.iter().find(|incident| incident.id != quiet.id).unwrap();
    assert!(noisy.detections.len() <= 65, "{}", noisy.detections.len());
    assert!(noisy.detections.contains(&worst), "the flood does not hide what is worse");
    assert_eq!(noisy.severity, Severity::Critical);
    assert!(noisy.path.len() <= 64);
    assert_bounded(&mut told);
}

#[test]
fn a_flood_of_unrelated_detections_is_gathered() {
    let mut told = Told::new(LIMITS);
    let quiet = quiet_incident(&mut told);
    let mut story = Story::new();
    let cron = story.running(&story.init(), 50, &["/usr/sbin/cron"]);
    for n in 0..FLOOD / 10 {
        story.start_detected(host(2), &cron, 1000 + n, &["/bin/true"], "Noise");
        for (host, record) in story.records.drain(..) {
            told.hear(host, &record);
        }
    }
    let incidents = told.incidents();
    assert!(incidents.contains(&quiet));
    assert!(incidents.len() <= 258, "{}", incidents.len());
    assert_bounded(&mut told);
    let after = quiet_incident_again(&mut told, quiet.id);
    assert_eq!(after.detections.len(), 2, "the quiet host's lineage is still known");
}

/// The quiet host's intruder goes on after the flood.
fn quiet_incident_again(told: &mut Told, id: IncidentId) -> Incident {
    let mut story = Story::new();
    story.wait(10_000);
    let nginx = story.running(&story.init(), 100, &["/usr/sbin/nginx"]);
    let sh = story.running(&nginx, 101, &["/bin/sh"]);
    let id_before = story.records.len();
    story.start_detected(host(1), &sh, 102, &["/usr/bin/nc"], "Beacon");
    let Some((_, Record::Detection { detection })) = story.records.last_mut() else { panic!("a detection is last") };
    detection.id = DetectionId::from_bytes([0xee; 16]);
    for (host, record) in &story.records[id_before..] {
        told.hear(*host, record);
    }
    told.incidents().into_iter().find(|incident| incident.id == id).unwrap()
}
