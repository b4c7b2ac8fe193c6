//! What happens later: somebody changes things by hand, and one day it is all taken back.

use entradb_emulator::Method;
use serde_json::json;

use crate::demo::application::{login, resource_manager};
use crate::demo::console::{Console, Context, Failure, Result};
use crate::demo::database::{self, DATABASE, OLD_USER};
use crate::demo::old_application::OldApplication;
use crate::demo::stage::Stage;
use crate::demo::terraform::changes;
use crate::demo::workspace::LOCATION;

impl Stage {
    /// Three things done by hand; a plan names each, and an apply puts them right.
    pub(crate) async fn drift(&self, console: &mut Console) -> Result<()> {
        console.step("Somebody changes things by hand");
        let name = self.attribute("entradb_postgresql_user.app", "name").await?;
        let old = login(&self.emulator, OLD_USER, &self.password, DATABASE).await?;
        let table = "create table legacy_report (id bigint generated always as identity primary key, body text)";
        old.batch_execute(table).await.context("a table by hand")?;
        console.say(&format!("{OLD_USER} makes a table `legacy_report`"));
        let revoke = format!("revoke create on database {DATABASE} from {name}");
        self.eyes
            .batch_execute(&revoke)
            .await
            .context("a privilege taken by hand")?;
        console.say(&format!("an administrator takes CREATE on {DATABASE} from `{name}`"));
        let principal = self.make_identity_anew().await?;
        console.say("somebody deletes the managed identity, and re-creates it under the same name");
        let token = self.emulator.database_token(&principal);
        let Err(Failure(refusal)) = login(&self.emulator, &name, &token, DATABASE).await else {
            return Err(Failure(
                "The database lets the new identity in without having been told of it.".to_owned(),
            ));
        };
        let expected = refusal.contains("oid mismatch") && refusal.contains(&principal);
        let claim = "OpenMetadata is locked out: the same name, another identity";
        console.prove(expected, claim, || {
            format!("It is refused for another reason: {refusal}")
        })?;
        console.quote(&refusal);

        let (_, plan) = self.terraform.plan(console, &["-out=repair.tfplan"]).await?;
        let shown = changes(&plan);
        console.quote(&shown);
        for (needle, claim) in [
            (
                format!("- \"table public.legacy_report (owner {OLD_USER})\""),
                "the plan names the table that waits for its new owner",
            ),
            (
                format!("- \"database {DATABASE} lacks CREATE\""),
                "it names the privilege that is missing",
            ),
            (
                format!("-> \"{principal}\""),
                "it binds the user to the identity that there is now",
            ),
            (
                "# entradb_federated_credential.app will be created".to_owned(),
                "it gives the cluster its trust again",
            ),
        ] {
            console.prove(shown.contains(&needle), claim, || {
                format!("`{needle}` is not in the plan:\n{plan}")
            })?;
        }
        self.terraform.run(console, &["apply", "repair.tfplan"]).await?;
        self.application().await?;
        console.held("after the apply OpenMetadata logs in again");
        self.no_changes(console, "and the plan is empty again").await
    }

    /// Deletes the managed identity and makes it again under its name, past Terraform; gives the new object ID.
    async fn make_identity_anew(&self) -> Result<String> {
        let id = self.attribute("entradb_managed_identity.app", "id").await?;
        let (deleted, _) = resource_manager(&self.emulator, Method::DELETE, &id, None).await?;
        let body = json!({"location": LOCATION});
        let (made, answer) = resource_manager(&self.emulator, Method::PUT, &id, Some(body)).await?;
        match answer["properties"]["principalId"].as_str() {
            Some(principal) if deleted < 300 && made < 300 => Ok(principal.to_owned()),
            _ => Err(Failure(format!(
                "The identity could not be re-created: {deleted}, {made}, {answer}."
            ))),
        }
    }

    /// Everything is taken back, and the old user has what it had.
    pub(crate) async fn destroy(&self, console: &mut Console) -> Result<()> {
        console.step("Terraform destroys it all, and the ownership goes back");
        let name = self.attribute("entradb_postgresql_user.app", "name").await?;
        let identity = self.attribute("entradb_managed_identity.app", "id").await?;
        let moved = database::owners(&self.eyes).await?;
        let old = OldApplication::start(self.emulator.clone(), self.password.clone());
        self.terraform.run(console, &["destroy", "-auto-approve"]).await?;
        let report = old.stop().await?;
        let now = database::owners(&self.eyes).await?;
        console.table(
            &["kind", "objects", "owner until now", "owner now"],
            &database::by_kind(&moved, &now),
        );
        let astray: Vec<String> = now
            .iter()
            .filter(|(object, owner)| self.before.get(object).map_or(OLD_USER, String::as_str) != owner.as_str())
            .map(|((kind, name), owner)| format!("{kind} {name} belongs to {owner}"))
            .collect();
        let claim = "every object belongs to whom it belonged, and what was made since to the old user";
        console.prove(astray.is_empty() && now.len() == moved.len(), claim, || {
            astray.join("\n")
        })?;

        let role = "select count(*) from pg_roles where rolname = $1";
        let row = self.eyes.query_one(role, &[&name]).await.context("the roles")?;
        let claim = format!("`{name}` is no longer in the database");
        console.prove(row.get::<_, i64>(0) == 0, &claim, || {
            "The role is still there.".to_owned()
        })?;
        let (status, _) = resource_manager(&self.emulator, Method::GET, &identity, None).await?;
        console.prove(status == 404, "the managed identity is gone", || {
            format!("Azure answers {status}.")
        })?;
        let old = login(&self.emulator, OLD_USER, &self.password, DATABASE).await?;
        old.batch_execute("insert into change_event (kind, json) values ('end', '{}'); alter table user_entity drop column last_login")
            .await
            .context("the old user works on")?;
        let claim =
            format!("{OLD_USER} worked all the while and works on, with its password and its own tables: {report}");
        console.prove(report.is_telling(), &claim, || {
            "It did too little to prove anything.".to_owned()
        })
    }
}
