//! Owns: what an interpreter was told to run, as its arguments say: a text, a file, or its standard input.
//! Never: opening anything; what stands in an argument is the word of whoever started it.

/// What the arguments of an interpreter come down to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Given {
    /// `-c`, `-e` and the like; several of them, each on a line of its own.
    Text(String),
    /// As it was written, so mostly relative to the working directory.
    File(String),
    StandardInput,
    /// A module, a version, help: no text of its own.
    Nothing,
}

/// How an interpreter reads its arguments. An option of one letter may share its word with others before it.
struct Grammar {
    /// The argument of such a letter, the rest of its word or the next one, is program text.
    text: &'static str,
    /// … is the program's file.
    file: &'static str,
    /// … is a module: there is no file to be found in the arguments.
    module: &'static str,
    /// … is something else.
    value: &'static str,
    /// Takes the rest of its own word, if there is any.
    rest: &'static str,
    long_text: &'static [&'static str],
    long_value: &'static [&'static str],
    /// The letters of `text` stand for no argument of their own: the first operand is the text.
    shell: bool,
    /// After a text come its arguments, no further options.
    text_ends: bool,
}

const PLAIN: Grammar = Grammar {
    text: "",
    file: "",
    module: "",
    value: "",
    rest: "",
    long_text: &[],
    long_value: &[],
    shell: false,
    text_ends: false,
};
const SHELL: Grammar = Grammar { text: "c", value: "oO", long_value: &["rcfile", "init-file"], shell: true, ..PLAIN };
const PYTHON: Grammar =
    Grammar { text: "c", module: "m", value: "WX", long_value: &["check-hash-based-pycs"], text_ends: true, ..PLAIN };
const PERL: Grammar = Grammar { text: "eE", value: "I", rest: "MmFiDxVdC0l", ..PLAIN };
const RUBY: Grammar = Grammar { text: "e", value: "IrCE", rest: "TWKix0F", ..PLAIN };
const NODE: Grammar = Grammar {
    text: "ep",
    value: "rC",
    long_text: &["eval", "print"],
    long_value: &["require", "import", "conditions", "loader", "env-file"],
    ..PLAIN
};
const PHP: Grammar = Grammar { text: "rBRE", file: "fF", value: "cdzt", long_text: &["run"], ..PLAIN };
const LUA: Grammar = Grammar { text: "e", value: "l", ..PLAIN };

/// By the name of the program's file, a version at its end left out.
fn grammar(name: &str) -> Option<&'static Grammar> {
    let name = name.trim_end_matches(|end: char| end.is_ascii_digit() || matches!(end, '.' | '-'));
    Some(match name {
        "sh" | "bash" | "rbash" | "dash" | "ash" | "zsh" | "ksh" | "mksh" | "fish" => &SHELL,
        "python" | "pypy" => &PYTHON,
        "perl" => &PERL,
        "ruby" => &RUBY,
        "node" | "nodejs" => &NODE,
        "php" | "php-cgi" => &PHP,
        "lua" | "luajit" => &LUA,
        _ => return None,
    })
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `None` where the program is no interpreter.
#[must_use]
pub fn given(exe: &str, argv: &[String]) -> Option<Given> {
    let mut words = argv.iter().map(String::as_str);
    let called = words.next().unwrap_or_default();
    if base(exe) != "busybox" {
        return grammar(base(exe)).map(|grammar| grammar.read(words));
    }
    // One program of many names: `sh script`, or `busybox sh script`.
    let applet = if base(called) == "busybox" { words.next()? } else { base(called.trim_start_matches('-')) };
    matches!(applet, "sh" | "ash" | "hush").then(|| SHELL.read(words))
}

impl Grammar {
    fn read<'a>(&self, mut words: impl Iterator<Item = &'a str>) -> Given {
        let mut texts: Vec<&str> = Vec::new();
        let (mut wants_text, mut stdin) = (false, false);
        let mut operand = None;
        while let Some(word) = words.next() {
            let Some(option) = word.strip_prefix('-').filter(|option| !option.is_empty()) else {
                if self.shell && word.starts_with('+') && word.len() > 1 {
                    // `+o name` switches an option off.
                    if word.ends_with(['o', 'O']) {
                        words.next();
                    }
                    continue;
                }
                // A shell takes `-` for `--`; everybody else for standard input.
                operand = if word == "-" && self.shell { words.next() } else { Some(word) };
                break;
            };
            if let Some(long) = option.strip_prefix('-') {
                if long.is_empty() {
                    operand = words.next();
                    break;
                }
                self.long(long, &mut words, &mut texts);
                continue;
            }
            match self.short(option, &mut words, &mut texts) {
                Short::Goes => {}
                Short::TextIsOperand => wants_text = true,
                Short::Input => stdin = true,
                Short::File(file) => return Given::File(file.to_owned()),
                Short::Module => return Given::Nothing,
            }
            if self.text_ends && !texts.is_empty() {
                break;
            }
        }
        match operand {
            _ if !texts.is_empty() => Given::Text(texts.join("\n")),
            Some(text) if wants_text => Given::Text(text.to_owned()),
            None if wants_text => Given::Nothing,
            Some("-") | None => Given::StandardInput,
            Some(_) if stdin => Given::StandardInput,
            Some(file) => Given::File(file.to_owned()),
        }
    }

    fn long<'a>(&self, long: &'a str, words: &mut impl Iterator<Item = &'a str>, texts: &mut Vec<&'a str>) {
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        if self.long_text.contains(&name) {
            texts.extend(value.or_else(|| words.next()));
        } else if self.long_value.contains(&name) && value.is_none() {
            words.next();
        }
    }

    fn short<'a>(
        &self,
        letters: &'a str,
        words: &mut impl Iterator<Item = &'a str>,
        texts: &mut Vec<&'a str>,
    ) -> Short<'a> {
        let mut outcome = Short::Goes;
        for (at, letter) in letters.char_indices() {
            let rest = letters.get(at + letter.len_utf8()..).unwrap_or_default();
            let mut argument = || if rest.is_empty() { words.next() } else { Some(rest) };
            if self.shell {
                match letter {
                    'c' => outcome = Short::TextIsOperand,
                    's' if !matches!(outcome, Short::TextIsOperand) => outcome = Short::Input,
                    _ if self.value.contains(letter) => drop(words.next()),
                    _ => {}
                }
                continue;
            }
            if self.text.contains(letter) {
                // `node -pe TEXT`: the last of the letters has the text.
                if rest.len() == 1 && self.text.contains(rest) {
                    continue;
                }
                texts.extend(argument());
                return outcome;
            }
            if self.file.contains(letter) {
                return argument().map_or(Short::Module, Short::File);
            }
            if self.module.contains(letter) {
                return Short::Module;
            }
            if self.value.contains(letter) {
                argument();
                return outcome;
            }
            if matches!(letter, '0' | 'l') && self.rest.contains(letter) {
                // Digits may follow, and after them other letters: `perl -0777ne`.
                continue;
            }
            if self.rest.contains(letter) {
                return outcome;
            }
        }
        outcome
    }
}

enum Short<'a> {
    Goes,
    TextIsOperand,
    Input,
    File(&'a str),
    Module,
}

#[cfg(test)]
mod tests;
