//! Owns: what a certificate and a token promise.
//! Never: the network.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use picket_model::{HostFacts, HostId, Timestamp};
use rcgen::{CertificateParams, KeyPair};

use super::{Ca, IdentityError, JoinToken, Standing, add_host, host, host_of, issue, redeem, revoke, seen};
use crate::store::{Change, Rows, StateStore, StoreError, Table};

#[derive(Default)]
struct Memory(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

impl StateStore for Memory {
    fn get(&self, _: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }
    fn scan_from(&self, _: Table, _: &[u8], _: &[u8], _: usize) -> Result<Rows, StoreError> {
        Ok(self.0.lock().unwrap().clone().into_iter().collect())
    }
    fn write(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut rows = self.0.lock().unwrap();
        for change in changes {
            if change.expected.as_ref().is_some_and(|wanted| wanted.as_ref() != rows.get(&change.key)) {
                return Err(StoreError::Conflict { table: change.table });
            }
        }
        for change in changes {
            rows.insert(change.key.clone(), change.value.clone().unwrap());
        }
        Ok(())
    }
}

const NOW: Timestamp = Timestamp(1_795_509_083_000_000_000);

#[test]
fn a_host_certificate_names_the_host_and_lives_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Ca::open(dir.path(), NOW).unwrap();
    let host = HostId::from_bytes([7; 16]);
    let csr = CertificateParams::new(vec!["evil.example".into()]).unwrap();
    let csr = csr.serialize_request(&KeyPair::generate().unwrap()).unwrap();
    let issued = ca.sign(host, csr.der(), NOW).unwrap();
    assert_eq!(host_of(&issued.certificate_der).unwrap(), (host, NOW.plus_millis(86_400_000)));
    let mut bad = csr.der().to_vec();
    let last = bad.len() - 1;
    bad[last] ^= 1;
    assert!(ca.sign(host, &bad, NOW).is_err(), "a request that its key did not sign");
    assert!(host_of(ca.certificate()).is_err());
    let mode = std::fs::metadata(dir.path().join("ca.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(Ca::open(dir.path(), NOW).unwrap().fingerprint(), ca.fingerprint());
}

#[test]
fn a_token_works_as_often_and_as_long_as_it_says() {
    let store = Memory::default();
    let token = issue(&store, "127.0.0.1:8844", [1; 32], [2; 32], 2, NOW.plus_millis(1000)).unwrap();
    assert_eq!(JoinToken::parse(&token.to_text()).unwrap(), token);
    assert_eq!(
        (token.ca_sha256.as_str(), token.policy_key.as_str()),
        ("01".repeat(32).as_str(), "02".repeat(32).as_str())
    );
    let secret = hex::decode(&token.secret).unwrap();
    assert!(!store.0.lock().unwrap().contains_key(&secret), "only the hash is kept");
    assert!(matches!(redeem(&store, &secret, NOW.plus_millis(1000)), Err(IdentityError::Token)));
    redeem(&store, &secret, NOW).unwrap();
    redeem(&store, &secret, NOW).unwrap();
    assert!(matches!(redeem(&store, &secret, NOW), Err(IdentityError::Token)));
    assert!(matches!(redeem(&store, b"guess", NOW), Err(IdentityError::Token)));
    assert!(JoinToken::parse("pkt1.!").is_err());
}

#[test]
fn a_revoked_host_stays_revoked_and_the_first_time_counts() {
    let (store, id) = (Memory::default(), HostId::from_bytes([9; 16]));
    assert_eq!(seen(&store, id, NOW).unwrap(), Standing::Unknown);
    assert!(matches!(revoke(&store, id, NOW), Err(IdentityError::UnknownHost(_))));
    add_host(&store, id, &HostFacts::default(), NOW).unwrap();
    assert_eq!(seen(&store, id, NOW.plus_millis(5)).unwrap(), Standing::Good);
    assert_eq!(host(&store, id).unwrap().unwrap().last_seen, Some(NOW.plus_millis(5)));
    revoke(&store, id, NOW.plus_millis(9)).unwrap();
    revoke(&store, id, NOW.plus_millis(99)).unwrap();
    assert_eq!(host(&store, id).unwrap().unwrap().revoked, Some(NOW.plus_millis(9)));
    assert_eq!(seen(&store, id, NOW).unwrap(), Standing::Revoked);
}
