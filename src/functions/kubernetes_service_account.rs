//! `kubernetes_service_account`

use crate::functions::argument::{Read, mistake, parse};
use crate::functions::yaml::Yaml;
use crate::protocol::value::{Object, Type, Value};
use crate::provider::config::Guid;
use crate::provider::function::{AnyFunction, FunctionError, Parameter, Signature};

/// A service account that signs in as a managed identity.
pub struct KubernetesServiceAccount;

const DESCRIPTION: &str = "\
Gives what makes the pods of a Kubernetes service account sign in as a managed identity (workload identity), as an object:

* `annotations`: of the service account.
* `pod_labels`: of the pods.
* `subject`: of the federated credential.
* `manifest`: the service account as YAML.";

impl AnyFunction for KubernetesServiceAccount {
    fn name(&self) -> &'static str {
        "kubernetes_service_account"
    }

    fn signature(&self) -> Signature {
        let parameter = |name, description| Parameter {
            name,
            r#type: Type::String,
            description,
        };
        Signature {
            summary: "Gives the annotations and labels of a service account that signs in as a managed identity.",
            description: DESCRIPTION,
            parameters: vec![
                parameter("client_id", "The client ID of the managed identity."),
                parameter("name", "The name of the service account."),
                parameter("namespace", "The namespace of the service account."),
            ],
            r#return: Type::object([
                ("annotations".to_owned(), Type::map(Type::String)),
                ("manifest".to_owned(), Type::String),
                ("pod_labels".to_owned(), Type::map(Type::String)),
                ("subject".to_owned(), Type::String),
            ]),
        }
    }

    fn call(&self, arguments: Vec<Value>) -> Result<Value, FunctionError> {
        let text = |index: usize| arguments.get(index).and_then(Value::as_str).unwrap_or_default();
        let client_id: Guid = parse(0, "The client ID", text(0))?;
        let (name, namespace) = (label(1, text(1))?, label(2, text(2))?);
        let annotations = [("azure.workload.identity/client-id", client_id.to_string())];
        let manifest = Yaml::default()
            .text("apiVersion", "v1")
            .text("kind", "ServiceAccount")
            .under("metadata", |metadata| {
                metadata
                    .text("name", name)
                    .text("namespace", namespace)
                    .under("annotations", |inside| {
                        annotations
                            .iter()
                            .fold(inside, |inside, (key, value)| inside.text(key, value))
                    })
            });
        let map = |pairs: &[(&str, String)]| {
            let pairs = pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), Value::from(value.clone())));
            Value::Map(pairs.collect())
        };
        Ok(Value::Map(Object::from([
            ("annotations".to_owned(), map(&annotations)),
            ("manifest".to_owned(), Value::from(manifest.finish())),
            (
                "pod_labels".to_owned(),
                map(&[("azure.workload.identity/use", "true".to_owned())]),
            ),
            (
                "subject".to_owned(),
                Value::from(format!("system:serviceaccount:{namespace}:{name}")),
            ),
        ])))
    }
}

fn label(argument: usize, text: &str) -> Read<&str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let edge = ['-', '.'];
    if (1..=253).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with(edge) && !text.ends_with(edge) {
        return Ok(text);
    }
    mistake(
        argument,
        "A Kubernetes name is required: lower-case letters, digits, `-` and `.`.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_account_is_that_of_the_federated_credential() {
        let id = "11111111-1111-1111-1111-111111111111";
        let arguments = [id, "openmetadata-sa", "openmetadata"].map(Value::from);
        let account = KubernetesServiceAccount.call(arguments.into()).expect("an account");
        let account = account.as_object().expect("an object");
        assert_eq!(
            account["subject"],
            Value::from("system:serviceaccount:openmetadata:openmetadata-sa")
        );
        let manifest = account["manifest"].as_str().expect("a text");
        assert!(
            manifest.contains(&format!("    azure.workload.identity/client-id: \"{id}\"\n")),
            "{manifest}"
        );
    }

    #[test]
    fn wrong_names_are_told_with_their_argument() {
        let id = "11111111-1111-1111-1111-111111111111";
        for (arguments, argument) in [(["x", "a", "b"], 0), ([id, "A", "b"], 1), ([id, "a", ""], 2)] {
            let error = KubernetesServiceAccount
                .call(arguments.map(Value::from).into())
                .expect_err("a mistake");
            assert_eq!(error.argument, Some(argument));
        }
    }
}
