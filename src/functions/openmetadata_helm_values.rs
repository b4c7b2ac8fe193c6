//! `openmetadata_helm_values`

use crate::functions::argument::{Fields, Read, mistake};
use crate::functions::yaml::Yaml;
use crate::protocol::value::{Type, Value};
use crate::provider::config::Guid;
use crate::provider::function::{AnyFunction, FunctionError, Parameter, Signature};
use crate::provider::server::Host;

/// The values of OpenMetadata's Helm chart.
pub struct OpenmetadataHelmValues;

const FIELDS: [&str; 9] = [
    "engine",
    "host",
    "port",
    "database",
    "username",
    "client_id",
    "service_account",
    "password_secret",
    "password_secret_key",
];

/// How OpenMetadata reaches an engine with a token.
struct Engine {
    scheme: &'static str,
    driver: &'static str,
    port: u16,
    parameters: &'static str,
}

const POSTGRESQL: Engine = Engine {
    scheme: "postgresql",
    driver: "org.postgresql.Driver",
    port: 5432,
    parameters: "azure=true&sslmode=verify-full&sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory\
                 &authenticationPluginClassName=com.azure.identity.extensions.jdbc.postgresql.AzurePostgresqlAuthenticationPlugin",
};

const MYSQL: Engine = Engine {
    scheme: "mysql",
    driver: "com.mysql.cj.jdbc.Driver",
    port: 3306,
    parameters: "azure=true&serverTimezone=UTC&sslMode=VERIFY_IDENTITY\
                 &defaultAuthenticationPlugin=com.azure.identity.extensions.jdbc.mysql.AzureMysqlAuthenticationPlugin\
                 &authenticationPlugins=com.azure.identity.extensions.jdbc.mysql.AzureMysqlAuthenticationPlugin",
};

const DESCRIPTION: &str = "\
Gives the values (YAML) with which the Helm chart of OpenMetadata reaches its database without a password: the pods run as a Kubernetes service account
that signs in as a managed identity (workload identity), and the database driver fetches the tokens. The driver verifies the server's certificate and name, with the
authorities that the image's Java trusts, before it sends a token. None of this has been tried with OpenMetadata's image yet.

The argument is an object with the attributes `engine` (`postgresql` or `mysql`), `host`, `database`, `username` (the user in the database) and
`client_id` (of the managed identity), and optionally `port`, `service_account` (default: `openmetadata-sa`; the federated credential names it too),
`password_secret` and `password_secret_key`.

For the engine `mysql`, create the MySQL user by hand (`CREATE AADUSER`), as an Entra administrator of the server: this provider cannot yet.

The chart wants a Kubernetes secret with a password in any case. Its content is not used; the secret must exist, under the name `password_secret`
(default: `database-secrets`) with the key `password_secret_key` (default: `openmetadata-database-password`), and must not be empty.";

impl AnyFunction for OpenmetadataHelmValues {
    fn name(&self) -> &'static str {
        "openmetadata_helm_values"
    }

    fn signature(&self) -> Signature {
        Signature {
            summary: "Gives the Helm values of an OpenMetadata without a database password.",
            description: DESCRIPTION,
            parameters: vec![Parameter {
                name: "settings",
                r#type: Type::Dynamic,
                description: "An object with `engine`, `host`, `database`, `username`, `client_id`, and optionally `port`, `service_account`, \
                              `password_secret`, `password_secret_key`.",
            }],
            r#return: Type::String,
        }
    }

    fn call(&self, arguments: Vec<Value>) -> Result<Value, FunctionError> {
        let settings = arguments.into_iter().next().unwrap_or(Value::Null);
        values(&Fields::of(0, settings, &FIELDS)?).map(Value::from)
    }
}

fn values(given: &Fields) -> Read<String> {
    let engine = match given.required("engine")?.as_str() {
        "postgresql" => POSTGRESQL,
        "mysql" => MYSQL,
        other => {
            return mistake(
                0,
                format!("The engine `{other}` is not supported; use `postgresql` or `mysql`."),
            );
        }
    };
    let host: Host = given.parsed("host")?;
    let port = given.port(engine.port)?;
    let (database, username) = (given.required("database")?, given.required("username")?);
    let client_id: Guid = given.parsed("client_id")?;
    let or = |given: Option<String>, default: &str| given.unwrap_or_else(|| default.to_owned());
    let account = or(given.optional("service_account")?, "openmetadata-sa");
    let secret = or(given.optional("password_secret")?, "database-secrets");
    let secret_key = or(given.optional("password_secret_key")?, "openmetadata-database-password");

    let yaml = Yaml::default()
        .under("commonLabels", |labels| {
            labels.text("azure.workload.identity/use", "true")
        })
        .under("serviceAccount", |service_account| {
            service_account
                .plain("create", true)
                .text("name", &account)
                .under("annotations", |annotations| {
                    annotations.text("azure.workload.identity/client-id", &client_id.to_string())
                })
        })
        .plain("automountServiceAccountToken", true)
        .under("openmetadata", |openmetadata| {
            openmetadata.under("config", |config| {
                config.under("database", |inside| {
                    inside
                        .text("host", &host.name)
                        .plain("port", port)
                        .text("driverClass", engine.driver)
                        .text("dbScheme", engine.scheme)
                        .text("databaseName", &database)
                        .text("dbParams", engine.parameters)
                        .under("auth", |auth| {
                            auth.text("username", &username)
                                .comment("The chart wants this secret to exist; what it holds is not used.")
                                .under("password", |password| {
                                    password.text("secretRef", &secret).text("secretKey", &secret_key)
                                })
                        })
                })
            })
        });
    Ok(yaml.finish())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::protocol::value::Object;

    fn settings(change: &[(&str, Value)]) -> Vec<Value> {
        let mut given = Object::from([
            ("engine".into(), Value::from("postgresql")),
            ("host".into(), Value::from("pg-data.postgres.database.azure.com")),
            ("database".into(), Value::from("openmetadata_db")),
            ("username".into(), Value::from("openmetadata")),
            ("client_id".into(), Value::from("11111111-1111-1111-1111-111111111111")),
        ]);
        given.extend(change.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let types = given
            .keys()
            .map(|name| (name.clone(), Type::String))
            .collect::<Vec<_>>();
        vec![Value::Dynamic(Box::new((Type::object(types), Value::Map(given))))]
    }

    fn call(change: &[(&str, Value)]) -> Result<String, FunctionError> {
        let called = OpenmetadataHelmValues.call(settings(change));
        called.map(|value| value.as_str().expect("a text").to_owned())
    }

    #[test]
    fn postgresql_is_reached_with_a_token() {
        expect![[r#"
            commonLabels:
              azure.workload.identity/use: "true"
            serviceAccount:
              create: true
              name: "openmetadata-sa"
              annotations:
                azure.workload.identity/client-id: "11111111-1111-1111-1111-111111111111"
            automountServiceAccountToken: true
            openmetadata:
              config:
                database:
                  host: "pg-data.postgres.database.azure.com"
                  port: 5432
                  driverClass: "org.postgresql.Driver"
                  dbScheme: "postgresql"
                  databaseName: "openmetadata_db"
                  dbParams: "azure=true&sslmode=verify-full&sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory&authenticationPluginClassName=com.azure.identity.extensions.jdbc.postgresql.AzurePostgresqlAuthenticationPlugin"
                  auth:
                    username: "openmetadata"
                    # The chart wants this secret to exist; what it holds is not used.
                    password:
                      secretRef: "database-secrets"
                      secretKey: "openmetadata-database-password"
        "#]]
        .assert_eq(&call(&[]).expect("values"));
    }

    #[test]
    fn mysql_has_its_own_driver_and_plugin() {
        let values = call(&[("engine", Value::from("mysql")), ("port", Value::from(3307))]).expect("values");
        for line in [
            "port: 3307",
            "dbScheme: \"mysql\"",
            "AzureMysqlAuthenticationPlugin",
            "sslMode=VERIFY_IDENTITY&default",
        ] {
            assert!(values.contains(line), "{line} is missing in\n{values}");
        }
    }

    #[test]
    fn what_means_nothing_is_refused_by_name() {
        let table = [
            (
                "engine",
                Value::from("oracle"),
                "The engine `oracle` is not supported; use `postgresql` or `mysql`.",
            ),
            ("host", Value::from("https://pg"), "The attribute `host` is not a valid"),
            (
                "client_id",
                Value::from("me"),
                "The attribute `client_id` is not a valid GUID",
            ),
            ("database", Value::Null, "The attribute `database` is required."),
            ("username", Value::from(""), "`username` must be a text"),
            ("port", Value::from("x"), "`port` is `x`"),
            (
                "hots",
                Value::from("x"),
                "The attribute `hots` is not supported; use `engine`",
            ),
        ];
        for (name, value, text) in table {
            let error = call(&[(name, value)]).expect_err(name);
            assert!(error.text.contains(text), "{error:?}");
            assert_eq!(error.argument, Some(0));
        }
        let error = OpenmetadataHelmValues
            .call(vec![Value::from("x")])
            .expect_err("no object");
        assert!(error.text.starts_with("An object"), "{error:?}");
    }
}
