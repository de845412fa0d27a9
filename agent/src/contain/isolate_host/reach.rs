//! Owns: what stays reachable while a host is cut off, as rules of nftables.
//! Never: deciding it: the coordinators are those of the identity, the rest is the bundle's word.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use picket_model::Network;

/// The C library looks at no more than three; a file with many more is no file of it.
const RESOLVERS_MAX: usize = 8;
const DNS_PORT: u16 = 53;
/// Where the host says whom it asks for names, and where the one that it runs itself has that from.
const RESOLVER_FILES: [&str; 2] = ["etc/resolv.conf", "run/systemd/resolve/resolv.conf"];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    pub coordinators: Vec<SocketAddr>,
    /// Both ways, all ports.
    pub allowed: Vec<Network>,
    pub resolvers: Vec<IpAddr>,
}

impl Reach {
    /// The rules of the way out and of the way in.
    pub(super) fn rules(&self) -> (String, String) {
        let (mut out, mut back) = (String::new(), String::new());
        let resolvers = self.resolvers.iter().map(|ip| SocketAddr::new(*ip, DNS_PORT));
        for address in self.coordinators.iter().copied().chain(resolvers) {
            let (family, ip, port) = (family(address.ip()), address.ip(), address.port());
            out += &format!("  {family} daddr {ip} meta l4proto {{ tcp, udp }} th dport {port} accept\n");
            // Only answers to what this host began: a forged source port alone opens nothing.
            back += &format!(
                "  {family} saddr {ip} meta l4proto {{ tcp, udp }} th sport {port} ct state established accept\n"
            );
        }
        for network in &self.allowed {
            let family = family(network.address());
            out += &format!("  {family} daddr {network} accept\n");
            back += &format!("  {family} saddr {network} accept\n");
        }
        (out, back)
    }

    /// Beside the coordinators, in words.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = format!("{} coordinator addresses", self.coordinators.len());
        if !self.allowed.is_empty() {
            let named: Vec<String> = self.allowed.iter().map(Network::to_string).collect();
            words += &format!(", {} by the bundle", named.join(", "));
        }
        if !self.resolvers.is_empty() {
            let named: Vec<String> = self.resolvers.iter().map(IpAddr::to_string).collect();
            words += &format!(", DNS at {}", named.join(", "));
        }
        words
    }
}

const fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "ip" } else { "ip6" }
}

/// Whom the host asks for names. Its own loopback is never cut; what stands behind that is in the second file.
pub fn resolvers(root: &Path) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for file in RESOLVER_FILES {
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        let named = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok());
        for address in named {
            let address: IpAddr = address;
            if found.len() < RESOLVERS_MAX && !address.is_loopback() && !found.contains(&address) {
                found.push(address);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::resolvers;

    #[test]
    fn resolvers_are_read_as_the_host_names_them() {
        let root = tempfile::tempdir().unwrap();
        assert!(resolvers(root.path()).is_empty());
        std::fs::create_dir_all(root.path().join("etc")).unwrap();
        std::fs::create_dir_all(root.path().join("run/systemd/resolve")).unwrap();
        let stub = "# nameserver 1.1.1.1\nnameserver 127.0.0.53\noptions edns0\nsearch nameserver.example\n";
        std::fs::write(root.path().join("etc/resolv.conf"), stub).unwrap();
        let behind = "nameserver 10.0.0.2\n nameserver\t2001:db8::53\nnameserver 10.0.0.2\nnameserver fe80::1%eth0\n";
        std::fs::write(root.path().join("run/systemd/resolve/resolv.conf"), behind).unwrap();
        let found: Vec<String> = resolvers(root.path()).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.0.0.2", "2001:db8::53"]);
    }
}
