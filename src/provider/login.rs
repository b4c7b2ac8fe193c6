//! As which role to log in: the candidates, most likely first. Found, not asked for.

use crate::azure::token::Claims;

/// An Entra administrator of a server, as far as a login needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Administrator {
    /// The object ID.
    pub object_id: String,
    /// The role's name.
    pub name: String,
    /// Whether members of a group sign in with this name.
    pub is_group: bool,
}

/// The roles that the holder of a token may log in as, most likely first.
///
/// `administrators` is empty where they may not be read; `own_name` is what the directory calls the holder.
pub fn candidates(claims: &Claims, administrators: &[Administrator], own_name: Option<&str>) -> Vec<String> {
    let same = |id: &str, other: &str| id.eq_ignore_ascii_case(other);
    let is_holder = |administrator: &&Administrator| {
        claims
            .oid
            .as_deref()
            .is_some_and(|oid| same(oid, &administrator.object_id))
    };
    let in_token =
        |administrator: &&Administrator| claims.groups.iter().any(|group| same(group, &administrator.object_id));
    let groups = || administrators.iter().filter(|administrator| administrator.is_group);
    let names = administrators
        .iter()
        .filter(is_holder)
        .chain(groups().filter(in_token))
        // A token without groups says nothing about them: each is worth a try.
        .chain(groups().filter(|_| claims.groups.is_empty()))
        .map(|administrator| administrator.name.as_str())
        .chain(claims.user_name())
        .chain(claims.xms_mirid.as_deref().and_then(|id| id.rsplit('/').next()))
        .chain(own_name)
        .chain(claims.client_id());
    let mut candidates: Vec<String> = Vec::new();
    for name in names.filter(|name| !name.is_empty()) {
        if !candidates.iter().any(|known| known == name) {
            candidates.push(name.to_owned());
        }
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn administrator(object_id: &str, name: &str, is_group: bool) -> Administrator {
        Administrator {
            object_id: object_id.into(),
            name: name.into(),
            is_group,
        }
    }

    #[test]
    fn the_administrator_with_the_same_object_id_comes_first() {
        let claims = Claims {
            oid: Some("AB".into()),
            upn: Some("ann@x".into()),
            appid: Some("app".into()),
            ..Claims::default()
        };
        let administrators = [administrator("cd", "team", true), administrator("ab", "Ann", false)];
        assert_eq!(
            candidates(&claims, &administrators, None),
            ["Ann", "team", "ann@x", "app"]
        );
    }

    #[test]
    fn groups_of_the_token_leave_out_the_others() {
        let claims = Claims {
            oid: Some("x".into()),
            groups: vec!["g2".into()],
            ..Claims::default()
        };
        let administrators = [administrator("g1", "one", true), administrator("g2", "two", true)];
        assert_eq!(candidates(&claims, &administrators, Some("runner")), ["two", "runner"]);
    }

    #[test]
    fn a_managed_identity_is_found_by_its_resource_id() {
        let claims = Claims {
            xms_mirid: Some("/subscriptions/s/…/userAssignedIdentities/runner".into()),
            appid: Some("app".into()),
            ..Claims::default()
        };
        assert_eq!(candidates(&claims, &[], Some("runner")), ["runner", "app"]);
    }
}
