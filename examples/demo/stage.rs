//! What the demo plays on: the emulated Azure, the database, Terraform. It knows the order of the acts, not the acts.

use std::path::Path;
use std::sync::Arc;

use entradb_emulator::{Emulator, Options};
use tokio_postgres::Client;

use crate::demo::console::{Console, Context, Result};
use crate::demo::database::{self, DATABASE, OLD_USER, Owners};
use crate::demo::old_application::OldApplication;
use crate::demo::terraform::Terraform;
use crate::demo::workspace::{Program, Workspace, provider_binary};

/// Everything that the acts need.
pub(crate) struct Stage {
    pub(crate) emulator: Arc<Emulator>,
    pub(crate) terraform: Terraform,
    pub(crate) workspace: Workspace,
    /// The platform's superuser, past Entra and past the provider.
    pub(crate) eyes: Client,
    /// The old user's password.
    pub(crate) password: String,
    /// Who owned what at the beginning.
    pub(crate) before: Owners,
}

impl Stage {
    /// Starts Azure, and leaves the database there as a deployment with a password does.
    pub(crate) async fn set(console: &mut Console) -> Result<Stage> {
        console.title("A running OpenMetadata database moves from a password to Microsoft Entra");
        console.say(
            "Real: terraform, this provider, PostgreSQL. Emulated: Entra, Azure Resource Manager, the AKS cluster.",
        );
        let program = Program::find()?;
        let binary = provider_binary(console).await?;

        console.step("Azure starts, on this machine");
        let emulator = Arc::new(
            Emulator::start(Options::default())
                .await
                .context("the emulator does not start")?,
        );
        let server = emulator.postgresql();
        console.say(&format!("PostgreSQL {} as {}", server.version, server.fqdn));
        console.say(&format!("AKS cluster with the issuer {}", emulator.cluster_issuer()));

        console.step("A deployment with a password fills the database");
        let password = database::deploy(&emulator).await?;
        let eyes = emulator.superuser(DATABASE).await;
        let before = database::owners(&eyes).await?;
        console.table(&["kind", "objects", "owner"], &summary(&before));

        let workspace = Workspace::create()?;
        let terraform = Terraform::new(&program, &workspace, &emulator);
        workspace.write_variables(&emulator)?;
        let address = address(&terraform).await?;
        workspace.write_mirror(&address, &binary)?;
        Ok(Stage {
            emulator,
            terraform,
            workspace,
            eyes,
            password,
            before,
        })
    }

    /// The acts, in order.
    pub(crate) async fn perform(&self, console: &mut Console, keep: bool) -> Result<()> {
        let old = OldApplication::start(self.emulator.clone(), self.password.clone());
        console.say(&format!(
            "From here on an application writes as {OLD_USER}, as it always has."
        ));
        self.prepare(console).await?;
        self.move_ownership(console).await?;
        self.notice_nothing(console, old).await?;
        self.log_in(console).await?;
        self.print_helm_values(console).await?;
        self.plan_again(console).await?;
        self.drift(console).await?;
        if !keep {
            self.destroy(console).await?;
        }
        Ok(())
    }

    /// A value of the state, of the resource with this address.
    pub(crate) async fn attribute(&self, address: &str, name: &str) -> Result<String> {
        let state = self.terraform.json(&["show", "-json"]).await?;
        let resources = state["values"]["root_module"]["resources"].as_array();
        let found = resources
            .into_iter()
            .flatten()
            .find(|resource| resource["address"] == address);
        let value = found.and_then(|resource| resource["values"][name].as_str());
        Ok(value
            .context(format!("the state has no `{name}` of `{address}`"))?
            .to_owned())
    }

    /// Where a person finds out more after a failure.
    pub(crate) fn point_at_logs(&self, console: &Console, keep: bool) {
        let place = if keep {
            Some(self.workspace.logs())
        } else {
            self.workspace.keep_logs()
        };
        if let Some(place) = place {
            console.say(&format!(
                "\nTerraform's output and the provider's log are in {}",
                place.display()
            ));
        }
    }

    /// How to look around in what was left up.
    pub(crate) fn describe(&self, console: &Console) -> Result<()> {
        let lines: String = self
            .terraform
            .environment()
            .iter()
            // A person has a home and a path already, and wants to be asked.
            .filter(|(name, _)| !["PATH", "HOME", "TF_INPUT", "TF_IN_AUTOMATION"].contains(&name.as_str()))
            .map(|(name, value)| format!("export {name}='{value}'\n"))
            .collect();
        self.workspace.write("environment.sh", &lines)?;
        let (folder, server) = (&self.workspace.folder, self.emulator.postgresql());
        console.say(&format!(
            "\nEverything is up until Ctrl-C, and gone then. To look around:\n\n  \
             cd {} && . {}\n  terraform plan\n  psql -h {} -U azuresu {DATABASE}    # the platform's superuser\n",
            self.workspace.configuration().display(),
            Path::new(folder).join("environment.sh").display(),
            server.unix_socket_dir.display(),
        ));
        Ok(())
    }
}

/// The provider's whole address, with the registry that this program takes for granted: the mirror is laid out by it.
async fn address(terraform: &Terraform) -> Result<String> {
    let listed = terraform.run_quietly(&["providers"]).await?;
    let address = listed.split("provider[").nth(1).and_then(|rest| rest.split(']').next());
    Ok(address
        .context(format!("`terraform providers` names no provider:\n{listed}"))?
        .to_owned())
}

fn summary(owners: &Owners) -> Vec<Vec<String>> {
    let rows = database::by_kind(owners, owners).into_iter();
    rows.map(|mut row| {
        row.pop();
        row
    })
    .collect()
}
