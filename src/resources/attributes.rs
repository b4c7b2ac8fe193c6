//! Attribute types that several resources share: texts of Azure's and PostgreSQL's, parsed once.

use std::fmt;
use std::str::FromStr;

use crate::azure::identity_target::Assigned;
use crate::azure::resource_id::ResourceId;
use crate::protocol::typed::Parsed;
use crate::sql::statement::Name;

impl Parsed for ResourceId {
    const WHAT: &'static str = "Azure resource ID";
}

impl Parsed for Assigned {
    const WHAT: &'static str = "ARM ID of a user-assigned identity, or `system`";
}

impl Parsed for Name {
    const WHAT: &'static str = "PostgreSQL name";
}

/// The name of something in Azure, which ignores case.
#[derive(Clone, Debug, Eq)]
pub struct AzureName(String);

impl AzureName {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for AzureName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl FromStr for AzureName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let special = |character: char| character.is_control() || "/?#%\\<>&|".contains(character);
        match text {
            "" => Err("a name is required"),
            "." | ".." => Err("a name is more than dots"),
            _ if text.contains(special) => Err("a name contains no slash, and none of ? # % \\ < > & |"),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for AzureName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Parsed for AzureName {
    const WHAT: &'static str = "name";
}

/// What kind of principal it is, as ARM says it. Managed identities are service principals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PrincipalType {
    /// A person.
    User,
    /// A group; its members sign in with the group's name.
    Group,
    /// An application or a managed identity.
    ServicePrincipal,
}

impl FromStr for PrincipalType {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "User" => Ok(Self::User),
            "Group" => Ok(Self::Group),
            "ServicePrincipal" => Ok(Self::ServicePrincipal),
            _ => Err("`User`, `Group` or `ServicePrincipal` is required (a managed identity is a service principal)"),
        }
    }
}

impl fmt::Display for PrincipalType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::User => "User",
            Self::Group => "Group",
            Self::ServicePrincipal => "ServicePrincipal",
        })
    }
}

impl Parsed for PrincipalType {
    const WHAT: &'static str = "kind of principal";
    const ALLOWED: &'static [&'static str] = &["User", "Group", "ServicePrincipal"];
}

/// An Azure region. `West Europe` and `westeurope` are the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location(String);

impl FromStr for Location {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == ' ');
        let name: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        if !plain || name.is_empty() {
            Err("the name of a region is required, as in `westeurope`")
        } else {
            Ok(Self(name.to_ascii_lowercase()))
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Parsed for Location {
    const WHAT: &'static str = "Azure region";
}
