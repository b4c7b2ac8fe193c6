//! The emulator's answers against the shapes of the official specifications. Every answer of every test is checked on
//! its way out; here each operation that is only read is asked for once, and nothing may be out of shape.

use entradb_emulator::{Emulator, Options};

use crate::client::Arm;

#[tokio::test]
async fn whatever_can_be_read_has_its_specified_shape() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let arm = Arm::new(&emulator);
    let group = arm.group();
    let subscription = group.split("/resourceGroups").next().unwrap().to_owned();
    arm.make_identity("shape").await;
    let servers = [
        (&emulator.postgresql().id, "2024-08-01"),
        (&emulator.postgresql().id, "2025-08-01"),
        (&emulator.postgresql_replica().id, "2025-08-01"),
        (&emulator.mysql().id, "2023-12-30"),
        (&emulator.mysql_replica().id, "2024-12-30"),
        (&emulator.sql_server().id, "2021-11-01"),
        (&emulator.managed_instance().id, "2025-01-01"),
    ];
    let identity = arm.identity("shape");
    let mut asked = vec![
        format!("{group}?api-version=2022-09-01"),
        format!("{identity}?api-version=2024-11-30"),
        format!("{identity}/federatedIdentityCredentials?api-version=2023-01-31"),
        format!("{subscription}/providers/Microsoft.ManagedIdentity/userAssignedIdentities?api-version=2023-01-31"),
    ];
    for (id, version) in servers {
        emulator.set_administrator(id, "dba", emulator.tenant_id(), "Group");
        emulator.attach_server_identity(id, &identity);
        let kind = id.split("/providers/").nth(1).unwrap().rsplit_once('/').unwrap().0;
        asked.push(format!("{id}?api-version={version}"));
        asked.push(format!("{group}/providers/{kind}?api-version={version}"));
        asked.push(format!("{subscription}/providers/{kind}?api-version={version}"));
        asked.push(format!("{id}/administrators?api-version={version}"));
    }
    let children = [
        (&emulator.postgresql().id, "databases", "2024-08-01"),
        (&emulator.mysql().id, "administrators/ActiveDirectory", "2023-12-30"),
        (&emulator.mysql().id, "replicas", "2023-12-30"),
        (&emulator.mysql().id, "configurations", "2023-12-30"),
        (&emulator.mysql().id, "configurations/aad_auth_only", "2023-12-30"),
        (
            &emulator.sql_server().id,
            "administrators/ActiveDirectory",
            "2021-11-01",
        ),
        (&emulator.sql_server().id, "azureADOnlyAuthentications", "2021-11-01"),
        (
            &emulator.sql_server().id,
            "azureADOnlyAuthentications/Default",
            "2021-11-01",
        ),
        (&emulator.sql_server().id, "databases", "2021-11-01"),
        (&emulator.sql_server().id, "connectionPolicies", "2021-11-01"),
        (&emulator.sql_server().id, "connectionPolicies/default", "2021-11-01"),
        (
            &emulator.managed_instance().id,
            "administrators/ActiveDirectory",
            "2021-11-01",
        ),
        (
            &emulator.managed_instance().id,
            "azureADOnlyAuthentications",
            "2021-11-01",
        ),
        (&emulator.managed_instance().id, "databases", "2021-11-01"),
    ];
    asked.extend(
        children
            .iter()
            .map(|(id, child, version)| format!("{id}/{child}?api-version={version}")),
    );
    let expanded = "api-version=2021-11-01&$expand=administrators/activedirectory";
    asked.push(format!("{}?{expanded}", emulator.sql_server().id));
    asked.push(format!("{}?{expanded}", emulator.managed_instance().id));
    asked.extend(targets(&emulator));
    for path in &asked {
        let answer = arm.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    assert_eq!(emulator.shape_violations(), Vec::<String>::new());
}

/// What identities are assigned to, with one attached, and their own identities.
fn targets(emulator: &Emulator) -> Vec<String> {
    let all = emulator.targets();
    let identity = Arm::new(emulator).identity("shape");
    let versions = [
        (&all.virtual_machine, ["2024-07-01", "2026-04-01"]),
        (&all.scale_set, ["2024-07-01", "2026-04-01"]),
        (&all.web_app, ["2024-04-01", "2025-05-01"]),
        (&all.web_app_slot, ["2024-04-01", "2025-05-01"]),
        (&all.function_app, ["2024-04-01", "2025-05-01"]),
        (&all.container_app, ["2024-03-01", "2026-07-01"]),
        (&all.container_app_job, ["2024-03-01", "2026-07-01"]),
        (&all.cluster, ["2024-09-01", "2026-08-01"]),
    ];
    let own = "providers/Microsoft.ManagedIdentity/identities/default?api-version=2023-01-31";
    let plain = versions
        .into_iter()
        .flat_map(|(id, versions)| versions.map(|version| format!("{id}?api-version={version}")));
    for (id, _) in versions {
        emulator.attach_identity(id, &identity);
    }
    let with_own = [&all.web_app, &all.cluster].map(|id| format!("{id}/{own}"));
    plain.chain(with_own).collect()
}
