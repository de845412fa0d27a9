//! Owns: compiling the BPF programs with Debian's clang-19.
//! Never: falling back to another compiler; what the verifier accepts depends on it.

use std::path::{Path, PathBuf};
use std::process::{Command, exit};

fn main() {
    println!("cargo:rerun-if-changed=bpf");
    if let Err(message) = compile() {
        eprintln!("error: {message}");
        exit(1);
    }
}

fn compile() -> Result<(), String> {
    let env = |name: &str| std::env::var(name).map_err(|_| format!("cargo did not set {name}"));
    let arch = env("CARGO_CFG_TARGET_ARCH")?;
    if arch != "x86_64" {
        return Err(format!("the BPF programs know the system call numbers of x86-64 only, not of {arch}"));
    }
    if !Path::new("/usr/include/bpf/bpf_helpers.h").exists() {
        return Err("bpf/bpf_helpers.h is missing; install Debian's package libbpf-dev".into());
    }
    let out = PathBuf::from(env("OUT_DIR")?);
    ["picket", "self", "domains", "tasks"].into_iter().try_for_each(|name| object(name, &out))
}

fn object(name: &str, out: &Path) -> Result<(), String> {
    let source = format!("bpf/{name}.bpf.c");
    let status = Command::new("clang-19")
        .args(["-target", "bpf", "-mcpu=v3", "-g", "-O2", "-Wall", "-Werror", "-D__TARGET_ARCH_x86"])
        .arg("-I/usr/include/x86_64-linux-gnu")
        .args(["-c", &source, "-o"])
        .arg(out.join(format!("{name}.bpf.o")))
        .status()
        .map_err(|error| format!("cannot run clang-19 ({error}); install Debian's package clang-19"))?;
    if status.success() { Ok(()) } else { Err(format!("clang-19 refused {source} ({status})")) }
}
