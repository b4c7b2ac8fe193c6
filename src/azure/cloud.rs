//! Endpoints, scopes and host suffixes of the Azure clouds. It does not know who signs in.

use url::Url;

use crate::azure::error::{Error, Kind};

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Azure Resource Manager.
    ResourceManager,
    /// Microsoft Graph.
    Graph,
    /// Azure Database for PostgreSQL and for MySQL.
    OpenSourceDatabases,
    /// Azure SQL Database and SQL Managed Instance.
    SqlDatabase,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 4] = [
        Scope::ResourceManager,
        Scope::Graph,
        Scope::OpenSourceDatabases,
        Scope::SqlDatabase,
    ];
}

/// Where one Azure cloud is. URLs have no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloud {
    /// `public`, `usgovernment`, `china`, or the name that a metadata host gives.
    pub name: String,
    /// Where tokens come from.
    pub authority_host: Url,
    /// Azure Resource Manager.
    pub resource_manager_endpoint: Url,
    /// The audience of its tokens.
    pub resource_manager_audience: String,
    /// Microsoft Graph.
    pub graph_endpoint: Url,
    /// The audience of tokens for PostgreSQL and MySQL.
    pub open_source_databases_audience: String,
    /// The audience of tokens for SQL Database and Managed Instance.
    pub sql_database_audience: String,
    /// `.postgres.database.azure.com`
    pub postgresql_host_suffix: String,
    /// `.mysql.database.azure.com`
    pub mysql_host_suffix: String,
    /// `.database.windows.net`
    pub sql_host_suffix: String,
    /// The audience of a federated credential: `api://AzureADTokenExchange`.
    pub federated_audience: String,
}

/// Endpoints that a person names instead of the cloud's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// `active_directory_authority_host`
    pub authority_host: Option<String>,
    /// `resource_manager_endpoint`
    pub resource_manager: Option<String>,
    /// `resource_manager_audience`
    pub resource_manager_audience: Option<String>,
    /// `microsoft_graph_endpoint`
    pub graph: Option<String>,
}

impl Cloud {
    /// Azure's public cloud.
    pub fn public() -> Cloud {
        Cloud::of(
            [
                "public",
                "login.microsoftonline.com",
                "management.azure.com",
                "graph.microsoft.com",
            ],
            ["azure.com", "windows.net"],
            "api://AzureADTokenExchange",
        )
    }

    /// Azure Government of the United States.
    pub fn us_government() -> Cloud {
        let names = [
            "usgovernment",
            "login.microsoftonline.us",
            "management.usgovcloudapi.net",
            "graph.microsoft.us",
        ];
        Cloud::of(names, ["usgovcloudapi.net"; 2], "api://AzureADTokenExchangeUSGov")
    }

    /// Azure in China, operated by 21Vianet.
    pub fn china() -> Cloud {
        let names = [
            "china",
            "login.chinacloudapi.cn",
            "management.chinacloudapi.cn",
            "microsoftgraph.chinacloudapi.cn",
        ];
        Cloud::of(names, ["chinacloudapi.cn"; 2], "api://AzureADTokenExchangeChina")
    }

    /// The cloud that azurerm calls by this name, or the Azure CLI.
    pub fn named(name: &str) -> Option<Cloud> {
        match name.to_ascii_lowercase().as_str() {
            "public" | "global" | "azurecloud" | "azurepubliccloud" => Some(Cloud::public()),
            "usgovernment" | "usgovernmentl4" | "azureusgovernment" | "azureusgovernmentcloud" => {
                Some(Cloud::us_government())
            }
            "china" | "azurechinacloud" => Some(Cloud::china()),
            _ => None,
        }
    }

    /// `names`: cloud, login, ARM, Graph; `domains`: of PostgreSQL and MySQL hosts, of SQL hosts.
    fn of(names: [&str; 4], domains: [&str; 2], federated_audience: &str) -> Cloud {
        let [name, login, manager, graph] = names;
        let [open_source, sql] = domains;
        let url = |host| Url::parse(&format!("https://{host}")).expect("a constant host is a URL");
        Cloud {
            name: name.to_owned(),
            authority_host: url(login),
            resource_manager_endpoint: url(manager),
            resource_manager_audience: format!("https://{manager}/"),
            graph_endpoint: url(graph),
            open_source_databases_audience: format!("https://ossrdbms-aad.database.{sql}"),
            sql_database_audience: format!("https://database.{sql}/"),
            postgresql_host_suffix: format!(".postgres.database.{open_source}"),
            mysql_host_suffix: format!(".mysql.database.{open_source}"),
            sql_host_suffix: format!(".database.{sql}"),
            federated_audience: federated_audience.to_owned(),
        }
    }

    /// The same cloud with other endpoints.
    pub fn with(mut self, endpoints: &Endpoints) -> Result<Cloud, Error> {
        if let Some(text) = &endpoints.authority_host {
            self.authority_host = endpoint("the authority host", text)?;
        }
        if let Some(text) = &endpoints.resource_manager {
            self.resource_manager_endpoint = endpoint("the Resource Manager endpoint", text)?;
        }
        if let Some(text) = &endpoints.resource_manager_audience {
            self.resource_manager_audience.clone_from(text);
        }
        if let Some(text) = &endpoints.graph {
            self.graph_endpoint = endpoint("the Microsoft Graph endpoint", text)?;
        }
        Ok(self)
    }

    /// The audience that a token for this scope names.
    pub fn audience(&self, scope: Scope) -> String {
        match scope {
            Scope::ResourceManager => self.resource_manager_audience.clone(),
            Scope::Graph => origin(&self.graph_endpoint),
            Scope::OpenSourceDatabases => self.open_source_databases_audience.clone(),
            Scope::SqlDatabase => self.sql_database_audience.clone(),
        }
    }

    /// What is asked of the token endpoint. An audience that ends in a slash gives two, as it should.
    pub(crate) fn scope(&self, scope: Scope) -> String {
        format!("{}/.default", self.audience(scope))
    }

    /// The base of a REST scope.
    pub(crate) fn endpoint(&self, scope: Scope) -> Option<&Url> {
        match scope {
            Scope::ResourceManager => Some(&self.resource_manager_endpoint),
            Scope::Graph => Some(&self.graph_endpoint),
            Scope::OpenSourceDatabases | Scope::SqlDatabase => None,
        }
    }
}

/// Parses an endpoint: https, a host and perhaps a port, nothing else. A bare host is taken as https.
pub(crate) fn endpoint(what: &str, text: &str) -> Result<Url, Error> {
    let wrong = |why: &str| Error::new(Kind::Configuration, format!("{what} {text:?} {why}"));
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    let url = Url::parse(&full).map_err(|error| wrong("is not a URL").with_source(error))?;
    if !is_safe(&url) {
        return Err(wrong("must begin with https://"));
    }
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must be a host, perhaps with a port, and nothing else"));
    }
    Ok(url)
}

/// Whether a token may be sent by the scheme of this URL. Unit tests speak plain HTTP to this machine.
pub(crate) fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || (cfg!(test) && url.host_str() == Some("127.0.0.1"))
}

/// Whether a URL is on the host of this endpoint, or on a host below it (regional Resource Managers).
pub(crate) fn is_on(url: &Url, endpoint: &Url) -> bool {
    let (Some(host), Some(own)) = (url.host_str(), endpoint.host_str()) else {
        return false;
    };
    let below = host
        .strip_suffix(own)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let same_door =
        url.scheme() == endpoint.scheme() && url.port_or_known_default() == endpoint.port_or_known_default();
    below && same_door && is_safe(url)
}

/// `https://host:port`, without a slash at its end.
fn origin(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that a cloud is made of, in the order of its fields; ARM's and SQL's scope have two slashes, as they should.
    fn all(cloud: &Cloud) -> Vec<String> {
        let mut all = vec![
            cloud.authority_host.to_string(),
            cloud.resource_manager_endpoint.to_string(),
        ];
        all.extend(Scope::ALL.map(|scope| cloud.scope(scope)));
        all.extend([
            cloud.postgresql_host_suffix.clone(),
            cloud.mysql_host_suffix.clone(),
            cloud.sql_host_suffix.clone(),
            cloud.federated_audience.clone(),
        ]);
        all
    }

    #[test]
    fn the_public_cloud_is_where_it_is() {
        let expected = [
            "https://login.microsoftonline.com/",
            "https://management.azure.com/",
            "https://management.azure.com//.default",
            "https://graph.microsoft.com/.default",
            "https://ossrdbms-aad.database.windows.net/.default",
            "https://database.windows.net//.default",
            ".postgres.database.azure.com",
            ".mysql.database.azure.com",
            ".database.windows.net",
            "api://AzureADTokenExchange",
        ];
        for name in ["public", "AzureCloud", "AzurePublicCloud"] {
            assert_eq!(all(&Cloud::named(name).unwrap()), expected, "{name}");
        }
        assert_eq!(Cloud::named("german"), None);
    }

    #[test]
    fn the_cloud_of_the_united_states_is_where_it_is() {
        let expected = [
            "https://login.microsoftonline.us/",
            "https://management.usgovcloudapi.net/",
            "https://management.usgovcloudapi.net//.default",
            "https://graph.microsoft.us/.default",
            "https://ossrdbms-aad.database.usgovcloudapi.net/.default",
            "https://database.usgovcloudapi.net//.default",
            ".postgres.database.usgovcloudapi.net",
            ".mysql.database.usgovcloudapi.net",
            ".database.usgovcloudapi.net",
            "api://AzureADTokenExchangeUSGov",
        ];
        for name in ["usgovernment", "AzureUSGovernment", "USGovernmentL4"] {
            assert_eq!(all(&Cloud::named(name).unwrap()), expected, "{name}");
        }
    }

    #[test]
    fn the_cloud_of_china_is_where_it_is() {
        let expected = [
            "https://login.chinacloudapi.cn/",
            "https://management.chinacloudapi.cn/",
            "https://management.chinacloudapi.cn//.default",
            "https://microsoftgraph.chinacloudapi.cn/.default",
            "https://ossrdbms-aad.database.chinacloudapi.cn/.default",
            "https://database.chinacloudapi.cn//.default",
            ".postgres.database.chinacloudapi.cn",
            ".mysql.database.chinacloudapi.cn",
            ".database.chinacloudapi.cn",
            "api://AzureADTokenExchangeChina",
        ];
        for name in ["china", "AzureChinaCloud"] {
            assert_eq!(all(&Cloud::named(name).unwrap()), expected, "{name}");
        }
    }

    #[test]
    fn a_token_goes_only_to_the_endpoint_and_the_hosts_below_it() {
        let own = Cloud::public().resource_manager_endpoint;
        let on = |text: &str| is_on(&Url::parse(text).unwrap(), &own);
        assert!(on("https://management.azure.com/subscriptions/S"));
        assert!(on("https://westeurope.management.azure.com/x?y=z"));
        assert!(on("https://MANAGEMENT.azure.com:443/"));
        assert!(!on("https://evilmanagement.azure.com/"));
        assert!(!on("https://management.azure.com.evil.test/"));
        assert!(!on("http://management.azure.com/"));
        assert!(!on("https://management.azure.com:8443/"));
    }

    #[test]
    fn an_endpoint_is_https_and_only_a_host() {
        let text = |text| {
            endpoint("it", text)
                .map(|url| url.to_string())
                .map_err(|e| e.to_string())
        };
        assert_eq!(
            text("https://localhost:8443/"),
            Ok("https://localhost:8443/".to_owned())
        );
        assert_eq!(
            text("management.azure.com"),
            Ok("https://management.azure.com/".to_owned())
        );
        assert_eq!(
            text("http://x.test"),
            Err(r#"it "http://x.test" must begin with https://"#.to_owned())
        );
        assert!(text("https://x.test/a").is_err());
        assert!(text("https://u:p@x.test").is_err());
        assert!(text("").is_err());
    }
}
