//! The three clouds: what each calls itself, its services and its host names. It does not know the emulator's addresses.

/// Which cloud is emulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cloud {
    /// `AzureCloud`.
    #[default]
    Public,
    /// `AzureUSGovernment`.
    UsGovernment,
    /// `AzureChinaCloud`.
    China,
}

/// What a cloud's documents say.
pub(crate) struct Facts {
    pub(crate) name: &'static str,
    pub(crate) portal: &'static str,
    pub(crate) authority: &'static str,
    pub(crate) resource_manager: &'static str,
    /// Audiences of management tokens, both with a slash at the end.
    pub(crate) audiences: [&'static str; 2],
    pub(crate) graph: &'static str,
    /// The older directory API.
    pub(crate) directory: &'static str,
    pub(crate) issuer: &'static str,
    pub(crate) database: &'static str,
    /// Without the slash at the end.
    pub(crate) sql: &'static str,
    pub(crate) exchange: &'static str,
    pub(crate) sql_suffix: &'static str,
    pub(crate) postgresql_suffix: &'static str,
    pub(crate) mysql_suffix: &'static str,
    pub(crate) storage_suffix: &'static str,
    pub(crate) vault_suffix: &'static str,
    pub(crate) registry_suffix: &'static str,
}

static PUBLIC: Facts = Facts {
    name: "AzureCloud",
    portal: "https://portal.azure.com",
    authority: "https://login.microsoftonline.com",
    resource_manager: "https://management.azure.com",
    audiences: ["https://management.core.windows.net/", "https://management.azure.com/"],
    graph: "https://graph.microsoft.com",
    directory: "https://graph.windows.net/",
    issuer: "https://sts.windows.net",
    database: "https://ossrdbms-aad.database.windows.net",
    sql: "https://database.windows.net",
    exchange: "api://AzureADTokenExchange",
    sql_suffix: "database.windows.net",
    postgresql_suffix: "postgres.database.azure.com",
    mysql_suffix: "mysql.database.azure.com",
    storage_suffix: "core.windows.net",
    vault_suffix: "vault.azure.net",
    registry_suffix: "azurecr.io",
};

static US_GOVERNMENT: Facts = Facts {
    name: "AzureUSGovernment",
    portal: "https://portal.azure.us",
    authority: "https://login.microsoftonline.us",
    resource_manager: "https://management.usgovcloudapi.net",
    audiences: [
        "https://management.core.usgovcloudapi.net/",
        "https://management.usgovcloudapi.net/",
    ],
    graph: "https://graph.microsoft.us",
    directory: "https://graph.windows.net/",
    issuer: "https://sts.windows.net",
    database: "https://ossrdbms-aad.database.usgovcloudapi.net",
    sql: "https://database.usgovcloudapi.net",
    exchange: "api://AzureADTokenExchangeUSGov",
    sql_suffix: "database.usgovcloudapi.net",
    postgresql_suffix: "postgres.database.usgovcloudapi.net",
    mysql_suffix: "mysql.database.usgovcloudapi.net",
    storage_suffix: "core.usgovcloudapi.net",
    vault_suffix: "vault.usgovcloudapi.net",
    registry_suffix: "azurecr.us",
};

static CHINA: Facts = Facts {
    name: "AzureChinaCloud",
    portal: "https://portal.azure.cn",
    authority: "https://login.chinacloudapi.cn",
    resource_manager: "https://management.chinacloudapi.cn",
    audiences: [
        "https://management.core.chinacloudapi.cn/",
        "https://management.chinacloudapi.cn/",
    ],
    graph: "https://microsoftgraph.chinacloudapi.cn",
    directory: "https://graph.chinacloudapi.cn/",
    issuer: "https://sts.chinacloudapi.cn",
    database: "https://ossrdbms-aad.database.chinacloudapi.cn",
    sql: "https://database.chinacloudapi.cn",
    exchange: "api://AzureADTokenExchangeChina",
    sql_suffix: "database.chinacloudapi.cn",
    postgresql_suffix: "postgres.database.chinacloudapi.cn",
    mysql_suffix: "mysql.database.chinacloudapi.cn",
    storage_suffix: "core.chinacloudapi.cn",
    vault_suffix: "vault.azure.cn",
    registry_suffix: "azurecr.cn",
};

impl Cloud {
    pub(crate) const ALL: [Cloud; 3] = [Cloud::Public, Cloud::China, Cloud::UsGovernment];

    pub(crate) fn facts(self) -> &'static Facts {
        match self {
            Cloud::Public => &PUBLIC,
            Cloud::UsGovernment => &US_GOVERNMENT,
            Cloud::China => &CHINA,
        }
    }
}
