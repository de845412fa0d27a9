//! Owns: that each shipped rule finds what it is for, leaves what looks like it alone, and leaves this system alone.
//! Never: files of others.

use std::path::Path;

use picket_detect::yara_pack;

use crate::{Rules, YaraRule, compile};

fn pack() -> (Vec<YaraRule>, Rules) {
    let compiled = compile(&yara_pack()).unwrap_or_else(|errors| panic!("{errors:?}"));
    (compiled.rules, Rules::load(&compiled.bytes).unwrap())
}

fn met(bytes: &[u8]) -> Vec<String> {
    let (described, rules) = pack();
    rules.file(bytes).unwrap().iter().map(|found| described[found.rule as usize].name.clone()).collect()
}

/// A program of this system with other bytes in it.
fn elf(more: &[u8]) -> Vec<u8> {
    let mut program = std::fs::read("/bin/true").unwrap();
    program.extend(more);
    program
}

/// As small as a program can be: one segment and no section.
fn small_elf(code: &[u8]) -> Vec<u8> {
    let mut program = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    program.extend([2, 0, 0x3e, 0, 1, 0, 0, 0]);
    for word in [0x40_0078u64, 64, 0] {
        program.extend(word.to_le_bytes());
    }
    program.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    program.extend([1, 0, 0, 0, 7, 0, 0, 0]);
    for word in [0u64, 0x40_0000, 0x40_0000, 0x1000, 0x1000, 0x1000] {
        program.extend(word.to_le_bytes());
    }
    program.extend(code);
    program
}

#[test]
fn the_test_file_is_met_at_its_beginning_only() {
    // In two halves: this file is none.
    let test = [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-", r"ANTIVIRUS-TEST-FILE!$H+H*"].concat();
    assert_eq!(met(test.as_bytes()), ["antivirus_test_file"]);
    assert!(met(format!("about {test}").as_bytes()).is_empty());
    assert!(met(format!("{test}{}", " ".repeat(100)).as_bytes()).is_empty());
}

#[test]
fn pages_that_run_what_a_request_sends_are_met() {
    for page in [
        "<?php eval($_POST['x']); ?>",
        "<?php @system( $_GET[\"c\"] );",
        "<?php assert(base64_decode($_REQUEST['a']));",
        "<?= shell_exec($_COOKIE['k']) ?>",
        "<?php passthru($_SERVER['HTTP_X_CMD']);",
    ] {
        assert_eq!(met(page.as_bytes()), ["webshell_php_request_to_code"], "{page}");
    }
    for page in [
        "<?php echo htmlspecialchars($_GET['name']);",
        "<?php $filesystem($_POST['x']);",
        "<?php exec('convert ' . escapeshellarg($file));",
        "eval($_POST['x']) is what webshells do",
        "<?php retrieval($_POST['x']); medieval($_GET['y']);",
    ] {
        assert!(met(page.as_bytes()).is_empty(), "{page}");
    }
    let jsp = "<%@ page import=\"java.io.*\"%><% Runtime.getRuntime().exec(request.getParameter(\"cmd\")); %>";
    assert_eq!(met(jsp.as_bytes()), ["webshell_jsp_request_to_command"]);
    assert!(met(b"<% String s = request.getParameter(\"cmd\"); Runtime.getRuntime().gc(); %>").is_empty());
}

#[test]
fn miners_are_met_and_pages_about_them_are_not() {
    let miner = b"stratum+tcp:// --donate-level --randomx-wrmsr --nicehash {\"method\":\"login\" cn/r rx/0 randomx";
    assert_eq!(met(&elf(miner)), ["coin_miner_program"]);
    assert!(met(b"connect with stratum+tcp://pool:3333, which speaks mining.subscribe").is_empty());
    assert!(met(&elf(b"randomx rx/0 --donate-level --nicehash")).is_empty(), "no pool");
    assert!(met(miner).is_empty(), "no program");
    let (described, rules) = pack();
    let mut memory = rules.memory();
    assert!(memory.region(0x7000, miner));
    let found = memory.finish().unwrap();
    assert_eq!(described[found[0].rule as usize].name, "coin_miner_program");
}

/// Bundles lie in files, on hosts and at the coordinator.
#[test]
fn the_rules_do_not_meet_their_own_text() {
    let (described, rules) = pack();
    for source in yara_pack() {
        for text in [source.text.clone(), format!("{:?}", source.text), format!("{:?}", format!("{:?}", source.text))] {
            let found = rules.file(text.as_bytes()).unwrap();
            let names: Vec<&str> = found.iter().map(|found| described[found.rule as usize].name.as_str()).collect();
            assert!(names.is_empty(), "{}: {names:?}", source.file);
        }
    }
}

#[test]
fn packed_programs_and_shellcode_are_met() {
    let stub = [&b"\x90".repeat(64)[..], b"UPX!\x0d\x16\x0e\x0a", &b"\x90".repeat(64), b"UPX!"].concat();
    assert_eq!(met(&small_elf(&stub)), ["packed_elf_upx"]);
    assert!(met(&elf(&stub)).is_empty(), "it has sections, as no packed one does");
    assert!(met(&stub).is_empty());
    let code = [
        &[0x6a, 0x29, 0x58, 0x99, 0x6a, 0x02, 0x5f, 0x6a, 0x01, 0x5e, 0x0f, 0x05][..],
        &[0x6a, 0x2a, 0x58, 0x0f, 0x05, 0x6a, 0x03, 0x5e, 0x48, 0xff, 0xce, 0x6a, 0x21, 0x58, 0x0f, 0x05],
        &[0x6a, 0x3b, 0x58, 0x99, 0x48, 0xbb],
        b"/bin/sh\0",
        &[0x53, 0x48, 0x89, 0xe7, 0x0f, 0x05],
    ]
    .concat();
    assert_eq!(met(&small_elf(&code)), ["reverse_shell_program"]);
    assert!(met(&small_elf(&code[..28])).is_empty(), "it connects, and starts nothing");
}

#[test]
fn programs_of_this_system_meet_no_rule() {
    let (described, rules) = pack();
    let mut looked_at = 0;
    for folder in
        ["/usr/bin", "/usr/sbin", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/share/perl"]
    {
        for path in files(Path::new(folder)).into_iter().take(400) {
            let Ok(bytes) = std::fs::read(&path) else { continue };
            let found = rules.file(bytes.get(..4 << 20).unwrap_or(&bytes)).unwrap();
            let names: Vec<&str> = found.iter().map(|found| described[found.rule as usize].name.as_str()).collect();
            assert!(names.is_empty(), "{}: {names:?}", path.display());
            looked_at += 1;
        }
    }
    assert!(looked_at > 100, "{looked_at} files");
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.is_file());
    found.sort();
    found
}
