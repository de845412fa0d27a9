//! Owns: the names of fields in rules, which of them an event of each class has.
//! Never: their values; those are read in `view`.

use super::class::Class;

/// How a field's values compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    Text,
    Number,
    Address,
    /// `true` or `false`.
    Flag,
}

/// Which events have the field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Has {
    /// Every event, by its acting process.
    All,
    Only(&'static [Class]),
}

macro_rules! fields {
    ($($variant:ident $shape:ident $has:expr, $($other:literal)*;)*) => {
        /// A field of an event, by the name that evidence shows.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Field { $($variant),* }

        /// Every field once, in the order of the enum.
        const FIELDS: &[(Field, &str, &[&str], Shape, Has)] =
            &[$((Field::$variant, stringify!($variant), &[$($other),*], Shape::$shape, $has)),*];
    };
}

const FILES: &[Class] = &[Class::FileEvent, Class::FileRename, Class::FileDelete, Class::FileChange, Class::FileAccess];
const FLOWS: &[Class] = &[Class::NetworkConnection, Class::NetworkListen];
const CONNECTIONS: &[Class] = &[Class::NetworkConnection];
const RENAMES: &[Class] = &[Class::FileEvent, Class::FileRename];
const DNS: &[Class] = &[Class::DnsQuery];
const MODULES: &[Class] = &[Class::DriverLoad];
const LOGONS: &[Class] = &[Class::Authentication];
/// A sign-in names where it came from in the field that connections use.
const SOURCES: &[Class] = &[Class::NetworkConnection, Class::Authentication];
const ACTIVE: &[Class] = &[
    Class::FileEvent,
    Class::FileRename,
    Class::FileDelete,
    Class::FileChange,
    Class::FileAccess,
    Class::NetworkConnection,
    Class::NetworkListen,
    Class::Authentication,
];

fields! {
    Image Text Has::All, ;
    CommandLine Text Has::All, ;
    Argument0 Text Has::All, ;
    ProcessName Text Has::All, "Comm";
    ProcessId Number Has::All, ;
    CurrentDirectory Text Has::All, ;
    User Text Has::All, ;
    UserId Number Has::All, "LogonId";
    EffectiveUserId Number Has::All, ;
    GroupId Number Has::All, ;
    LoginUserId Number Has::All, "AuditUserId";
    SessionId Number Has::All, ;
    Cgroup Text Has::All, ;
    ContainerId Text Has::All, ;
    Sha256 Text Has::All, "sha256";
    Hashes Text Has::All, ;
    IsMemfd Flag Has::All, ;
    ParentImage Text Has::All, ;
    ParentCommandLine Text Has::All, ;
    ParentProcessName Text Has::All, ;
    ParentProcessId Number Has::All, ;
    ParentUser Text Has::All, ;
    ParentOfParentImage Text Has::All, "GrandparentImage";
    ParentOfParentCommandLine Text Has::All, "GrandparentCommandLine";
    AncestorImage Text Has::All, ;
    AncestorCommandLine Text Has::All, ;
    TargetFilename Text Has::Only(FILES), "FileName";
    SourceFilename Text Has::Only(RENAMES), ;
    TargetSha256 Text Has::Only(FILES), ;
    FileSize Number Has::Only(FILES), ;
    Mode Text Has::Only(FILES), ;
    IsSetuid Flag Has::Only(FILES), ;
    IsSetgid Flag Has::Only(FILES), ;
    Activity Text Has::Only(ACTIVE), ;
    Initiated Flag Has::Only(CONNECTIONS), ;
    Protocol Text Has::Only(FLOWS), ;
    DestinationIp Address Has::Only(FLOWS), ;
    DestinationPort Number Has::Only(FLOWS), ;
    SourceIp Address Has::Only(SOURCES), "IpAddress";
    SourcePort Number Has::Only(CONNECTIONS), ;
    ImageLoaded Text Has::Only(MODULES), ;
    ModuleName Text Has::Only(MODULES), ;
    Loaded Flag Has::Only(MODULES), ;
    TargetUserName Text Has::Only(LOGONS), ;
    Service Text Has::Only(LOGONS), ;
    Success Flag Has::Only(LOGONS), ;
    QueryName Text Has::Only(DNS), "query";
    QueryResults Address Has::Only(DNS), "answer";
}

pub const FIELD_COUNT: usize = FIELDS.len();

impl Field {
    #[must_use]
    pub fn name(self) -> &'static str {
        FIELDS[self as usize].1
    }

    #[must_use]
    pub fn shape(self) -> Shape {
        FIELDS[self as usize].3
    }

    #[must_use]
    pub fn exists_in(self, class: Class) -> bool {
        match FIELDS[self as usize].4 {
            Has::All => true,
            Has::Only(classes) => classes.contains(&class),
        }
    }

    /// The field that a rule means, or why there is none.
    pub fn of(name: &str, class: Class) -> Result<Self, String> {
        let named = FIELDS.iter().find(|(_, own, others, ..)| *own == name || others.contains(&name));
        match named {
            Some((field, ..)) if field.exists_in(class) => Ok(*field),
            Some(_) => Err(format!("{} events have no field `{name}`{}", class.word(), known(class))),
            None => Err(format!("no event has a field `{name}`{}", known(class))),
        }
    }

    /// All fields of a class, for keywords.
    pub fn of_class(class: Class) -> impl Iterator<Item = Self> {
        FIELDS.iter().map(|(field, ..)| *field).filter(move |field| field.exists_in(class))
    }
}

fn known(class: Class) -> String {
    let own: Vec<&str> = Field::of_class(class).map(Field::name).collect();
    format!("; {} events have {}", class.word(), own.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{FIELDS, Field};

    #[test]
    fn the_table_follows_the_enum() {
        for (index, (field, name, ..)) in FIELDS.iter().enumerate() {
            assert_eq!(*field as usize, index, "{name}");
            assert_eq!(field.name(), *name);
        }
        assert_eq!(Field::of("LogonId", super::Class::ProcessCreation), Ok(Field::UserId));
        assert!(Field::of("TargetFilename", super::Class::ProcessCreation).is_err());
    }
}
