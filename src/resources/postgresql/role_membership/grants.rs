//! The grants that make up one membership, and the statements that lead from what there is to what is wanted. Pure: it asks nobody.
//!
//! Up to version 15 a membership is one grant, whoever made it. From 16 on each grantor has a grant of its own, with its own options, and
//! the member has what any of them gives.

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::resources::postgresql::borrowed::BOOTSTRAP;
use crate::sql;
use crate::sql::postgres::server_catalog::{Membership, OPTIONS};
use crate::sql::quote::Dialect;
use crate::sql::statement::{Name, Statement};

/// What a membership gives besides itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The member may grant the role to others.
    pub admin: bool,
    /// The member has the role's privileges without `SET ROLE`.
    pub inherit: bool,
    /// The member may `SET ROLE`.
    pub set: bool,
}

impl Options {
    fn or(self, other: Self) -> Self {
        Self {
            admin: self.admin || other.admin,
            inherit: self.inherit || other.inherit,
            set: self.set || other.set,
        }
    }

    /// The options by the words of the statements: what there is, and what another one has.
    fn beside(self, other: Self) -> [(&'static str, bool, bool); 3] {
        [
            ("ADMIN", self.admin, other.admin),
            ("INHERIT", self.inherit, other.inherit),
            ("SET", self.set, other.set),
        ]
    }

    /// For a person to read.
    pub fn describe(self) -> String {
        format!(
            "`admin_option = {}`, `inherit_option = {}`, `set_option = {}`",
            self.admin, self.inherit, self.set
        )
    }
}

impl From<&Membership> for Options {
    /// Before version 16 the member's own attribute decides whether it inherits, and every member may `SET ROLE`.
    fn from(membership: &Membership) -> Self {
        Self {
            admin: membership.admin,
            inherit: membership.inherit.unwrap_or(true),
            set: membership.set.unwrap_or(true),
        }
    }
}

/// Whether a grant is no membership in the sense of a configuration: from version 16 on the superuser gives whoever makes a role the right to
/// manage it, and nothing else. Nobody but that superuser can take it away.
fn is_hold(grantor: u32, options: Options) -> bool {
    let only_admin = Options {
        admin: true,
        inherit: false,
        set: false,
    };
    grantor == BOOTSTRAP && options == only_admin
}

/// What all grants of one membership give together; `None` when there is no membership.
pub fn of_catalog(grants: &[Membership]) -> Option<Options> {
    let given = grants.iter().map(|grant| (grant.grantor, Options::from(grant)));
    together(given)
}

fn together(grants: impl Iterator<Item = (u32, Options)>) -> Option<Options> {
    grants
        .filter(|(grantor, options)| !is_hold(*grantor, *options))
        .map(|(_, options)| options)
        .reduce(Options::or)
}

/// One grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The number of who granted it.
    pub grantor: u32,
    /// The name of who granted it.
    pub grantor_name: Name,
    /// With which options.
    pub options: Options,
    /// Whether we have the privileges of the grantor, so that we may take back what it granted.
    pub ours: bool,
}

/// A role and a (future) member of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The number of the role.
    pub role: u32,
    /// Its name.
    pub role_name: Name,
    /// The number of the member.
    pub member: u32,
    /// Its name.
    pub member_name: Name,
    /// What there is.
    pub grants: Vec<Grant>,
    /// To whom the member granted the role on.
    pub passed_on: Vec<String>,
}

impl Pair {
    /// What all grants give together; `None` when there is no membership.
    pub fn options(&self) -> Option<Options> {
        together(self.grants.iter().map(|grant| (grant.grantor, grant.options)))
    }

    /// The statements that lead to exactly these options: what is lacking first, so that a running application never loses what it keeps.
    ///
    /// # Errors
    /// When what is too much was granted by a role that we cannot act for.
    pub fn change(&self, version: u32, wanted: Options) -> Result<Vec<Statement>> {
        let found = self.options();
        let mut statements = Vec::new();
        let lacks = found.is_none_or(|found| found.or(wanted) != found);
        if lacks {
            statements.push(self.grant(version, wanted));
        }
        for grant in self
            .grants
            .iter()
            .filter(|grant| !is_hold(grant.grantor, grant.options))
        {
            for (option, has, keeps) in grant.options.beside(wanted) {
                if !has || keeps {
                    continue;
                }
                if version < OPTIONS {
                    statements.push(sql!(
                        "REVOKE ADMIN OPTION FOR {} FROM {}",
                        &self.role_name,
                        &self.member_name
                    ));
                } else if grant.ours {
                    statements.push(sql!(
                        "REVOKE {} OPTION FOR {} FROM {} GRANTED BY {}",
                        option,
                        &self.role_name,
                        &self.member_name,
                        &grant.grantor_name
                    ));
                } else {
                    return Err(self.not_ours(grant, option));
                }
            }
        }
        Ok(statements)
    }

    fn grant(&self, version: u32, wanted: Options) -> Statement {
        let truth = |value: bool| if value { "TRUE" } else { "FALSE" };
        let (role, member) = (&self.role_name, &self.member_name);
        let (inherit, set) = (truth(wanted.inherit), truth(wanted.set));
        match (version < OPTIONS, wanted.admin) {
            (true, true) => sql!("GRANT {} TO {} WITH ADMIN OPTION", role, member),
            (true, false) => sql!("GRANT {} TO {}", role, member),
            (false, true) => sql!(
                "GRANT {} TO {} WITH ADMIN TRUE, INHERIT {}, SET {}",
                role,
                member,
                inherit,
                set
            ),
            // A GRANT takes ADMIN from a grant that is there without a look at what hangs on it. REVOKE looks.
            (false, false) => sql!("GRANT {} TO {} WITH INHERIT {}, SET {}", role, member, inherit, set),
        }
    }

    fn not_ours(&self, grant: &Grant, word: &'static str) -> Diagnostic {
        let attribute = match word {
            "ADMIN" => "admin_option",
            "INHERIT" => "inherit_option",
            _ => "set_option",
        };
        let remedy = sql!(
            "REVOKE {} OPTION FOR {} FROM {}",
            word,
            &self.role_name,
            &self.member_name
        );
        let detail = format!(
            "{} is a member of {} with the {word} option by a grant of {}. From version 16 on only that role, or one that has its privileges, can take \
             it back. Let it run `{}`, or set `{attribute} = true`.",
            self.member_name,
            self.role_name,
            grant.grantor_name,
            remedy.render(Dialect::PostgreSql)
        );
        Diagnostic::error("Granted by another role", detail).at(attribute)
    }

    /// The statements that end the membership as far as we may, and who else granted it.
    pub fn end(&self, version: u32) -> (Vec<Statement>, Vec<&Name>) {
        let grants = self
            .grants
            .iter()
            .filter(|grant| !is_hold(grant.grantor, grant.options));
        if version < OPTIONS {
            let statements = grants.map(|_| sql!("REVOKE {} FROM {}", &self.role_name, &self.member_name));
            return (statements.collect(), Vec::new());
        }
        let (ours, others): (Vec<&Grant>, Vec<&Grant>) = grants.partition(|grant| grant.ours);
        let end = |grant: &&Grant| {
            sql!(
                "REVOKE {} FROM {} GRANTED BY {}",
                &self.role_name,
                &self.member_name,
                &grant.grantor_name
            )
        };
        (
            ours.iter().map(end).collect(),
            others.iter().map(|grant| &grant.grantor_name).collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn options(text: &str) -> Options {
        Options {
            admin: text.contains('a'),
            inherit: text.contains('i'),
            set: text.contains('s'),
        }
    }

    /// Grants as `grantor:options`; who has a number below 100 is none of ours.
    fn pair(grants: &[(u32, &str)]) -> Pair {
        let grant = |(grantor, given): &(u32, &str)| Grant {
            grantor: *grantor,
            grantor_name: Name::new(format!("g{grantor}")).unwrap(),
            options: options(given),
            ours: *grantor >= 100,
        };
        Pair {
            role: 1,
            role_name: Name::new("ro\"le").unwrap(),
            member: 2,
            member_name: Name::new("m").unwrap(),
            grants: grants.iter().map(grant).collect(),
            passed_on: Vec::new(),
        }
    }

    fn changes(version: u32, grants: &[(u32, &str)], wanted: &str, expected: Expect) {
        let text = match pair(grants).change(version, options(wanted)) {
            Ok(statements) => rendered(&statements),
            Err(told) => format!("{}: {}", told.path, told.detail),
        };
        expected.assert_eq(&text);
    }

    fn rendered(statements: &[Statement]) -> String {
        let lines: Vec<String> = statements.iter().map(|one| one.render(Dialect::PostgreSql)).collect();
        lines.join("\n")
    }

    #[test]
    fn before_options_a_membership_is_one_grant() {
        changes(15, &[], "is", expect![[r#"GRANT "ro""le" TO "m""#]]);
        changes(
            15,
            &[(10, "is")],
            "ais",
            expect![[r#"GRANT "ro""le" TO "m" WITH ADMIN OPTION"#]],
        );
        changes(
            15,
            &[(10, "ais")],
            "is",
            expect![[r#"REVOKE ADMIN OPTION FOR "ro""le" FROM "m""#]],
        );
        changes(15, &[(10, "is")], "is", expect![""]);
        let pair = pair(&[(10, "ais")]);
        let (statements, others) = pair.end(15);
        assert_eq!(
            (rendered(&statements).as_str(), others.len()),
            (r#"REVOKE "ro""le" FROM "m""#, 0)
        );
    }

    #[test]
    fn what_lacks_comes_before_what_is_too_much() {
        changes(
            16,
            &[(100, "is")],
            "as",
            expect![[r#"
                GRANT "ro""le" TO "m" WITH ADMIN TRUE, INHERIT FALSE, SET TRUE
                REVOKE INHERIT OPTION FOR "ro""le" FROM "m" GRANTED BY "g100""#]],
        );
        changes(
            17,
            &[],
            "",
            expect![[r#"GRANT "ro""le" TO "m" WITH INHERIT FALSE, SET FALSE"#]],
        );
        changes(17, &[(100, "i"), (101, "s")], "is", expect![""]);
        changes(
            16,
            &[(100, "ai")],
            "is",
            expect![[r#"
                GRANT "ro""le" TO "m" WITH INHERIT TRUE, SET TRUE
                REVOKE ADMIN OPTION FOR "ro""le" FROM "m" GRANTED BY "g100""#]],
        );
    }

    #[test]
    fn grants_of_others_are_seen_and_left_to_them() {
        changes(
            16,
            &[(50, "i")],
            "is",
            expect![[r#"GRANT "ro""le" TO "m" WITH INHERIT TRUE, SET TRUE"#]],
        );
        changes(
            16,
            &[(50, "ais"), (100, "is")],
            "is",
            expect![[
                r#"admin_option: m is a member of ro"le with the ADMIN option by a grant of g50. From version 16 on only that role, or one that has its privileges, can take it back. Let it run `REVOKE ADMIN OPTION FOR "ro""le" FROM "m"`, or set `admin_option = true`."#
            ]],
        );
        let pair = pair(&[(50, "is"), (100, "is")]);
        let (statements, others) = pair.end(18);
        assert_eq!(rendered(&statements), r#"REVOKE "ro""le" FROM "m" GRANTED BY "g100""#);
        assert_eq!(others, [&Name::new("g50").unwrap()]);
    }

    #[test]
    fn the_hold_of_who_made_a_role_is_no_membership() {
        let made = pair(&[(BOOTSTRAP, "a")]);
        assert_eq!(made.options(), None);
        assert_eq!(made.end(16).0, []);
        changes(
            16,
            &[(BOOTSTRAP, "a")],
            "is",
            expect![[r#"GRANT "ro""le" TO "m" WITH INHERIT TRUE, SET TRUE"#]],
        );
        assert_eq!(pair(&[(BOOTSTRAP, "ai")]).options(), Some(options("ai")));
    }
}
