//! The move itself, in the two steps that a team with a running application would take.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::demo::console::{Console, Context, Failure, Result};
use crate::demo::database::{self, OLD_USER, can_move};
use crate::demo::old_application::OldApplication;
use crate::demo::stage::Stage;

/// How many of the objects that would move are named.
const NAMED: usize = 6;

impl Stage {
    /// Everything but the ownership, which the running application cannot notice; then what the ownership would be.
    pub(crate) async fn prepare(&self, console: &mut Console) -> Result<()> {
        console.step("Terraform makes everything ready: identity, trust, administrator, user, access");
        self.terraform.run(console, &["init"]).await?;
        let later = ["-out=ready.tfplan", "-var=move_ownership=false"];
        self.terraform.plan(console, &later).await?;
        self.terraform.run(console, &["apply", "ready.tfplan"]).await?;

        let identity = self.attribute("entradb_postgresql_user.app", "name").await?;
        let bound = "select count(*) from pg_shseclabel l join pg_roles r on r.oid = l.objoid
                     where r.rolname = $1 and l.provider = 'pgaadauth' and l.label like 'aadauth,oid=%'";
        let row = self.eyes.query_one(bound, &[&identity]).await.context("the labels")?;
        let claim = format!("`{identity}` is in the database, bound to the managed identity");
        console.prove(row.get::<_, i64>(0) == 1, &claim, || {
            "There is no such role or label.".to_owned()
        })?;

        let now = database::owners(&self.eyes).await?;
        let claim = format!("every object still belongs to {OLD_USER}");
        console.prove(now == self.before, &claim, || {
            format!("{:#?}", database::by_kind(&self.before, &now))
        })?;

        let movable = self.before.keys().filter(|(kind, _)| can_move(kind)).count();
        let listed = self.terraform.json(&["output", "-json", "what_would_move"]).await?;
        let listed: Vec<&str> = listed
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|item| item.as_str())
            .collect();
        let claim = format!("the output `what_would_move` names all {movable} objects that the next step moves");
        console.prove(listed.len() == movable, &claim, || {
            let own: Vec<String> = self
                .before
                .keys()
                .map(|(kind, name)| format!("{kind} {name}"))
                .collect();
            format!(
                "It names {}:\n{}\nOwned are:\n{}",
                listed.len(),
                listed.join("\n"),
                own.join("\n")
            )
        })?;
        console.quote(&listed[..listed.len().min(NAMED)].join("\n"));
        console.quote(&format!("… and {} more", listed.len().saturating_sub(NAMED)));
        Ok(())
    }

    /// The ownership: the step that others call irreversible.
    pub(crate) async fn move_ownership(&self, console: &mut Console) -> Result<()> {
        console.step("Terraform moves the ownership, while the application writes");
        self.terraform.plan(console, &["-out=ownership.tfplan"]).await?;
        self.terraform.run(console, &["apply", "ownership.tfplan"]).await?;
        let identity = self.attribute("entradb_postgresql_user.app", "name").await?;
        let now = database::owners(&self.eyes).await?;
        console.table(
            &["kind", "objects", "owner before", "owner now"],
            &database::by_kind(&self.before, &now),
        );
        let left: Vec<String> = now
            .iter()
            .filter(|((kind, _), owner)| can_move(kind) && **owner != identity)
            .map(|((kind, name), owner)| format!("{kind} {name} belongs to {owner}"))
            .collect();
        let claim = format!("everything that PostgreSQL can give away belongs to `{identity}`");
        console.prove(left.is_empty() && now.len() == self.before.len(), &claim, || {
            left.join("\n")
        })
    }

    /// The application that logs in with the password has worked all the while.
    pub(crate) async fn notice_nothing(&self, console: &mut Console, old: OldApplication) -> Result<()> {
        let report = old.stop().await?;
        let claim = format!("{OLD_USER} kept working, with its password: {report}");
        console.prove(report.is_telling(), &claim, || {
            "It did too little to prove anything.".to_owned()
        })?;
        let state = self.readable_state()?;
        // Header and payload of a token are both JSON in base64, with a point between: nothing else looks like that.
        let token = ".eyJ";
        let issued = self.emulator.database_token(&self.emulator.runner().object_id);
        if !issued.contains(token) {
            return Err(Failure(
                "Tokens do not look as this check expects, so it would prove nothing.".to_owned(),
            ));
        }
        let secrets = [
            self.emulator.runner().client_secret.as_str(),
            self.password.as_str(),
            token,
        ];
        let clean = secrets.iter().all(|secret| !state.contains(secret));
        let claim = "the state holds no password and no token, also not in what the provider keeps privately";
        console.prove(clean, claim, || "A secret was found in terraform.tfstate.".to_owned())
    }
    /// The state, and after it what the provider keeps there for itself, decoded.
    fn readable_state(&self) -> Result<String> {
        let path = self.workspace.configuration().join("terraform.tfstate");
        let mut text = std::fs::read_to_string(path).context("the state")?;
        let state: Value = serde_json::from_str(&text).context("the state")?;
        let resources = state["resources"].as_array().into_iter().flatten();
        let instances = resources.flat_map(|resource| resource["instances"].as_array().into_iter().flatten());
        for private in instances.filter_map(|instance| instance["private"].as_str()) {
            let bytes = BASE64_STANDARD.decode(private).context("a private state")?;
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
        Ok(text)
    }
}
