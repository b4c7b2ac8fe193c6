//! What a Graph request asks for beside its path: filters, selections, page sizes and keys in parentheses.
//! It does not know the directory.

use crate::directory::{Principal, PrincipalKind};

/// A filter that the emulator understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) property: String,
    pub(crate) value: String,
    pub(crate) manner: Manner,
}

/// How a property must agree with the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Equal,
    StartsWith,
    /// One of several values is equal.
    Any,
}

/// A text in single quotes, with quotes inside it doubled.
pub(crate) fn literal(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    let plain = inner.replace("''", "\u{0}");
    (!plain.contains('\'')).then(|| plain.replace('\u{0}', "'"))
}

impl Filter {
    /// `name eq 'value'`, `startswith(name,'value')` or `names/any(c:c eq 'value')`.
    pub(crate) fn parse(text: &str) -> Option<Filter> {
        let text = text.trim();
        let filter = |property: &str, value: &str, manner| {
            Some(Filter {
                property: property.trim().to_owned(),
                value: literal(value)?,
                manner,
            })
        };
        if let Some(inner) = text.strip_prefix("startswith(").and_then(|rest| rest.strip_suffix(')')) {
            let (property, value) = inner.split_once(',')?;
            return filter(property, value, Manner::StartsWith);
        }
        if let Some((property, rest)) = text.split_once("/any(") {
            let (variable, condition) = rest.strip_suffix(')')?.split_once(':')?;
            let value = condition
                .trim()
                .strip_prefix(variable.trim())?
                .trim()
                .strip_prefix("eq ")?;
            return filter(property, value, Manner::Any);
        }
        let (property, value) = text.split_once(" eq ")?;
        filter(property, value, Manner::Equal)
    }

    /// Whether this set of objects can be filtered so.
    pub(crate) fn suits(&self, known: &[&str]) -> bool {
        match self.manner {
            Manner::Equal => known.contains(&self.property.as_str()),
            Manner::StartsWith => {
                known.contains(&self.property.as_str())
                    && ["displayName", "userPrincipalName"].contains(&self.property.as_str())
            }
            Manner::Any => self.property == "servicePrincipalNames" && known.contains(&"appId"),
        }
    }

    pub(crate) fn takes(&self, one: &Principal) -> bool {
        let own = match self.property.as_str() {
            "appId" | "servicePrincipalNames" => one.app_id.as_deref(),
            "userPrincipalName" | "mail" => one.user_principal_name.as_deref(),
            "id" => Some(one.object_id.as_str()),
            _ => Some(one.display_name.as_str()),
        };
        let Some(own) = own.map(str::to_lowercase) else {
            return false;
        };
        let value = self.value.to_lowercase();
        match self.manner {
            Manner::StartsWith => own.starts_with(&value),
            Manner::Equal | Manner::Any => own == value,
        }
    }
}

/// `set('id')` or `set(key='value')`.
pub(crate) fn keyed(segment: &str) -> Option<(&str, Option<&str>, String)> {
    let (set, rest) = segment.split_once('(')?;
    let inner = rest.strip_suffix(')')?;
    match inner.split_once('=') {
        Some((key, value)) if !key.starts_with('\'') => Some((set, Some(key), literal(value)?)),
        _ => Some((set, None, literal(inner)?)),
    }
}

/// The three sorts of objects that are permitted each on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    User,
    Group,
    ServicePrincipal,
}

impl Sort {
    pub(crate) const ALL: [Sort; 3] = [Sort::User, Sort::Group, Sort::ServicePrincipal];

    pub(crate) fn of(kind: PrincipalKind) -> Sort {
        match kind {
            PrincipalKind::User => Sort::User,
            PrincipalKind::Group => Sort::Group,
            PrincipalKind::Application | PrincipalKind::ManagedIdentity => Sort::ServicePrincipal,
        }
    }

    /// As the path and `$metadata` call it.
    pub(crate) fn set(self) -> &'static str {
        match self {
            Sort::User => "users",
            Sort::Group => "groups",
            Sort::ServicePrincipal => "servicePrincipals",
        }
    }

    /// As `@odata.type` and `types` call it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Sort::User => "user",
            Sort::Group => "group",
            Sort::ServicePrincipal => "servicePrincipal",
        }
    }

    /// What the set can be filtered by.
    pub(crate) fn filters(self) -> &'static [&'static str] {
        match self {
            Sort::User => &["userPrincipalName", "displayName", "mail", "id"],
            Sort::Group => &["displayName", "id"],
            Sort::ServicePrincipal => &["appId", "displayName", "id"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_one_condition_with_doubled_quotes() {
        let equal = Filter::parse("displayName eq 'O''Brien'").unwrap();
        assert_eq!((equal.value.as_str(), equal.manner), ("O'Brien", Manner::Equal));
        let starts = Filter::parse("startswith(displayName,'data, ')").unwrap();
        assert_eq!((starts.value.as_str(), starts.manner), ("data, ", Manner::StartsWith));
        let any = Filter::parse("servicePrincipalNames/any(c:c eq 'x')").unwrap();
        assert_eq!(
            (any.property.as_str(), any.manner),
            ("servicePrincipalNames", Manner::Any)
        );
        assert_eq!(Filter::parse("displayName eq 'a' or appId eq 'b'"), None);
        assert_eq!(Filter::parse("displayName ne 'a'"), None);
    }

    #[test]
    fn a_key_stands_in_parentheses() {
        assert_eq!(keyed("users('$x')"), Some(("users", None, "$x".to_owned())));
        assert_eq!(
            keyed("servicePrincipals(appId='a')"),
            Some(("servicePrincipals", Some("appId"), "a".to_owned()))
        );
        assert_eq!(keyed("users('a=b''c')"), Some(("users", None, "a=b'c".to_owned())));
        assert_eq!(keyed("users(1)"), None);
    }
}
