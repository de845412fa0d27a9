use picket_model::{HostId, Timestamp};

use super::{MAINTENANCE_MS_MAX, Maintenance, MaintenanceError};
use crate::keys;

const HOST: HostId = HostId::from_bytes([2; 16]);

fn at(minutes: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + minutes * 60_000)
}

fn token(until: u64) -> Maintenance {
    Maintenance { host: HOST, issued: at(0), until: at(until), note: "kernel upgrade".into() }
}

#[test]
fn a_token_counts_for_its_host_and_time_only() {
    let key = keys::generate([7; 32]);
    let public = key.verifying_key().to_bytes();
    let bytes = token(30).sign(&key);
    assert_eq!(Maintenance::verify(&bytes, &public, HOST, at(1)), Ok(token(30)));
    assert_eq!(Maintenance::verify(&bytes, &public, HOST, at(30)), Err(MaintenanceError::Over(at(30))));
    let other = HostId::from_bytes([3; 16]);
    assert_eq!(Maintenance::verify(&bytes, &public, other, at(1)), Err(MaintenanceError::OtherHost(HOST)));
    let stranger = keys::generate([8; 32]).verifying_key().to_bytes();
    assert_eq!(Maintenance::verify(&bytes, &stranger, HOST, at(1)), Err(MaintenanceError::Signature));
}

#[test]
fn no_token_lasts_longer_than_a_day_whatever_the_clock_says() {
    let key = keys::generate([7; 32]);
    let public = key.verifying_key().to_bytes();
    let long = token(MAINTENANCE_MS_MAX / 60_000 + 1).sign(&key);
    assert_eq!(Maintenance::verify(&long, &public, HOST, at(10)), Err(MaintenanceError::TooLong));
    let set_back = Timestamp(at(0).0 - 48 * 3_600_000_000_000);
    assert_eq!(
        Maintenance::verify(&token(30).sign(&key), &public, HOST, set_back),
        Err(MaintenanceError::NotYet(at(0)))
    );
}

#[test]
fn a_changed_token_is_refused() {
    let key = keys::generate([7; 32]);
    let public = key.verifying_key().to_bytes();
    let bytes = token(30).sign(&key);
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        assert!(Maintenance::verify(&changed, &public, HOST, at(1)).is_err(), "byte {place}");
    }
    assert!(Maintenance::verify(&[b'{'; 5000], &public, HOST, at(1)).is_err());
}
