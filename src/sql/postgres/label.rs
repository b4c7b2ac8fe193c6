//! The security label that binds a role to an Entra identity: read and written exactly as Azure wants it.

use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// The provider that Azure's labels belong to. Others, such as `pgaadauth-int`, are none of ours.
pub const PROVIDER: &str = "pgaadauth";

/// The binding of a role: `aadauth,oid=…,type=service,admin,mfa`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// The identity's object id.
    pub oid: Uuid,
    /// What the identity is; old labels of users do not say.
    pub kind: Option<PrincipalKind>,
    /// Whether it is an administrator. The label alone gives no rights.
    pub admin: bool,
    /// Whether the token must show a second factor.
    pub mfa: bool,
}

/// What an identity is, in the words of `pgaadauth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A group; its members log in with its name.
    Group,
    /// An application or a managed identity.
    Service,
}

impl PrincipalKind {
    /// The word in labels and in arguments of the `pgaadauth` functions.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            PrincipalKind::User => "user",
            PrincipalKind::Group => "group",
            PrincipalKind::Service => "service",
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "aadauth,oid={}", self.oid)?;
        if let Some(kind) = self.kind {
            write!(formatter, ",type={}", kind.word())?;
        }
        formatter.write_str(if self.admin { ",admin" } else { "" })?;
        formatter.write_str(if self.mfa { ",mfa" } else { "" })
    }
}

/// A label that does not have Azure's form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the security label {0:?} is not one of Azure's")]
pub struct UnknownLabel(pub String);

impl FromStr for Label {
    type Err = UnknownLabel;

    fn from_str(text: &str) -> Result<Label, UnknownLabel> {
        parse(text).ok_or_else(|| UnknownLabel(text.to_owned()))
    }
}

/// The items come in one order, each of the later ones may be missing.
fn parse(text: &str) -> Option<Label> {
    let mut items = text.split(',').peekable();
    if items.next() != Some("aadauth") {
        return None;
    }
    let oid = Uuid::try_parse(items.next()?.strip_prefix("oid=")?).ok()?;
    let kind = match items.peek().and_then(|item| item.strip_prefix("type=")) {
        Some("user") => Some(PrincipalKind::User),
        Some("group") => Some(PrincipalKind::Group),
        Some("service") => Some(PrincipalKind::Service),
        Some(_) => return None,
        None => None,
    };
    if kind.is_some() {
        items.next();
    }
    let admin = items.next_if_eq(&"admin").is_some();
    let mfa = items.next_if_eq(&"mfa").is_some();
    items.next().is_none().then_some(Label { oid, kind, admin, mfa })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_back() {
        let oid = "6f1a2b3c-0000-4000-8000-0123456789ab";
        for rest in [
            "",
            ",type=user",
            ",type=group,admin",
            ",type=service,admin,mfa",
            ",type=user,mfa",
            ",admin",
        ] {
            let text = format!("aadauth,oid={oid}{rest}");
            assert_eq!(text.parse::<Label>().unwrap().to_string(), text);
        }
        let label: Label = format!("aadauth,oid={oid},type=service,mfa").parse().unwrap();
        assert_eq!(
            (label.kind, label.admin, label.mfa),
            (Some(PrincipalKind::Service), false, true)
        );
    }

    #[test]
    fn other_texts_are_no_labels() {
        let oid = "6f1a2b3c-0000-4000-8000-0123456789ab";
        for text in [
            String::new(),
            "aadauth".into(),
            "aadauth,oid=x,type=user".into(),
            format!("aadauth,oid={oid},type=robot"),
            format!("aadauth,oid={oid},mfa,admin"),
            format!("aadauth, oid={oid}"),
            format!("type=service,oid={oid}"),
        ] {
            assert_eq!(text.parse::<Label>(), Err(UnknownLabel(text.clone())));
        }
    }
}
