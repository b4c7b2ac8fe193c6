//! `/subscriptions/…`: an Azure resource ID, parsed once and compared without case. It does not know what exists.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// The ID of a subscription, a resource group or a resource. Equality and hash ignore case; `Display`
/// keeps the spelling that was given, because Azure itself spells one ID in several ways.
#[derive(Debug, Clone)]
pub struct ResourceId {
    /// As given, without a slash at its end.
    text: String,
    /// Byte ranges of the segments in `text`.
    segments: Vec<(usize, usize)>,
    /// The last `providers` segment, when it is a resource.
    providers: Option<usize>,
}

/// What is wrong with a text that should be a resource ID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidResourceId {
    /// An ID begins with its subscription.
    #[error("{0:?} does not begin with \"/subscriptions/\"")]
    Start(String),
    /// Keyword without its value.
    #[error("{text:?} ends after {last:?}, without {missing}")]
    Incomplete {
        /// The text.
        text: String,
        /// Its last segment.
        last: String,
        /// What should follow.
        missing: &'static str,
    },
    /// Neither `resourceGroups` nor `providers` where one of them should stand.
    #[error("{text:?} has {found:?} where \"resourceGroups\" or \"providers\" should stand")]
    Keyword {
        /// The text.
        text: String,
        /// The segment that was found.
        found: String,
    },
    /// Two slashes, a dot segment, or a character that no Azure name has.
    #[error("{text:?} contains {what}")]
    Character {
        /// The text.
        text: String,
        /// What it contains.
        what: &'static str,
    },
}

impl ResourceId {
    /// The ID of a subscription.
    pub fn subscription(subscription: &str) -> Result<ResourceId, InvalidResourceId> {
        format!("/subscriptions/{subscription}").parse()
    }

    /// The ID of a resource group.
    pub fn resource_group_of(subscription: &str, group: &str) -> Result<ResourceId, InvalidResourceId> {
        format!("/subscriptions/{subscription}/resourceGroups/{group}").parse()
    }

    /// The subscription's ID.
    pub fn subscription_id(&self) -> &str {
        self.segment(1)
    }

    /// The resource group's name; nothing for a resource of the subscription.
    pub fn resource_group(&self) -> Option<&str> {
        let group = self.segments.len() > 3 && self.segment(2).eq_ignore_ascii_case("resourceGroups");
        group.then(|| self.segment(3))
    }

    /// The resource provider: `Microsoft.DBforPostgreSQL`. Nothing for a subscription or a group.
    pub fn provider(&self) -> Option<&str> {
        self.providers.map(|at| self.segment(at + 1))
    }

    /// The full type: `Microsoft.DBforPostgreSQL/flexibleServers/administrators`. Nothing for a
    /// subscription or a group.
    pub fn resource_type(&self) -> Option<String> {
        let at = self.providers?;
        let mut text = self.segment(at + 1).to_owned();
        for index in (at + 2..self.segments.len()).step_by(2) {
            text.push('/');
            text.push_str(self.segment(index));
        }
        Some(text)
    }

    /// Whether the full type is this one, whatever its case.
    pub fn is_type(&self, resource_type: &str) -> bool {
        self.resource_type()
            .is_some_and(|own| own.eq_ignore_ascii_case(resource_type))
    }

    /// The last name: of the resource, the group, or the subscription's ID.
    pub fn name(&self) -> &str {
        self.segment(self.segments.len() - 1)
    }

    /// The name that follows this type: `name_of("flexibleServers")`, whatever its case.
    pub fn name_of(&self, type_segment: &str) -> Option<&str> {
        let at = self.providers?;
        let index = (at + 2..self.segments.len())
            .step_by(2)
            .find(|index| self.segment(*index).eq_ignore_ascii_case(type_segment))?;
        Some(self.segment(index + 1))
    }

    /// What this lives in: the parent resource, the scope of an extension, the group or the subscription.
    /// Nothing for a subscription.
    pub fn parent(&self) -> Option<ResourceId> {
        let keep = match self.providers {
            Some(at) if self.segments.len() > at + 4 => self.segments.len() - 2,
            Some(at) => at,
            None if self.segments.len() > 2 => 2,
            None => return None,
        };
        let text = &self.text[..self.segments[keep - 1].1];
        Some(text.parse().expect("the beginning of an ID is an ID"))
    }

    /// A child of this resource: `server.child("administrators", object_id)`.
    pub fn child(&self, type_segment: &str, name: &str) -> Result<ResourceId, InvalidResourceId> {
        format!("{self}/{type_segment}/{name}").parse()
    }

    /// A resource of a provider in or on this: `group.extension("Microsoft.ManagedIdentity/userAssignedIdentities", name)`.
    pub fn extension(&self, resource_type: &str, name: &str) -> Result<ResourceId, InvalidResourceId> {
        format!("{self}/providers/{resource_type}/{name}").parse()
    }

    /// The ID as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The parts between the slashes.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        (0..self.segments.len()).map(|index| self.segment(index))
    }

    fn segment(&self, index: usize) -> &str {
        let (begin, end) = self.segments[index];
        &self.text[begin..end]
    }
}

impl FromStr for ResourceId {
    type Err = InvalidResourceId;

    fn from_str(given: &str) -> Result<ResourceId, InvalidResourceId> {
        let text = given.strip_suffix('/').unwrap_or(given).to_owned();
        check_characters(&text)?;
        let mut segments = Vec::new();
        let mut begin = 1;
        for segment in text.split('/').skip(1) {
            segments.push((begin, begin + segment.len()));
            begin += segment.len() + 1;
        }
        let mut id = ResourceId {
            text,
            segments,
            providers: None,
        };
        id.providers = id.check_form()?;
        Ok(id)
    }
}

impl ResourceId {
    /// Checks the keywords and the pairs; gives the position of the last `providers`.
    fn check_form(&self) -> Result<Option<usize>, InvalidResourceId> {
        let count = self.segments.len();
        let is = |index: usize, word: &str| index < count && self.segment(index).eq_ignore_ascii_case(word);
        if !self.text.starts_with('/') || !is(0, "subscriptions") {
            return Err(InvalidResourceId::Start(self.text.clone()));
        }
        let complete = |needed: usize, missing: &'static str| match count >= needed {
            true => Ok(()),
            false => Err(InvalidResourceId::Incomplete {
                text: self.text.clone(),
                last: self.segment(count - 1).to_owned(),
                missing,
            }),
        };
        complete(2, "the subscription's ID")?;
        let mut at = 2;
        if is(2, "resourceGroups") {
            complete(4, "the resource group's name")?;
            at = 4;
        }
        let mut providers = None;
        while at < count {
            if is(at, "providers") {
                complete(at + 4, "the provider, the type and the name of a resource")?;
                providers = Some(at);
                at += 4;
            } else if providers.is_none() {
                let found = self.segment(at).to_owned();
                return Err(InvalidResourceId::Keyword {
                    text: self.text.clone(),
                    found,
                });
            } else {
                complete(at + 2, "the name that belongs to it")?;
                at += 2;
            }
        }
        Ok(providers)
    }
}

fn check_characters(text: &str) -> Result<(), InvalidResourceId> {
    let bad = |what| {
        Err(InvalidResourceId::Character {
            text: text.to_owned(),
            what,
        })
    };
    if text.contains("//") || text.ends_with('/') {
        return bad("an empty part between two slashes");
    }
    if text.split('/').any(|segment| segment == "." || segment == "..") {
        return bad("a part that is only dots");
    }
    if text.contains(|c: char| c.is_control()) {
        return bad("a control character");
    }
    if text.trim() != text {
        return bad("a space at its beginning or end");
    }
    if text.contains(['?', '#', '%', '\\', '<', '>', '&']) {
        return bad("one of the characters ? # % \\ < > &");
    }
    Ok(())
}

impl fmt::Display for ResourceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &ResourceId) -> bool {
        let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
        self.text.eq_ignore_ascii_case(&other.text) || lower(&self.text) == lower(&other.text)
    }
}

impl Eq for ResourceId {}

impl Hash for ResourceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for character in self.text.chars().flat_map(char::to_lowercase) {
            character.hash(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const ADMIN: &str =
        "/subscriptions/S/resourceGroups/rg/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg/administrators/O";

    fn id(text: &str) -> ResourceId {
        text.parse().unwrap()
    }

    #[test]
    fn the_parts_of_an_id_are_known() {
        let admin = id(ADMIN);
        assert_eq!(admin.subscription_id(), "S");
        assert_eq!(admin.resource_group(), Some("rg"));
        assert_eq!(admin.provider(), Some("Microsoft.DBforPostgreSQL"));
        assert_eq!(
            admin.resource_type().as_deref(),
            Some("Microsoft.DBforPostgreSQL/flexibleServers/administrators")
        );
        assert!(admin.is_type("microsoft.dbforpostgresql/FLEXIBLESERVERS/administrators"));
        assert_eq!(admin.name(), "O");
        assert_eq!(admin.name_of("FlexibleServers"), Some("pg"));
        assert_eq!(admin.name_of("servers"), None);
    }

    #[test]
    fn parents_lead_to_the_subscription() {
        let mut parents = Vec::new();
        let mut at = id(ADMIN);
        while let Some(parent) = at.parent() {
            parents.push(parent.to_string());
            at = parent;
        }
        assert_eq!(
            parents,
            [
                "/subscriptions/S/resourceGroups/rg/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg",
                "/subscriptions/S/resourceGroups/rg",
                "/subscriptions/S",
            ]
        );
        let extension = id(ADMIN)
            .parent()
            .unwrap()
            .extension("Microsoft.ManagedIdentity/identities", "default")
            .unwrap();
        assert_eq!(
            extension.resource_type().as_deref(),
            Some("Microsoft.ManagedIdentity/identities")
        );
        assert_eq!(extension.parent(), id(ADMIN).parent());
    }

    #[test]
    fn case_is_kept_in_display_and_ignored_in_comparison() {
        let other = id(&ADMIN.to_lowercase());
        assert_eq!(other, id(ADMIN));
        assert_ne!(other.to_string(), ADMIN);
        assert_eq!(HashSet::from([other, id(ADMIN), id(&format!("{ADMIN}/"))]).len(), 1);
        assert_ne!(id(ADMIN), id("/subscriptions/S"));
    }

    #[test]
    fn children_are_checked_like_everything_else() {
        let server = id(ADMIN).parent().unwrap();
        assert_eq!(server.child("administrators", "O").unwrap(), id(ADMIN));
        assert!(server.child("administrators", "a/b").is_err());
        assert!(server.child("administrators", "").is_err());
        assert!(server.child("administrators", "..").is_err());
    }

    #[test]
    fn the_error_says_what_is_wrong() {
        let error = |text: &str| text.parse::<ResourceId>().unwrap_err().to_string();
        assert_eq!(
            error("pg.postgres.database.azure.com"),
            r#""pg.postgres.database.azure.com" does not begin with "/subscriptions/""#
        );
        assert_eq!(error(""), r#""" does not begin with "/subscriptions/""#);
        assert_eq!(
            error("/subscriptions"),
            r#""/subscriptions" ends after "subscriptions", without the subscription's ID"#
        );
        assert_eq!(
            error("/subscriptions/S/rg/x"),
            r#""/subscriptions/S/rg/x" has "rg" where "resourceGroups" or "providers" should stand"#
        );
        assert_eq!(
            error("/subscriptions/S/resourceGroups/rg/providers/P/servers"),
            r#""/subscriptions/S/resourceGroups/rg/providers/P/servers" ends after "servers", without the provider, the type and the name of a resource"#
        );
        assert_eq!(
            error("/subscriptions/S/providers/P/t/n/u"),
            r#""/subscriptions/S/providers/P/t/n/u" ends after "u", without the name that belongs to it"#
        );
        assert!(error("/subscriptions//x").contains("an empty part between two slashes"));
        assert!(error("/subscriptions/S/resourceGroups/../x").contains("a part that is only dots"));
        assert!(error("/subscriptions/S?x").contains("one of the characters"));
        assert!(error(" /subscriptions/S").contains("a space"));
    }
}
