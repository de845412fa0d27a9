//! Owns: that messages are read as they were written, and that no bytes harm.
//! Never: a bus.

use proptest::prelude::*;

use super::*;

fn head(bytes: &[u8]) -> [u8; HEAD_BYTES] {
    std::array::from_fn(|index| bytes[index])
}

#[test]
fn a_call_is_read_back() {
    let bytes = Call {
        destination: "org.freedesktop.DBus",
        path: "/org/freedesktop/DBus",
        interface: "org.freedesktop.DBus.Monitoring",
        member: "BecomeMonitor",
        arguments: &[Argument::Texts(&["type='signal'", "x"]), Argument::Number(7), Argument::Text("y")],
    }
    .bytes(5);
    assert_eq!(length(&head(&bytes)), Some(bytes.len()));
    let message = Message::parse(&bytes).expect("a message");
    assert_eq!((message.kind, message.serial, message.member.as_str()), (CALL, 5, "BecomeMonitor"));
    assert_eq!(message.destination, "org.freedesktop.DBus");
    let text = |text: &str| Value::Text(text.into());
    let list = Value::List(vec![text("type='signal'"), text("x")]);
    assert_eq!(message.arguments(), Some(vec![list, Value::Number(7), text("y")]));
}

/// A body by itself, as a signal of some other program's would have it.
fn body(signature: &str, body: &[u8]) -> Option<Vec<Value>> {
    Message { signature: signature.into(), body: body.to_vec(), ..Message::default() }.arguments()
}

#[test]
fn dictionaries_of_variants_are_read() {
    // { "A": <u 9>, "B": <as []> }, as PropertiesChanged has it.
    let mut bytes = vec![0; 4];
    bytes.extend([0, 0, 0, 0, 1, 0, 0, 0, b'A', 0, 1, b'u', 0, 0, 0, 0, 9, 0, 0, 0]);
    bytes.extend([1, 0, 0, 0, b'B', 0, 2, b'a', b's', 0, 0, 0, 0, 0, 0, 0]);
    let length = u32::try_from(bytes.len() - 8).expect("small");
    bytes.splice(0..4, length.to_le_bytes());
    let text = |text: &str| Value::Text(text.into());
    assert_eq!(
        body("a{sv}", &bytes),
        Some(vec![Value::List(vec![
            Value::List(vec![text("A"), Value::Number(9)]),
            Value::List(vec![text("B"), Value::List(vec![])]),
        ])])
    );
}

#[test]
fn what_lies_is_no_message() {
    assert_eq!(body("aaaaau", &[255; 64]), None);
    assert_eq!(body("a()", &[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    assert_eq!(body(&"(".repeat(200), &[0; 64]), None);
    assert_eq!(body("s", &[255, 255, 255, 255]), None);
    assert_eq!(body("ay", &[3, 0, 0, 0, 1, 2, 3]), Some(vec![Value::Bytes(3)]));
    assert_eq!(length(&[b'l', 1, 0, 1, 255, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255]), None);
    assert_eq!(length(&[0; HEAD_BYTES]), None);
}

proptest! {
    #[test]
    fn no_bytes_harm(bytes in prop::collection::vec(any::<u8>(), 16..400), signature in "[a(){}yvsugot]{0,12}") {
        length(&head(&bytes));
        if let Some(message) = Message::parse(&bytes) {
            message.arguments();
        }
        body(&signature, &bytes);
    }

    #[test]
    fn damage_to_a_message_is_survived(at in 0usize..200, byte: u8) {
        let mut bytes = Call { destination: "a.b", path: "/", interface: "c.d", member: "E", arguments: &[Argument::Texts(&["x", "yy"])] }.bytes(1);
        let at = at % bytes.len();
        bytes[at] = byte;
        length(&head(&bytes));
        if let Some(message) = Message::parse(&bytes) {
            message.arguments();
        }
    }
}
