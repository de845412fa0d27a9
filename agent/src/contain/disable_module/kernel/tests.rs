use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;

use super::{Known, Loaded, arguments, drives, known, loaded, of_list, parameters};

const LIST: &str = "nft_evil 16384 0 - Live 0x0000000000000000 (OE)\n\
nf_tables 286720 3 nft_evil,nft_compat, Live 0x0000000000000000\n\
loop 40960 2 - Live 0x0000000000000000\n\
stays 16384 1 [permanent], Live 0x0000000000000000\n";

fn held(module: &str) -> Option<String> {
    of_list(LIST, module).and_then(|loaded| loaded.held)
}

#[test]
fn who_holds_a_module_is_told() {
    assert_eq!(of_list(LIST, "nft_evil"), Some(Loaded { held: None }));
    assert_eq!(of_list(LIST, "nft"), None);
    assert_eq!(held("nf_tables").unwrap(), "nft_evil, nft_compat stand on it; disable those first");
    assert!(held("loop").unwrap().contains("in use (2)"));
    assert!(held("stays").unwrap().contains("cannot unload"));
}

proptest! {
    #[test]
    fn whatever_the_list_says_is_survived(list in ".{0,200}", module in "[a-z_]{1,8}") {
        let _ = of_list(&list, &module);
        let named = format!("{module} {list}");
        if !list.contains('\n') {
            prop_assert!(of_list(&named, &module).is_some());
        }
    }

    #[test]
    fn each_parameter_is_one_word_or_left_out(name in "[a-z_=' ]{1,8}", value in "\\PC{0,20}") {
        let (given, left) = arguments(&BTreeMap::from([(name.clone(), value.clone())]));
        prop_assert!(given.len() + left.len() <= 1);
        for word in given {
            prop_assert_eq!(&word, &format!("{name}={value}"));
            prop_assert!(!word.contains([' ', '"', '\'', '\n']), "{}", word);
        }
    }
}

#[test]
fn a_host_made_of_files_is_read() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    let put = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("proc/sys/kernel/osrelease", "6.1.0-9\n");
    put("lib/modules/6.1.0-9/modules.dep", "kernel/net/nft-evil.ko.xz: kernel/net/nf_tables.ko.xz\nextra/x.ko:\n");
    put("lib/modules/6.1.0-9/modules.builtin", "kernel/fs/ext4/ext4.ko\n");
    let is = |module: &str| known(root, module).unwrap();
    assert_eq!(
        [is("nft_evil"), is("x"), is("ext4"), is("nf_tables")],
        [Known::Yes, Known::Yes, Known::BuiltIn, Known::No]
    );

    assert_eq!(loaded(root, "evil").unwrap(), None, "a kernel without a list");
    put("proc/modules", LIST);
    put("sys/module/hidden/initstate", "live\n");
    put("sys/module/ext4/parameters/x", "1\n");
    assert!(loaded(root, "hidden").unwrap().is_some(), "off the list, yet there");
    assert_eq!(loaded(root, "ext4").unwrap(), None, "built in");

    put("sys/module/loop/parameters/max_loop", "8\n");
    put("sys/module/loop/parameters/label", "(null)\n");
    put("sys/module/loop/parameters/note", "a b\n");
    let (given, left) = arguments(&parameters(root, "loop"));
    assert_eq!((given, left), (vec!["max_loop=8".to_owned()], vec!["note".to_owned()]));

    assert_eq!(drives(root, "loop"), None);
    put("sys/module/e1000/drivers/pci:e1000/0000:00:05.0/net/ens5/mtu", "1500\n");
    assert_eq!(drives(root, "e1000").as_deref(), Some("ens5"));
}
