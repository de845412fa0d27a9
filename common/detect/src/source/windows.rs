//! Owns: the log sources of Windows: channel and event id to the services and categories of rules.
//! Never: other products.

/// Channels in lower case, each with its service. The first column's order numbers them.
const CHANNELS: &[(&str, &str)] = &[
    ("security", "security"),
    ("system", "system"),
    ("application", "application"),
    ("microsoft-windows-sysmon/operational", "sysmon"),
    ("microsoft-windows-powershell/operational", "powershell"),
    ("powershellcore/operational", "powershell"),
    ("windows powershell", "powershell-classic"),
    ("microsoft-windows-taskscheduler/operational", "taskscheduler"),
    ("microsoft-windows-wmi-activity/operational", "wmi"),
    ("dns server", "dns-server"),
    ("microsoft-windows-dns-server/audit", "dns-server-audit"),
    ("microsoft-windows-dns-server/analytical", "dns-server-analytic"),
    ("microsoft-windows-dns-client/operational", "dns-client"),
    ("microsoft-windows-dns client events/operational", "dns-client"),
    ("microsoft-windows-driverframeworks-usermode/operational", "driver-framework"),
    ("microsoft-windows-ntlm/operational", "ntlm"),
    ("microsoft-windows-dhcp-server/operational", "dhcp"),
    ("msexchange management", "msexchange-management"),
    ("microsoft-windows-applocker/msi and script", "applocker"),
    ("microsoft-windows-applocker/exe and dll", "applocker"),
    ("microsoft-windows-applocker/packaged app-deployment", "applocker"),
    ("microsoft-windows-applocker/packaged app-execution", "applocker"),
    ("microsoft-windows-printservice/admin", "printservice-admin"),
    ("microsoft-windows-printservice/operational", "printservice-operational"),
    ("microsoft-windows-terminalservices-localsessionmanager/operational", "terminalservices-localsessionmanager"),
    (
        "microsoft-windows-terminalservices-remoteconnectionmanager/operational",
        "terminalservices-remoteconnectionmanager",
    ),
    ("microsoft-windows-smbclient/security", "smbclient-security"),
    ("microsoft-windows-smbclient/connectivity", "smbclient-connectivity"),
    ("microsoft-windows-smbserver/security", "smbserver-security"),
    ("microsoft-windows-smbserver/connectivity", "smbserver-connectivity"),
    ("microsoft-windows-codeintegrity/operational", "codeintegrity-operational"),
    ("microsoft-windows-bits-client/operational", "bits-client"),
    ("microsoft-windows-windows firewall with advanced security/firewall", "firewall-as"),
    ("microsoft-windows-windows defender/operational", "windefend"),
    ("microsoft-windows-appxdeploymentserver/operational", "appxdeployment-server"),
    ("microsoft-windows-appxpackaging/operational", "appxpackaging-om"),
    ("microsoft-windows-appmodel-runtime/admin", "appmodel-runtime"),
    ("microsoft-windows-lsa/operational", "lsa-server"),
    ("openssh/operational", "openssh"),
    ("microsoft-windows-ldap-client/debug", "ldap"),
    ("microsoft-windows-shell-core/operational", "shell-core"),
    ("microsoft-windows-security-mitigations/kernel mode", "security-mitigations"),
    ("microsoft-windows-security-mitigations/user mode", "security-mitigations"),
    ("microsoft-windows-security-mitigations/kernelmode", "security-mitigations"),
    ("microsoft-windows-security-mitigations/usermode", "security-mitigations"),
    ("microsoft-servicebus-client/admin", "microsoft-servicebus-client"),
    ("microsoft-servicebus-client/operational", "microsoft-servicebus-client"),
    ("microsoft-windows-vhdmp-operational", "vhdmp"),
    ("microsoft-windows-vhdmp/operational", "vhdmp"),
    ("microsoft-windows-capi2/operational", "capi2"),
    (
        "microsoft-windows-certificateservicesclient-lifecycle-system/operational",
        "certificateservicesclient-lifecycle-system",
    ),
    ("microsoft-windows-diagnosis-scripted/operational", "diagnosis-scripted"),
    ("microsoft-iis-configuration/operational", "iis-configuration"),
    ("microsoft-windows-sense/operational", "sense"),
    ("microsoft-windows-ntfs/operational", "ntfs"),
    ("microsoft-windows-hyper-v-worker-admin", "hyper-v-worker"),
    ("microsoft-windows-kernel-eventtracing/admin", "kernel-event-tracing"),
];
/// A channel that no rule names: its events are of Windows all the same.
const OTHER: u16 = u16::MAX;

/// What Sysmon says happened to a registry key; one event id has several.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Change {
    Unknown,
    Created,
    Deleted,
}

impl Change {
    /// Of the field `EventType`, in lower case.
    #[must_use]
    pub fn of(event_type: &str) -> Self {
        match event_type {
            "createkey" => Self::Created,
            "deletekey" | "deletevalue" => Self::Deleted,
            _ => Self::Unknown,
        }
    }
}

/// The number of a channel given in lower case.
#[must_use]
pub fn channel(name: &str) -> u16 {
    CHANNELS.iter().position(|(known, _)| *known == name).and_then(|index| u16::try_from(index).ok()).unwrap_or(OTHER)
}

pub type Aliases = &'static [(&'static str, &'static str)];

/// The audit of process creation names its fields otherwise than Sysmon, whose names rules use.
const PROCESS_AUDIT: Aliases = &[
    ("Image", "NewProcessName"),
    ("ParentImage", "ParentProcessName"),
    ("ParentCommandLine", "ProcessCommandLine"),
    ("User", "SubjectUserName"),
    ("LogonId", "SubjectLogonId"),
    ("IntegrityLevel", "MandatoryLabel"),
];
/// Rules take out the blanks of names.
const DEFENDER: Aliases = &[
    ("ThreatName", "Threat Name"),
    ("SourceName", "Source Name"),
    ("ProcessName", "Process Name"),
    ("NewValue", "New Value"),
    ("OldValue", "Old Value"),
    ("ActionName", "Action Name"),
    ("CategoryName", "Category Name"),
    ("SeverityName", "Severity Name"),
    ("DetectionUser", "Detection User"),
];
pub const ALIASES: [Aliases; 2] = [PROCESS_AUDIT, DEFENDER];

/// The service, the categories and the names of fields of an event.
#[must_use]
pub fn tags(channel: u16, id: u32, change: Change) -> (&'static str, &'static [&'static str], Aliases) {
    let service = CHANNELS.get(usize::from(channel)).map_or("", |(_, service)| *service);
    match service {
        "sysmon" => (service, sysmon(id, change), &[]),
        "security" if id == 4688 => (service, &["process_creation"], PROCESS_AUDIT),
        "powershell" => {
            let categories: &[&str] = match id {
                4103 => &["ps_module"],
                4104 => &["ps_script"],
                _ => &[],
            };
            (service, categories, &[])
        }
        "powershell-classic" => {
            let categories: &[&str] = match id {
                400 => &["ps_classic_start"],
                600 => &["ps_classic_provider_start"],
                800 => &["ps_classic_script"],
                _ => &[],
            };
            (service, categories, &[])
        }
        "windefend" => (service, &[], DEFENDER),
        _ => (service, &[], &[]),
    }
}

const fn sysmon(id: u32, change: Change) -> &'static [&'static str] {
    match id {
        1 => &["process_creation"],
        2 => &["file_change"],
        3 => &["network_connection"],
        4 | 16 => &["sysmon_status"],
        5 => &["process_termination"],
        6 => &["driver_load"],
        7 => &["image_load"],
        8 => &["create_remote_thread"],
        9 => &["raw_access_thread"],
        10 => &["process_access"],
        11 => &["file_event"],
        12 => match change {
            Change::Created => &["registry_event", "registry_add"],
            Change::Deleted => &["registry_event", "registry_delete"],
            Change::Unknown => &["registry_event", "registry_add", "registry_delete"],
        },
        13 => &["registry_event", "registry_set"],
        14 => &["registry_event", "registry_rename"],
        15 => &["create_stream_hash"],
        17 | 18 => &["pipe_created"],
        19..=21 => &["wmi_event"],
        22 => &["dns_query"],
        23 | 26 => &["file_delete"],
        24 => &["clipboard_capture"],
        25 => &["process_tampering"],
        27 => &["file_block_executable"],
        28 => &["file_block_shredding"],
        29 => &["file_executable_detected"],
        255 => &["sysmon_error"],
        _ => &[],
    }
}
