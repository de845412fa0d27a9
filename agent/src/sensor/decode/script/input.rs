//! Owns: whether an interpreter takes its script from standard input, by its command line.
//! Never: what the script is.

/// What a family of interpreters makes of short options.
struct Family {
    /// Beginnings of the programs' names.
    names: &'static [&'static str],
    /// The script is in the next argument or in what it names.
    elsewhere: &'static str,
    /// The script is the input, whatever follows.
    input: &'static str,
    /// The next argument belongs to the option.
    valued: &'static str,
    /// Long options of the same kinds.
    long_elsewhere: &'static [&'static str],
    long_valued: &'static [&'static str],
}

const FAMILIES: [Family; 7] = [
    Family {
        names: &["python", "pypy"],
        elsewhere: "cm",
        input: "",
        valued: "WX",
        long_elsewhere: &[],
        long_valued: &["--check-hash-based-pycs"],
    },
    Family { names: &["perl"], elsewhere: "eE", input: "", valued: "I", long_elsewhere: &[], long_valued: &[] },
    Family { names: &["ruby"], elsewhere: "e", input: "", valued: "IrC", long_elsewhere: &[], long_valued: &[] },
    Family {
        names: &["node"],
        elsewhere: "ep",
        input: "",
        valued: "rC",
        long_elsewhere: &["--eval", "--print", "--test"],
        long_valued: &["--require", "--import", "--loader", "--conditions"],
    },
    Family {
        names: &["php"],
        elsewhere: "rBRFSf",
        input: "",
        valued: "dczt",
        long_elsewhere: &["--run", "--file", "--server"],
        long_valued: &["--define", "--php-ini"],
    },
    Family { names: &["lua"], elsewhere: "e", input: "", valued: "l", long_elsewhere: &[], long_valued: &[] },
    // Everything else that the kernel takes for an interpreter is a shell.
    Family {
        names: &[""],
        elsewhere: "c",
        input: "s",
        valued: "oO",
        long_elsewhere: &["--command"],
        long_valued: &["--rcfile", "--init-file"],
    },
];

/// `exe` is the image's path. Without a word against it the input is the script.
pub fn is_script(exe: &str, argv: &[String]) -> bool {
    let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let exe = base(exe);
    let mut arguments = argv.iter().map(String::as_str);
    let called = base(arguments.next().unwrap_or_default());
    if exe.starts_with("busybox") && called.starts_with("busybox") {
        // The kernel follows it only where it may be a shell; this says whether it is.
        return matches!(arguments.next(), Some("sh" | "ash" | "hush" | "bash"))
            && takes_input(&FAMILIES[6], arguments);
    }
    let family = FAMILIES.iter().find(|family| family.names.iter().any(|name| exe.starts_with(name)));
    family.is_none_or(|family| takes_input(family, arguments))
}

fn takes_input<'a>(family: &Family, mut arguments: impl Iterator<Item = &'a str>) -> bool {
    while let Some(argument) = arguments.next() {
        if argument == "--" || (argument == "-" && !family.input.is_empty()) {
            return arguments.next().is_none();
        }
        if argument == "-" {
            return true;
        }
        let valued = if argument.starts_with("--") {
            let (name, value) = argument.split_once('=').map_or((argument, None), |(name, value)| (name, Some(value)));
            if family.long_elsewhere.contains(&name) {
                return false;
            }
            value.is_none() && family.long_valued.contains(&name)
        } else if let Some(letters) = argument.strip_prefix(['-', '+']) {
            match letters.find(|letter| family.elsewhere.contains(letter) || family.valued.contains(letter)) {
                Some(at)
                    if letters.get(at..).is_some_and(|rest| rest.starts_with(|l| family.elsewhere.contains(l))) =>
                {
                    return false;
                }
                // The value may stand right behind the letter.
                Some(at) => at + 1 == letters.len(),
                None if letters.contains(|letter| family.input.contains(letter)) => return true,
                None => false,
            }
        } else {
            return false;
        };
        if valued {
            arguments.next();
        }
    }
    true
}
