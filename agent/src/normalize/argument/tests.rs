//! Owns: tests of how interpreters read their arguments.
//! Never: an interpreter.

use proptest::prelude::*;

use super::{Given, given};

fn of(exe: &str, line: &[&str]) -> Option<Given> {
    given(exe, &line.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
}

fn text(text: &str) -> Option<Given> {
    Some(Given::Text(text.to_owned()))
}

fn file(path: &str) -> Option<Given> {
    Some(Given::File(path.to_owned()))
}

const INPUT: Option<Given> = Some(Given::StandardInput);
const NOTHING: Option<Given> = Some(Given::Nothing);

#[test]
fn shells() {
    for (line, wanted) in [
        (&["sh", "-c", "id; w"][..], text("id; w")),
        (&["bash", "-lc", "id", "name", "arg"], text("id")),
        (&["bash", "-c", "-l", "id"], text("id")),
        (&["bash", "-o", "pipefail", "-ec", "id"], text("id")),
        (&["bash", "-euo", "pipefail", "x.sh", "-c"], file("x.sh")),
        (&["bash", "--rcfile", "/tmp/rc", "-i"], INPUT),
        (&["bash", "--norc", "--", "-x.sh"], file("-x.sh")),
        (&["sh", "-x", "./x.sh", "-c", "no"], file("./x.sh")),
        (&["sh", "-", "x.sh"], file("x.sh")),
        (&["sh", "+o", "posix", "x.sh"], file("x.sh")),
        (&["-bash"], INPUT),
        (&["bash", "-s", "arg"], INPUT),
        (&["bash", "-c"], NOTHING),
        (&[], INPUT),
    ] {
        assert_eq!(of("/usr/bin/bash", line), wanted, "{line:?}");
    }
    assert_eq!(of("/bin/busybox", &["sh", "-c", "id"]), text("id"));
    assert_eq!(of("/bin/busybox", &["busybox", "ash", "x.sh"]), file("x.sh"));
    assert_eq!(of("/bin/busybox", &["/bin/wget", "x"]), None);
    assert_eq!(of("/bin/busybox", &["busybox"]), None);
}

#[test]
fn other_interpreters() {
    for (exe, line, wanted) in [
        ("/usr/bin/python3.11", &["python3", "-c", "import os", "-c"][..], text("import os")),
        ("/usr/bin/python3.11", &["python3", "-Ic", "import os"], text("import os")),
        ("/usr/bin/python3", &["python3", "-cprint(1)"], text("print(1)")),
        ("/usr/bin/python3", &["python3", "-W", "ignore", "-u", "x.py", "-c"], file("x.py")),
        ("/usr/bin/python3", &["python3", "-m", "http.server"], NOTHING),
        ("/usr/bin/python3", &["python3", "-"], INPUT),
        ("/usr/bin/python3", &["python3"], INPUT),
        ("/usr/bin/perl", &["perl", "-lane", "print $F[0]", "file"], text("print $F[0]")),
        ("/usr/bin/perl", &["perl", "-e", "use A;", "-e", "b()"], text("use A;\nb()")),
        ("/usr/bin/perl", &["perl", "-MSocket", "-eprint 1"], text("print 1")),
        ("/usr/bin/perl", &["perl", "-0777", "-pi.orig", "-I", "lib", "x.pl"], file("x.pl")),
        ("/usr/bin/perl5.36.0", &["perl", "-w", "x.pl"], file("x.pl")),
        ("/usr/bin/ruby3.1", &["ruby", "-rsocket", "-e", "exit"], text("exit")),
        ("/usr/bin/ruby3.1", &["ruby", "-r", "json", "x.rb"], file("x.rb")),
        ("/usr/bin/node", &["node", "--inspect", "--eval=1+1"], text("1+1")),
        ("/usr/bin/node", &["node", "-pe", "1+1"], text("1+1")),
        ("/usr/bin/node", &["node", "--require", "a.js", "b.js"], file("b.js")),
        ("/usr/bin/php8.2", &["php", "-r", "phpinfo();"], text("phpinfo();")),
        ("/usr/bin/php8.2", &["php", "-d", "a=1", "-f", "x.php"], file("x.php")),
        ("/usr/bin/lua5.4", &["lua", "-l", "m", "-e", "print(1)"], text("print(1)")),
        ("/usr/bin/lua5.4", &["lua", "x.lua", "-e", "no"], file("x.lua")),
    ] {
        assert_eq!(of(exe, line), wanted, "{line:?}");
    }
    for exe in ["/usr/bin/env", "/usr/bin/pythonista", "/bin/ls", ""] {
        assert_eq!(of(exe, &["x", "-c", "y"]), None, "{exe}");
    }
}

proptest! {
    #[test]
    fn any_arguments_are_read(
        exe in "(/bin/(bash|python3|perl|ruby|node|php|lua|busybox)|.*)",
        argv in proptest::collection::vec("(-{0,2}.{0,6}|busybox|sh|[+-]o|-pe?)", 0..8),
    ) {
        let _ = given(&exe, &argv);
    }
}
