//! The kinds of resources that identities are assigned to: versions, spellings, and what each looks like when new.
//! It does not know how they change.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::arm::operations::Place;

/// How a kind begins a change and how it refuses one that overlaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// 200 at once, `Azure-AsyncOperation`, entity tags.
    Compute,
    /// 200 when it is done; 202 with `Location` when it takes time.
    Web,
    /// 202 with `Location` only.
    App,
    /// PUT of the whole: 200 at once, `Azure-AsyncOperation`, entity tags.
    Cluster,
}

/// One resource type.
#[derive(Debug)]
pub(crate) struct Kind {
    /// `Microsoft.Compute/virtualMachines`.
    pub(crate) name: &'static str,
    pub(crate) versions: &'static [&'static str],
    pub(crate) style: Style,
    /// The types that `identity.type` may have, in this kind's spelling.
    pub(crate) types: &'static [&'static str],
    /// What a PATCH may carry.
    pub(crate) patch: &'static [&'static str],
}

impl Kind {
    /// Where its operations are polled.
    pub(crate) fn place(&self) -> Place {
        let place = |namespace, poll, result, signed| Place {
            namespace,
            in_group: false,
            poll,
            result,
            signed,
            dated: self.style == Style::Compute,
        };
        match self.style {
            Style::Compute => place("Microsoft.Compute", "operations", "operationResults", true),
            Style::Cluster => place("Microsoft.ContainerService", "operations", "operationResults", true),
            Style::Web => place("Microsoft.Web", "azureAsyncOperation", "operationResults", false),
            Style::App => {
                let (poll, result) = match self.name {
                    "Microsoft.App/jobs" => ("containerappJobAzureAsyncOperation", "containerappJobOperationResults"),
                    _ => ("containerappAzureAsyncOperation", "containerappOperationResults"),
                };
                place("Microsoft.App", poll, result, true)
            }
        }
    }
}

const WITH_SPACE: &[&str] = &["SystemAssigned", "UserAssigned", "SystemAssigned, UserAssigned", "None"];
const WITHOUT_SPACE: &[&str] = &["None", "SystemAssigned", "UserAssigned", "SystemAssigned,UserAssigned"];
const COMPUTE: &[&str] = &["2024-07-01", "2026-04-01"];
const APP: &[&str] = &["2024-03-01", "2026-07-01"];

pub(crate) static MACHINE: Kind = Kind {
    name: "Microsoft.Compute/virtualMachines",
    versions: COMPUTE,
    style: Style::Compute,
    types: WITH_SPACE,
    patch: &["identity", "tags"],
};

pub(crate) static SCALE_SET: Kind = Kind {
    name: "Microsoft.Compute/virtualMachineScaleSets",
    versions: COMPUTE,
    style: Style::Compute,
    types: WITH_SPACE,
    patch: &["identity", "tags"],
};

pub(crate) static SITE: Kind = Kind {
    name: "Microsoft.Web/sites",
    versions: &["2024-04-01", "2025-05-01"],
    style: Style::Web,
    types: WITH_SPACE,
    patch: &["identity"],
};

pub(crate) static SLOT: Kind = Kind {
    name: "Microsoft.Web/sites/slots",
    versions: &["2024-04-01", "2025-05-01"],
    style: Style::Web,
    types: WITH_SPACE,
    patch: &["identity"],
};

pub(crate) static CONTAINER_APP: Kind = Kind {
    name: "Microsoft.App/containerApps",
    versions: APP,
    style: Style::App,
    types: WITHOUT_SPACE,
    patch: &["identity", "tags", "location"],
};

pub(crate) static JOB: Kind = Kind {
    name: "Microsoft.App/jobs",
    versions: APP,
    style: Style::App,
    types: WITHOUT_SPACE,
    patch: &["identity", "tags"],
};

pub(crate) static CLUSTER: Kind = Kind {
    name: "Microsoft.ContainerService/managedClusters",
    versions: &["2024-09-01", "2026-08-01"],
    style: Style::Cluster,
    types: &["SystemAssigned", "UserAssigned", "None"],
    patch: &["tags"],
};

/// The kind of a path below `providers`, in lower case.
pub(crate) fn of_path(namespace: &str, rest: &[&str]) -> Option<&'static Kind> {
    match (namespace, rest) {
        ("microsoft.compute", ["virtualmachines", _]) => Some(&MACHINE),
        ("microsoft.compute", ["virtualmachinescalesets", _]) => Some(&SCALE_SET),
        ("microsoft.web", ["sites", _]) => Some(&SITE),
        ("microsoft.web", ["sites", _, "slots", _]) => Some(&SLOT),
        ("microsoft.app", ["containerapps", _]) => Some(&CONTAINER_APP),
        ("microsoft.app", ["jobs", _]) => Some(&JOB),
        ("microsoft.containerservice", ["managedclusters", _]) => Some(&CLUSTER),
        _ => None,
    }
}

/// What stands in a new resource beside ID, name, type, location, tags and identity.
pub(crate) fn body(kind: &Kind, name: &str, group: &str) -> Value {
    match kind.name {
        "Microsoft.Compute/virtualMachines" => machine(name, group),
        "Microsoft.Compute/virtualMachineScaleSets" => scale_set(name),
        "Microsoft.Web/sites" | "Microsoft.Web/sites/slots" => site(name, group),
        "Microsoft.App/containerApps" => container_app(name, group),
        "Microsoft.App/jobs" => job(name, group),
        _ => cluster(name),
    }
}

fn machine(name: &str, group: &str) -> Value {
    json!({"properties": {
        "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
        "provisioningState": "Succeeded", "vmId": Uuid::new_v4().to_string(),
        "storageProfile": {
            "imageReference": {
                "publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest",
            },
            "osDisk": {
                "osType": "Linux", "name": format!("{name}_OsDisk_1"), "createOption": "FromImage", "caching": "ReadWrite",
                "managedDisk": {
                    "storageAccountType": "Premium_LRS", "id": format!("{group}/Microsoft.Compute/disks/{name}_OsDisk_1"),
                },
                "deleteOption": "Detach", "diskSizeGB": 30,
            },
            "dataDisks": [],
        },
        "osProfile": {
            "computerName": name, "adminUsername": "operator",
            "linuxConfiguration": {"disablePasswordAuthentication": true, "provisionVMAgent": true},
            "secrets": [], "allowExtensionOperations": true, "requireGuestProvisionSignal": true,
        },
        "networkProfile": {"networkInterfaces": [
            {"id": format!("{group}/Microsoft.Network/networkInterfaces/{name}-nic")}
        ]},
        "timeCreated": "2026-01-01T00:00:00.0000000+00:00",
    }})
}

fn scale_set(name: &str) -> Value {
    json!({
        "sku": {"name": "Standard_D2s_v5", "tier": "Standard", "capacity": 1},
        "properties": {
            "singlePlacementGroup": true, "orchestrationMode": "Uniform", "upgradePolicy": {"mode": "Manual"},
            "virtualMachineProfile": {
                "osProfile": {"computerNamePrefix": name, "adminUsername": "operator", "secrets": []},
                "storageProfile": {
                    "imageReference": {
                        "publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest",
                    },
                    "osDisk": {
                        "osType": "Linux", "createOption": "FromImage", "caching": "ReadWrite",
                        "managedDisk": {"storageAccountType": "Premium_LRS"}, "diskSizeGB": 30,
                    },
                },
                "timeCreated": "2026-01-01T00:00:00.0000000+00:00",
            },
            "provisioningState": "Succeeded", "overprovision": true, "uniqueId": Uuid::new_v4().to_string(),
            "timeCreated": "2026-01-01T00:00:00.0000000+00:00",
        },
    })
}

fn site(name: &str, group: &str) -> Value {
    let function = name.starts_with("func");
    json!({
        "kind": if function { "functionapp,linux" } else { "app,linux" },
        "properties": {
            "state": "Running", "hostNames": [format!("{name}.azurewebsites.net")], "enabled": true,
            "defaultHostName": format!("{name}.azurewebsites.net"), "httpsOnly": true, "reserved": true,
            "serverFarmId": format!("{group}/Microsoft.Web/serverfarms/plan-data"),
            "keyVaultReferenceIdentity": "SystemAssigned",
        },
    })
}

fn environment(group: &str) -> String {
    format!("{group}/Microsoft.App/managedEnvironments/cae-data")
}

fn container_app(name: &str, group: &str) -> Value {
    json!({"properties": {
        "provisioningState": "Succeeded",
        "managedEnvironmentId": environment(group), "environmentId": environment(group),
        "workloadProfileName": "Consumption", "latestRevisionName": format!("{name}--1"),
        "latestReadyRevisionName": format!("{name}--1"),
        "configuration": {"activeRevisionsMode": "Single"},
        "template": {"containers": [{
            "image": "example.invalid/app:1", "name": name, "resources": {"cpu": 0.5, "memory": "1Gi"},
        }]},
        "outboundIpAddresses": ["192.0.2.10"],
    }})
}

fn job(name: &str, group: &str) -> Value {
    json!({"properties": {
        "provisioningState": "Succeeded", "environmentId": environment(group), "workloadProfileName": "Consumption",
        "configuration": {"triggerType": "Manual", "replicaTimeout": 1800, "replicaRetryLimit": 0,
            "manualTriggerConfig": {"parallelism": 1, "replicaCompletionCount": 1}},
        "template": {"containers": [{
            "image": "example.invalid/job:1", "name": name, "resources": {"cpu": 0.5, "memory": "1Gi"},
        }]},
    }})
}

fn cluster(name: &str) -> Value {
    json!({
        "sku": {"name": "Base", "tier": "Free"},
        "properties": {
            "provisioningState": "Succeeded", "powerState": {"code": "Running"}, "kubernetesVersion": "1.30",
            "currentKubernetesVersion": "1.30.6", "dnsPrefix": name, "fqdn": format!("{name}-1a2b3c4d.hcp.westeurope.azmk8s.io"),
            "agentPoolProfiles": [{
                "name": "system", "count": 1, "vmSize": "Standard_D2s_v5", "mode": "System", "osType": "Linux",
                "type": "VirtualMachineScaleSets", "provisioningState": "Succeeded",
            }],
            "nodeResourceGroup": format!("MC_{name}"), "enableRBAC": true,
            "networkProfile": {"networkPlugin": "azure", "loadBalancerSku": "standard"},
            "oidcIssuerProfile": {"enabled": false},
            "securityProfile": {"workloadIdentity": {"enabled": true}},
            "resourceUID": Uuid::new_v4().simple().to_string(),
        },
    })
}
