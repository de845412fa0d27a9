//! Owns: hostile frames and stored records.
//! Never: an expectation beyond that nothing panics and that what was read is read again the same.

#![no_main]

use picket_wire::{Message, decode_record, encode_record};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Message::from_frame(bytes, bytes.len());
    if let Ok(record) = decode_record(bytes) {
        // Texts that are too long are cut once, and then they fit.
        let first = decode_record(&encode_record(&record)).expect("what was written is read");
        assert_eq!(decode_record(&encode_record(&first)).expect("and again"), first);
    }
});
