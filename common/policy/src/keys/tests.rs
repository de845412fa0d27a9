use super::*;

#[test]
fn keys_survive_their_texts() {
    let key = generate([7; 32]);
    let pem = private_to_pem(&key).unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(private_from_pem(&pem).unwrap().to_bytes(), key.to_bytes());
    let public = key.verifying_key();
    assert_eq!(public_from_text(&public_to_pem(&public).unwrap()).unwrap(), public);
    assert_eq!(public_from_text(&format!(" {}\n", public_to_hex(&public))).unwrap(), public);
    assert_eq!(key_id(&public).len(), KEY_ID_DIGITS);
    assert_ne!(key_id(&public), key_id(&generate([8; 32]).verifying_key()));
}

#[test]
fn what_is_no_key_is_an_error_that_says_so() {
    assert!(private_from_pem("hello").unwrap_err().to_string().contains("keygen"));
    assert!(public_from_text("abcd").is_err());
    assert!(public_from_text(&"zz".repeat(32)).is_err());
    let pem = private_to_pem(&generate([1; 32])).unwrap();
    assert!(public_from_text(&pem).is_err(), "a private key must not pass for a public one");
}

#[test]
fn openssl_agrees_on_the_private_key() {
    // The PKCS#8 of RFC 8410, appendix 10.3, in its first form.
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    let key = private_from_pem(pem).unwrap();
    assert_eq!(
        hex::encode(key.verifying_key().as_bytes()),
        "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
    );
}
