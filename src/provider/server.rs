//! How a configuration names a PostgreSQL server: by its ARM ID or by its host name. Both spellings are the same server.

use std::fmt;
use std::str::FromStr;

use crate::azure::resource_id::ResourceId;
use crate::protocol::typed::Parsed;
use crate::protocol::value::Value;
use crate::provider::plan::Plan;

/// The resource type of a PostgreSQL flexible server.
pub const FLEXIBLE_SERVER: &str = "Microsoft.DBforPostgreSQL/flexibleServers";

/// The port of PostgreSQL.
const PORT: u16 = 5432;

/// A server, as a configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// By its ARM ID.
    Id(ResourceId),
    /// By its host name.
    Host(Host),
}

/// A host name and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    /// In lower case.
    pub name: String,
    /// 5432 where none is given.
    pub port: u16,
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, port.parse().map_err(|_| format!("`{port}` is not a port"))?),
            None => (text, PORT),
        };
        let label = |label: &str| {
            let plain = label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
            plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
        };
        if name.len() > 253 || !name.split('.').all(label) {
            return Err(
                "neither an ARM ID (`/subscriptions/…`) nor a host name such as `pg-data.postgres.database.azure.com`"
                    .into(),
            );
        }
        Ok(Self {
            name: name.to_ascii_lowercase(),
            port,
        })
    }
}

impl Host {
    /// Whether this is the first label of the name.
    fn is_labelled(&self, label: &str) -> bool {
        let first = self.name.split('.').next();
        first.is_some_and(|first| first.eq_ignore_ascii_case(label))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.name)?;
        if self.port == PORT {
            Ok(())
        } else {
            write!(out, ":{}", self.port)
        }
    }
}

impl Parsed for Host {
    const WHAT: &'static str = "host name";
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.starts_with('/') {
            return text.parse().map(Self::Host);
        }
        let id: ResourceId = text.parse().map_err(|error| format!("{error}"))?;
        if id.is_type(FLEXIBLE_SERVER) {
            return Ok(Self::Id(id));
        }
        let kind = id.resource_type().unwrap_or_else(|| "no resource".into());
        Err(format!("the ID is that of {kind}, not of a {FLEXIBLE_SERVER}"))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(out),
            Self::Host(host) => host.fmt(out),
        }
    }
}

impl Parsed for Server {
    const WHAT: &'static str = "server";
}

impl Server {
    /// Keeps the spelling of the state where the configuration names the same server in another way, so that nothing is replaced. Another port of
    /// the same server is changed in place. Looks at the attributes `server`, `server_id` and `host`.
    pub fn plan(plan: &mut Plan) {
        if plan.is_create() {
            return;
        }
        let Some(wanted) = plan
            .planned("server")
            .as_str()
            .and_then(|text| text.parse::<Self>().ok())
        else {
            return;
        };
        let id = plan
            .prior("server_id")
            .as_str()
            .and_then(|text| text.parse::<ResourceId>().ok());
        let host = plan.prior("host").as_str().and_then(|text| text.parse::<Host>().ok());
        match wanted.compare(id.as_ref(), host.as_ref()) {
            Comparison::Same => {
                plan.keep("server");
                plan.keep("server_id");
                plan.keep("host");
            }
            Comparison::AnotherWay => {
                plan.change_in_place("server");
                match wanted {
                    Self::Host(host) => {
                        plan.set("host", host.to_string());
                        plan.set("server_id", Value::Null);
                    }
                    // Azure says where it is.
                    Self::Id(id) => {
                        plan.unknown("host");
                        plan.set("server_id", id.to_string());
                    }
                }
            }
            Comparison::Another => {}
        }
    }

    /// How this name is to a server that is known by these.
    fn compare(&self, id: Option<&ResourceId>, host: Option<&Host>) -> Comparison {
        match (self, id, host) {
            (Self::Host(wanted), _, Some(host)) if host == wanted => Comparison::Same,
            (Self::Host(wanted), _, Some(host)) if host.name == wanted.name => Comparison::AnotherWay,
            (Self::Id(wanted), Some(id), _) if id == wanted => Comparison::Same,
            // A server that was only ever named by its host: its name is the first label. An ID means the server's own port.
            (Self::Id(wanted), None, Some(host)) if host.is_labelled(wanted.name()) => match host.port {
                PORT => Comparison::Same,
                _ => Comparison::AnotherWay,
            },
            _ => Comparison::Another,
        }
    }
}

/// How a name of a server compares to what is known of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    /// The same server at the same port.
    Same,
    /// The same server at another port: PgBouncer's, say.
    AnotherWay,
    /// Another server.
    Another,
}

impl From<&Server> for Value {
    fn from(server: &Server) -> Self {
        Self::String(server.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg-data";

    fn parse(text: &str) -> Result<Server, String> {
        text.parse()
    }

    #[test]
    fn both_spellings_are_read() {
        assert_eq!(parse(ID).expect("an ID").to_string(), ID);
        assert_eq!(
            parse("PG-data.postgres.database.azure.com")
                .expect("a host")
                .to_string(),
            "pg-data.postgres.database.azure.com"
        );
        assert_eq!(parse("pg.example:6432").expect("a host").to_string(), "pg.example:6432");
    }

    #[test]
    fn what_is_no_server_is_refused_with_a_reason() {
        for text in [
            "",
            "https://pg",
            "pg example",
            "pg:port",
            "-pg",
            "pg..x",
            "/subscriptions/x",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let other = ID.replace("DBforPostgreSQL", "DBforMySQL");
        assert!(
            parse(&other)
                .expect_err("another kind")
                .contains("Microsoft.DBforMySQL/flexibleServers")
        );
    }

    #[test]
    fn the_same_server_is_the_same_in_every_spelling() {
        let host = |text: &str| text.parse::<Host>().expect("a host");
        let (direct, pooler) = (
            host("pg-data.postgres.database.azure.com"),
            host("pg-data.postgres.database.azure.com:6432"),
        );
        let id: ResourceId = ID.parse().expect("an ID");
        let upper = ID.to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions");
        let compare =
            |text: &str, id: Option<&ResourceId>, host: &Host| parse(text).expect("a server").compare(id, Some(host));
        for (text, known_id, known_host, expected) in [
            (upper.as_str(), Some(&id), &direct, Comparison::Same),
            (ID, None, &direct, Comparison::Same),
            (ID, None, &pooler, Comparison::AnotherWay),
            (direct.name.as_str(), Some(&id), &direct, Comparison::Same),
            (direct.name.as_str(), None, &pooler, Comparison::AnotherWay),
            (
                "pg-data.postgres.database.azure.com:6432",
                Some(&id),
                &direct,
                Comparison::AnotherWay,
            ),
            (
                "pg-other.postgres.database.azure.com",
                Some(&id),
                &direct,
                Comparison::Another,
            ),
            (
                &ID.replace("pg-data", "pg-other"),
                Some(&id),
                &direct,
                Comparison::Another,
            ),
            (&ID.replace("pg-data", "pg-other"), None, &direct, Comparison::Another),
        ] {
            assert_eq!(compare(text, known_id, known_host), expected, "{text} to {known_host}");
        }
    }
}
