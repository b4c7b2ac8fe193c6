//! What the new application can do, what it is told, and that Terraform is content.

use entradb_emulator::Method;
use tokio_postgres::Client;

use crate::demo::application::{claim, exchange, login, resource_manager};
use crate::demo::console::{Console, Context, Failure, Result, number};
use crate::demo::database::{DATABASE, OLD_USER, count};
use crate::demo::stage::Stage;

const NAMESPACE: &str = "openmetadata";
const SERVICE_ACCOUNT: &str = "openmetadata-sa";

/// What the first start of a new OpenMetadata version would run.
const MIGRATION: [&str; 5] = [
    "alter table user_entity add column last_login timestamptz",
    "create index user_last_login on user_entity (last_login)",
    "create table data_product_entity (id varchar(36) primary key, json jsonb not null, owner_id varchar(36) references user_entity (id))",
    "create or replace function milliseconds_now() returns bigint language sql as 'select (extract(epoch from now()) * 1000)::bigint'",
    "refresh materialized view team_sizes",
];

impl Stage {
    /// Logs in as the pod does: its own token for Entra's, Entra's for a session.
    pub(crate) async fn application(&self) -> Result<Client> {
        let client_id = self.attribute("entradb_managed_identity.app", "client_id").await?;
        let name = self.attribute("entradb_postgresql_user.app", "name").await?;
        let pod = self.emulator.service_account_token(NAMESPACE, SERVICE_ACCOUNT);
        let token = exchange(&self.emulator, &client_id, &pod).await?.map_err(Failure)?;
        login(&self.emulator, &name, &token, DATABASE).await
    }

    /// The application without a password: reads, writes, migrates.
    pub(crate) async fn log_in(&self, console: &mut Console) -> Result<()> {
        console.step("OpenMetadata logs in without a password");
        let pod = self.emulator.service_account_token(NAMESPACE, SERVICE_ACCOUNT);
        console.say("The pod's token, as the kubelet projects it:");
        for name in ["iss", "sub", "aud"] {
            console.quote(&format!("{name}  {}", claim(&pod, name)?));
        }
        let client_id = self.attribute("entradb_managed_identity.app", "client_id").await?;
        let stranger = self.emulator.service_account_token(NAMESPACE, "default");
        let Err(refusal) = exchange(&self.emulator, &client_id, &stranger).await? else {
            return Err(Failure(
                "Entra took the token of a service account that was never federated.".to_owned(),
            ));
        };
        console.held("Entra refuses the token of another service account");
        console.quote(refusal.split(". ").next().unwrap_or(&refusal));

        let application = self.application().await?;
        let row = application
            .query_one("select session_user::text", &[])
            .await
            .context("the session")?;
        let session: String = row.get(0);
        let expected = self.attribute("entradb_postgresql_user.app", "name").await?;
        let claim = format!("Entra takes this one; the database lets its token in, as `{session}`");
        console.prove(session == expected, &claim, || {
            format!("It should have been `{expected}`.")
        })?;

        let tables = count(&application, "select count(*) from table_entity").await?;
        let claim = format!("it reads: {} tables catalogued", number(tables));
        console.prove(tables == 5000, &claim, || "There should be 5,000.".to_owned())?;
        let written = "insert into user_entity (json, team_id)
            select jsonb_build_object('id', 'new', 'name', 'ada', 'email', 'ada@example.com'), min(id) from team_entity";
        let written = application.execute(written, &[]).await.context("a row is written")?;
        console.prove(
            written == 1,
            "it writes: a row, through a trigger and a foreign key",
            || written.to_string(),
        )?;
        for statement in MIGRATION {
            application
                .batch_execute(statement)
                .await
                .context(format!("the migration `{statement}`"))?;
        }
        console.held("it migrates: ALTER TABLE, CREATE INDEX, CREATE TABLE, CREATE OR REPLACE FUNCTION, REFRESH");

        let old = login(&self.emulator, OLD_USER, &self.password, DATABASE).await?;
        old.batch_execute(
            "insert into data_product_entity values ('1', '{}', 'new'); alter table data_product_entity add note text",
        )
        .await
        .context("the old user uses the new table")?;
        console.held(&format!(
            "{OLD_USER} can still use and alter everything, also the new table: a rollback is possible"
        ));
        Ok(())
    }

    /// What OpenMetadata's chart is given.
    pub(crate) async fn print_helm_values(&self, console: &mut Console) -> Result<()> {
        console.step("The values for OpenMetadata's Helm chart");
        let values = self.terraform.run(console, &["output", "-raw", "helm_values"]).await?;
        console.quote(&values);
        let identity = self.attribute("entradb_managed_identity.app", "id").await?;
        let (_, body) = resource_manager(&self.emulator, Method::GET, &identity, None).await?;
        let client_id = body["properties"]["clientId"]
            .as_str()
            .context("Azure tells no client ID")?;
        let named = values.contains(client_id) && values.contains(&self.emulator.postgresql().fqdn);
        let claim = format!("they name the server, and the identity's client ID as Azure tells it ({client_id})");
        console.prove(named, &claim, || "They do not.".to_owned())
    }

    /// Nothing is left to do.
    pub(crate) async fn plan_again(&self, console: &mut Console) -> Result<()> {
        console.step("A second plan");
        self.no_changes(console, "the plan is empty, after everything that both users have done")
            .await
    }

    pub(crate) async fn no_changes(&self, console: &mut Console, claim: &str) -> Result<()> {
        let (changes, plan) = self.terraform.plan(console, &[]).await?;
        console.prove(!changes, claim, || plan)
    }
}
