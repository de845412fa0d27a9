//! Owns: throw-away virtual machines: a stock Debian 12 kernel under emulation, a disk that forgets.
//! Never: a network beyond this machine: guests reach the host's loopback and one another, nothing else.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A loaded two-core machine has needed 60 s for three guests at once.
const BOOT_DEADLINE: Duration = Duration::from_secs(300);
/// The socket of QEMU's monitor, in the guest's folder.
const MONITOR: &str = "monitor";
/// The address at which a guest sees the host's loopback (QEMU's user network).
pub const HOST_FROM_GUEST: &str = "10.0.2.2";

/// Where `tests/kernel/build-image.sh` left the image, or why the lab cannot run here.
pub fn image() -> Result<PathBuf, String> {
    if !crate::is_root() {
        return Err("the lab needs root".to_owned());
    }
    if Command::new("qemu-system-x86_64").arg("--version").output().is_err() {
        return Err("qemu-system-x86_64 is not installed; packaging/test.sh installs it".to_owned());
    }
    let folder = std::env::var_os("PICKET_LAB")
        .ok_or("PICKET_LAB is not set; packaging/test.sh builds the image and sets it")?;
    let folder = PathBuf::from(folder);
    if folder.join("done").exists() { Ok(folder) } else { Err(format!("{} holds no image", folder.display())) }
}

/// One guest. Dropping it ends its process and with it everything that happened in it.
pub struct Vm {
    name: String,
    qemu: Child,
    ssh_port: u16,
    image: PathBuf,
    folder: tempfile::TempDir,
}

impl Vm {
    /// Starts a guest called `name` with `address` on the link that the guests of `lab` share.
    /// `payload` becomes a read-only disk at /payload. Returns before it has booted; see [`Vm::wait_booted`].
    pub fn start(lab: &Lab, name: &str, address: &str, payload: &Path) -> Result<Self> {
        let image = lab.image.clone();
        let folder = tempfile::tempdir()?;
        let disk = payload_disk(folder.path(), payload)?;
        let ssh_port = crate::free_tcp_port()?;
        let number = address.rsplit('.').next().unwrap_or("1").parse::<u8>()?;
        let serial = folder.path().join("serial.log");
        // A guest does not outlive whoever started it, not even by a crash.
        let qemu = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
            .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024"])
            .args(["-nodefaults", "-display", "none", "-no-reboot"])
            .arg("-kernel")
            .arg(image.join("vmlinuz"))
            .arg("-initrd")
            .arg(image.join("initrd"))
            .arg("-append")
            .arg(format!(
                "root=/dev/vda rw console=ttyS0 quiet net.ifnames=0 lsm=landlock,lockdown,yama,apparmor,bpf \
                 picket.name={name} picket.address={address}"
            ))
            .arg("-drive")
            .arg(format!("file={},format=raw,if=virtio,snapshot=on", image.join("root.img").display()))
            .arg("-drive")
            .arg(format!("file={},format=raw,if=virtio,readonly=on", disk.display()))
            .arg("-netdev")
            .arg(format!("user,id=host,hostfwd=tcp:127.0.0.1:{ssh_port}-:22"))
            .args(["-device", &format!("virtio-net-pci,netdev=host,mac=52:54:00:aa:00:{number:02x}")])
            .arg("-netdev")
            .arg(format!("socket,id=link,mcast=230.0.0.77:{},localaddr=127.0.0.1", lab.link_port))
            .args(["-device", &format!("virtio-net-pci,netdev=link,mac=52:54:00:bb:00:{number:02x}")])
            .args(["-device", "virtio-rng-pci"])
            .arg("-monitor")
            .arg(format!("unix:{},server=on,wait=off", folder.path().join(MONITOR).display()))
            .arg("-serial")
            .arg(format!("file:{}", serial.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("qemu.log"))?)
            .spawn()
            .context("cannot start qemu-system-x86_64")?;
        Ok(Self { name: name.to_owned(), qemu, ssh_port, image, folder })
    }

    /// Waits until the guest answers over SSH and mounts its payload.
    pub fn wait_booted(&mut self) -> Result<()> {
        let deadline = Instant::now() + BOOT_DEADLINE;
        loop {
            if let Some(status) = self.qemu.try_wait()? {
                bail!("{}: qemu ended with {status}: {}", self.name, self.log("qemu.log"));
            }
            if let Ok(output) = self.ssh("true")
                && output.status.success()
            {
                break;
            }
            if Instant::now() > deadline {
                bail!("{} did not boot in {BOOT_DEADLINE:?}; its console says:\n{}", self.name, self.log("serial.log"));
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        self.run("mkdir -p /payload && mount -o ro /dev/vdb /payload")?;
        Ok(())
    }

    /// Runs a shell command as root in the guest and returns what it printed; fails if it fails.
    pub fn run(&self, command: &str) -> Result<String> {
        let output = self.ssh(command)?;
        if !output.status.success() {
            bail!(
                "{}: `{command}` ended with {}:\n{}{}",
                self.name,
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a shell command of which failing is a legitimate outcome, such as an attack that is stopped.
    pub fn ssh(&self, command: &str) -> Result<Output> {
        self.ssh_as("root", command)
    }

    /// The same, signed in as `user`.
    pub fn ssh_as(&self, user: &str, command: &str) -> Result<Output> {
        Command::new("ssh")
            .args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"])
            .args(["-o", "ConnectTimeout=60", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=10"])
            .arg("-i")
            .arg(self.image.join("id_ed25519"))
            .args(["-p", &self.ssh_port.to_string(), &format!("{user}@127.0.0.1"), command])
            .stdin(Stdio::null())
            .output()
            .context("cannot run ssh")
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Keeps the running guest as it is now, memory and disk, under a name.
    pub fn save(&self, name: &str) -> Result<()> {
        self.monitor(&format!("savevm {name}"))
    }

    /// Puts the guest back to what was kept; whatever it has done since never happened. Its clock stands where it stood.
    pub fn restore(&self, name: &str) -> Result<()> {
        self.monitor(&format!("loadvm {name}"))
    }

    /// Orders QEMU something; its answer to an order that succeeds is empty.
    fn monitor(&self, order: &str) -> Result<()> {
        let mut stream = UnixStream::connect(self.folder.path().join(MONITOR)).context("QEMU's monitor")?;
        until_prompt(&mut stream)?;
        stream.write_all(format!("{order}\n").as_bytes())?;
        let answer = until_prompt(&mut stream)?;
        // The terminal of the monitor echoes what is typed, with its line editing.
        match answer.lines().skip(1).map(str::trim).find(|line| !line.is_empty()) {
            Some(complaint) => bail!("{}: {order}: {complaint}", self.name),
            None => Ok(()),
        }
    }

    fn log(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(file)).unwrap_or_default()
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// What the guests of one test share: the image and the link between them.
pub struct Lab {
    image: PathBuf,
    link_port: u16,
}

impl Lab {
    /// # Errors
    /// Says why the lab cannot run here.
    pub fn new() -> Result<Self, String> {
        let image = image()?;
        let link_port = crate::free_udp_port().map_err(|error| error.to_string())?;
        Ok(Self { image, link_port })
    }
}

/// What the monitor writes until it waits for an order again.
fn until_prompt(stream: &mut UnixStream) -> Result<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"(qemu) ") {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 {
            bail!("QEMU's monitor ended: {}", String::from_utf8_lossy(&text));
        }
        text.push(byte[0]);
    }
    text.truncate(text.len() - "(qemu) ".len());
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Makes an ext4 image of a folder, which a guest mounts without a network.
fn payload_disk(folder: &Path, payload: &Path) -> Result<PathBuf> {
    let disk = folder.join("payload.img");
    File::create(&disk)?.set_len(1024 * 1024 * 1024)?;
    let output = Command::new("mkfs.ext4").args(["-q", "-F", "-d"]).arg(payload).arg(&disk).output()?;
    if !output.status.success() {
        bail!("mkfs.ext4: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(disk)
}
