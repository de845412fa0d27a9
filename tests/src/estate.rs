//! Owns: a real coordinator and a real agent of this machine, in a directory of their own, ended with the test.
//! Never: the machine's own Picket, its network, or a rule that could hit what the test did not make.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{binary, eventually, free_tcp_port, free_udp_port};

/// A loaded two-core machine has needed 10 s to start both.
const READY: Duration = Duration::from_secs(60);

/// An agent that is asked to end writes down what it knows first.
const STOPPED: Duration = Duration::from_secs(20);

/// The estate: `root` holds coordinator/, agent/, logs and binaries; only root can write there, as a drill demands.
pub struct Estate {
    root: PathBuf,
    _guard: tempfile::TempDir,
    api: String,
    agent_config: String,
    coordinator: Option<Child>,
    agent: Option<Child>,
}

impl Estate {
    /// A coordinator that answers; no agent yet.
    pub fn start() -> Result<Self> {
        let guard = tempfile::Builder::new().prefix("picket-e2e-").tempdir_in("/var/lib")?;
        fs::set_permissions(guard.path(), fs::Permissions::from_mode(0o755))?;
        let root = guard.path().to_path_buf();
        fs::create_dir(root.join("bin"))?;
        for name in ["picket", "picket-agent", "picket-coordinator"] {
            fs::copy(binary(name), root.join("bin").join(name))
                .with_context(|| format!("no binary {name}: build the workspace first, or set PICKET_BIN"))?;
        }
        let (api, listen) = (free_tcp_port()?, free_udp_port()?);
        let config = format!(
            "state_dir = \"{0}/coordinator\"\nlisten = \"127.0.0.1:{listen}\"\napi = \"127.0.0.1:{api}\"\n",
            root.display()
        );
        fs::write(root.join("coordinator.toml"), config)?;
        let mut estate = Self {
            api: format!("http://127.0.0.1:{api}"),
            agent_config: format!("state_dir = \"{}/agent\"\n", root.display()),
            root,
            _guard: guard,
            coordinator: None,
            agent: None,
        };
        estate.start_coordinator()?;
        Ok(estate)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn start_coordinator(&mut self) -> Result<()> {
        self.coordinator = Some(self.spawn("picket-coordinator", "coordinator.toml")?);
        self.wait("the coordinator answers", |estate| {
            estate.json(&["status"]).ok().filter(|v| !v["coordinator"].is_null())
        })?;
        Ok(())
    }

    /// Enrols this machine, once.
    pub fn enrol(&self) -> Result<String> {
        let token = self.picket(&["token", "--ttl", "10m"])?;
        let file = self.root.join("join-token");
        fs::write(&file, token)?;
        fs::write(self.root.join("agent.toml"), &self.agent_config)?;
        let output = self.agent_command().arg("enrol").arg("--token-file").arg(&file).output()?;
        said(&output)
    }

    /// Lines for the agent's configuration, such as `tier = "bare"`; before [`Estate::enrol`].
    pub fn configure_agent(&mut self, lines: &str) {
        self.agent_config.push_str(lines);
        self.agent_config.push('\n');
    }

    /// Waits until this life of it has spoken, and acts under the bundle where there is one: what happens before its first
    /// is compiled a host tells, and nothing more.
    pub fn start_agent(&mut self) -> Result<()> {
        let since = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?;
        self.agent = Some(self.spawn("picket-agent", "agent.toml")?);
        let has_bundle = self.json(&["policy", "show"]).is_ok();
        self.wait("the agent is connected, and acts under the bundle where there is one", |estate| {
            let hosts = estate.json(&["hosts"]).ok()?;
            let is_there = |host: &Value| {
                let status = &host["status"];
                let is_new = status["time"].as_u64().is_some_and(|time| time > since);
                host["connected"] == true && is_new && (!has_bundle || !status["bundle"].is_null())
            };
            hosts.as_array()?.iter().any(is_there).then_some(())
        })
    }

    /// As if the bundle in force had been there for ten minutes; the agent begins anew.
    pub fn prove_bundle(&mut self) -> Result<()> {
        self.stop_agent();
        fs::remove_file(self.root.join("agent/bundle.trials"))?;
        self.start_agent()
    }

    /// The agent as it is, without waiting for a connection.
    pub fn start_agent_alone(&mut self) -> Result<()> {
        self.agent = Some(self.spawn("picket-agent", "agent.toml")?);
        Ok(())
    }

    pub fn agent_pid(&self) -> Option<u32> {
        self.agent.as_ref().map(Child::id)
    }

    pub fn kill_coordinator(&mut self) {
        end(&mut self.coordinator);
    }

    /// Asks the agent to end and waits until it has: it then gives back what it took of the host.
    pub fn stop_agent(&mut self) {
        let Some(agent) = &mut self.agent else { return };
        let _ = Command::new("kill").args(["-TERM", &agent.id().to_string()]).status();
        let _ = eventually(STOPPED, || agent.try_wait().ok().flatten());
        end(&mut self.agent);
    }

    pub fn kill_agent(&mut self) {
        end(&mut self.agent);
    }

    fn spawn(&self, name: &str, config: &str) -> Result<Child> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.root.join(format!("{name}.log")))?;
        Command::new(self.root.join("bin").join(name))
            .arg("run")
            .arg("--config")
            .arg(self.root.join(config))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {name}"))
    }

    pub fn agent_command(&self) -> Command {
        let mut command = Command::new(self.root.join("bin/picket-agent"));
        command.arg("--config").arg(self.root.join("agent.toml")).stdin(Stdio::null());
        command
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.root.join("bin/picket"));
        command.args(arguments).env("PICKET_API", &self.api).env("PICKET_TOKEN_FILE", self.token_file());
        command.stdin(Stdio::null());
        command
    }

    pub fn token_file(&self) -> PathBuf {
        self.root.join("coordinator/api-token")
    }

    /// Runs `picket` and gives what it printed; an error holds what it complained of.
    pub fn picket(&self, arguments: &[&str]) -> Result<String> {
        said(&self.command(arguments).output()?)
    }

    /// The answer of a `picket` command as JSON, whatever its exit code.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.command(&[arguments, &["--json"]].concat()).output()?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("picket {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Hands the coordinator bytes, past `picket` and its checks, and gives the answer.
    pub fn post(&self, path: &str, bytes: &[u8]) -> Result<String> {
        self.send(path, "application/octet-stream", bytes)
    }

    /// The same of a request in JSON.
    pub fn post_json(&self, path: &str, request: &Value) -> Result<String> {
        self.send(path, "application/json", &serde_json::to_vec(request)?)
    }

    fn send(&self, path: &str, kind: &str, bytes: &[u8]) -> Result<String> {
        let token = fs::read_to_string(self.token_file())?;
        let mut stream = TcpStream::connect(self.api.trim_start_matches("http://"))?;
        let (length, token) = (bytes.len(), token.trim());
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: picket\r\nAuthorization: Bearer {token}\r\nContent-Type: {kind}\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n"
        )?;
        stream.write_all(bytes)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 200") { Ok(answer) } else { bail!("{answer}") }
    }

    /// Asks until `probe` answers; the ends of both logs otherwise.
    pub fn wait<T>(&self, what: &str, probe: impl Fn(&Self) -> Option<T>) -> Result<T> {
        match eventually(READY, || probe(self)) {
            Some(found) => Ok(found),
            None => bail!("waited {READY:?} in vain until {what}\n{}", self.logs()),
        }
    }

    pub fn logs(&self) -> String {
        let tail = |name: &str| {
            let text = fs::read_to_string(self.root.join(format!("{name}.log"))).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            format!("--- {name}\n{}\n", lines[lines.len().saturating_sub(40)..].join("\n"))
        };
        tail("picket-coordinator") + &tail("picket-agent")
    }
}

impl Drop for Estate {
    fn drop(&mut self) {
        // In order, so that the host gets back what the agent took of it: audit and its rules, for one.
        self.stop_agent();
        end(&mut self.coordinator);
        // What an agent that was killed leaves for its next life; there is none.
        let state = self.root.join("agent").display().to_string();
        let name: String = state.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let _ = fs::remove_file(Path::new("/sys/fs/bpf/picket").join(name));
        let _ = fs::remove_dir("/sys/fs/bpf/picket");
    }
}

/// As a crash would: nothing is said goodbye to.
fn end(child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn said(output: &Output) -> Result<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    bail!("{}: {}{}", output.status, text(&output.stdout), text(&output.stderr))
}
