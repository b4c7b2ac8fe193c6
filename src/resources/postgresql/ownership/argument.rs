//! The choices that an ownership offers.

use std::fmt;
use std::str::FromStr;

use crate::protocol::typed::Parsed;

/// What previous owners can still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviousOwnerAccess {
    /// They are members of the new owner: nothing changes for them.
    Membership,
    /// They have all privileges on what was theirs, but cannot alter or drop it.
    Privileges,
    /// Nothing beyond what others granted them.
    None,
}

impl FromStr for PreviousOwnerAccess {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "membership" => Ok(Self::Membership),
            "privileges" => Ok(Self::Privileges),
            "none" => Ok(Self::None),
            _ => Err("`membership`, `privileges` or `none` is required"),
        }
    }
}

impl fmt::Display for PreviousOwnerAccess {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Membership => "membership",
            Self::Privileges => "privileges",
            Self::None => "none",
        })
    }
}

impl Parsed for PreviousOwnerAccess {
    const WHAT: &'static str = "access of previous owners";
    const ALLOWED: &'static [&'static str] = &["membership", "privileges", "none"];
}

/// What destroying the resource does to the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDestroy {
    /// Nothing: the owner keeps them.
    Keep,
    /// They go back to where they came from.
    Restore,
}

impl FromStr for OnDestroy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "keep" => Ok(Self::Keep),
            "restore" => Ok(Self::Restore),
            _ => Err("`keep` or `restore` is required"),
        }
    }
}

impl fmt::Display for OnDestroy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Keep => "keep",
            Self::Restore => "restore",
        })
    }
}

impl Parsed for OnDestroy {
    const WHAT: &'static str = "way to end an ownership";
    const ALLOWED: &'static [&'static str] = &["keep", "restore"];
}
