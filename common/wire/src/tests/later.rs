//! Owns: golden bytes of words that joined a type after its first.
//! Never: types that are later themselves; they stand among all.

use picket_model::*;

use super::{event, golden};
use crate::limits::UPLINK_FRAME_BYTES_MAX;
use crate::v1::message as m;
use crate::{Message, decode_record, encode_record};

#[test]
fn later_words_keep_their_golden_bytes() {
    let memory = Activity::Memory { activity: MemoryActivity::Scan, detail: "4096 bytes".into() };
    let record = Record::Event { event: event(memory) };
    golden("event_memory_scan", &encode_record(&record));
    assert_eq!(decode_record(&encode_record(&record)).unwrap(), record);
    let principal = Principal::Analyst { name: "ada".into() };
    let kind = CommandKind::ScanMemory { pid: 4711, principal, note: "x".into() };
    let command = Command { kind, issued: Timestamp(1), expires: Timestamp(2) };
    let frame = Message::Command(m::CommandOrder { id: 1, command: (&command).into() }).to_frame();
    golden("message_command_scan", &frame);
    let (Some(Message::Command(order)), _) = Message::from_frame(&frame, UPLINK_FRAME_BYTES_MAX).unwrap() else {
        panic!("an order is an order")
    };
    assert_eq!(Command::try_from(order.command).unwrap(), command);
}

#[test]
fn a_look_keeps_its_golden_bytes() {
    let principal = Principal::Analyst { name: "ada".into() };
    let line = ActionKind::RemoveLine { path: "/etc/crontab".into(), line: "@reboot root /x".into(), sha256: None };
    let kinds = vec![ActionKind::DisableUnit { unit: "x.service".into() }, line];
    let kind = CommandKind::Look { kinds, principal, note: "x".into() };
    let command = Command { kind, issued: Timestamp(1), expires: Timestamp(2) };
    let frame = Message::Command(m::CommandOrder { id: 1, command: (&command).into() }).to_frame();
    golden("message_command_look", &frame);
    let (Some(Message::Command(order)), _) = Message::from_frame(&frame, UPLINK_FRAME_BYTES_MAX).unwrap() else {
        panic!("an order is an order")
    };
    assert_eq!(Command::try_from(order.command).unwrap(), command);
}
