//! Server parameters of a MySQL server: the few that access needs. Azure writes their booleans as texts.

use serde_json::{Value, json};

use super::{VERSIONS, plan};
use crate::answer::Answer;
use crate::arm::body::{self, Fields};
use crate::arm::records::{self, Kind, Record};
use crate::arm::{Call, Outcome, operations};
use crate::journal::hold;
use crate::world::State;

const KIND: &str = "Microsoft.DBforMySQL/flexibleServers/configurations";

const DOCUMENTATION: &str = "https://dev.mysql.com/doc/refman/8.0/en/server-system-variables.html";

/// A server parameter.
struct Parameter {
    name: &'static str,
    default: &'static str,
    data_type: &'static str,
    allowed: &'static str,
    description: &'static str,
}

const PARAMETERS: [Parameter; 3] = [
    Parameter {
        name: "aad_auth_only",
        default: "OFF",
        data_type: "Enumeration",
        allowed: "ON,OFF",
        description: "Only Azure AD authentication is allowed.",
    },
    Parameter {
        name: "max_connections",
        default: "1365",
        data_type: "Integer",
        allowed: "10-2731",
        description: "The maximum permitted number of simultaneous client connections.",
    },
    Parameter {
        name: "require_secure_transport",
        default: "ON",
        data_type: "Enumeration",
        allowed: "ON,OFF",
        description: "Whether client connections to the server are required to use some form of secure transport.",
    },
];

impl Parameter {
    /// The value as the server keeps it.
    fn accept(&self, value: &str) -> Result<String, Answer> {
        let kept = match self.allowed.split_once('-') {
            Some((least, most)) => {
                let number = |text: &str| text.parse::<u64>().ok();
                let fits = number(value) >= number(least) && number(value) <= number(most) && number(value).is_some();
                fits.then(|| value.to_owned())
            }
            None => {
                let mut words = self.allowed.split(',');
                words.find(|word| word.eq_ignore_ascii_case(value)).map(str::to_owned)
            }
        };
        kept.ok_or_else(|| {
            let message = format!(
                "Invalid value given for parameter {}: '{value}'. Specify a value of {}.",
                self.name, self.allowed
            );
            Answer::arm_error(400, "InvalidParameterValue", message)
        })
    }
}

fn json_of(server: &Record, parameter: &Parameter) -> Value {
    let set = server.configurations.get(parameter.name);
    let value = set.map_or(parameter.default, String::as_str);
    json!({
        "properties": {
            "value": value, "currentValue": value, "description": parameter.description,
            "defaultValue": parameter.default, "dataType": parameter.data_type, "allowedValues": parameter.allowed,
            "source": if set.is_some() { "user-override" } else { "system-default" },
            "isConfigPendingRestart": "False", "isDynamicConfig": "True", "isReadOnly": "False",
            "documentationLink": format!("{DOCUMENTATION}#sysvar_{}", parameter.name),
        },
        "id": format!("{}/configurations/{}", server.id, parameter.name), "name": parameter.name, "type": KIND,
    })
}

/// As a GET shows it.
fn shown(state: &State, server: &Record, parameter: &Parameter) -> Value {
    let id = format!("{}/configurations/{}", server.id, parameter.name);
    records::overlaid(state, &id, json_of(server, parameter))
}

fn parameter(name: &str) -> Result<&'static Parameter, Answer> {
    let found = PARAMETERS.iter().find(|one| one.name == name);
    found.ok_or_else(|| {
        let message = format!("The requested resource of type '{KIND}' with name '{name}' was not found.");
        Answer::arm_error(404, "ResourceNotFound", message)
    })
}

pub(super) fn list(call: &Call<'_>) -> Outcome {
    call.versions("flexibleServers/configurations", &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb(KIND);
    }
    let server = records::find(call, Kind::Mysql)?;
    let state = hold(&call.world.state);
    let value: Vec<Value> = PARAMETERS.iter().map(|one| shown(&state, &server, one)).collect();
    Ok(Answer::json(200, json!({"value": value})))
}

pub(super) fn one(call: &Call<'_>, name: &str) -> Outcome {
    call.versions("flexibleServers/configurations", &VERSIONS)?;
    let server = records::find(call, Kind::Mysql)?;
    let parameter = parameter(name)?;
    match call.ask.method.as_str() {
        "GET" => Ok(Answer::json(200, shown(&hold(&call.world.state), &server, parameter))),
        "PUT" | "PATCH" => {
            let value = body::parse(call.ask)?;
            let fields = Fields::of(&value, "", &["name", "properties"])?;
            let value = read(&fields, parameter)?;
            set(
                call,
                "UpdateServerParameterManagementOperationV2",
                vec![(parameter, value)],
                false,
            )
        }
        _ => call.no_such_verb(KIND),
    }
}

fn read(fields: &Fields<'_>, parameter: &Parameter) -> Result<String, Answer> {
    let properties = fields.object("properties", &["value", "source"])?;
    properties.choice("source", &["system-default", "user-override"])?;
    parameter.accept(properties.text("value")?)
}

/// `updateConfigurations`: several at once.
pub(super) fn update(call: &Call<'_>) -> Outcome {
    call.versions("flexibleServers/updateConfigurations", &VERSIONS)?;
    if !call.is("POST") {
        return call.no_such_verb("Microsoft.DBforMySQL/flexibleServers/updateConfigurations");
    }
    records::find(call, Kind::Mysql)?;
    let body = body::parse(call.ask)?;
    let fields = Fields::of(&body, "", &["value", "resetAllToDefault"])?;
    let reset = fields.choice("resetAllToDefault", &["True", "False"])? == Some("True");
    let items = fields.value("value").and_then(Value::as_array);
    let mut wishes = Vec::new();
    for item in items.into_iter().flatten() {
        let item = Fields::of(item, "value", &["name", "properties"])?;
        let parameter = parameter(&item.text("name")?.to_ascii_lowercase())?;
        wishes.push((parameter, read(&item, parameter)?));
    }
    if wishes.is_empty() && !reset {
        return Err(body::invalid("The property 'value' names no configuration."));
    }
    set(call, "UpdateServerParametersManagementOperation", wishes, reset)
}

fn set(call: &Call<'_>, operation: &str, wishes: Vec<(&'static Parameter, String)>, reset: bool) -> Outcome {
    let turn = records::begin(call)?;
    let plan = plan(call, operation);
    let batch = call.is("POST");
    Ok(operations::start(call, &plan, async move {
        let after = turn.change(|server| {
            if reset {
                server.configurations.clear();
            }
            for (parameter, value) in &wishes {
                server.configurations.insert(parameter.name.to_owned(), value.clone());
            }
            server.clone()
        });
        let mut shown = after
            .iter()
            .flat_map(|server| wishes.iter().map(|(one, _)| json_of(server, one)));
        match batch {
            true => Ok(Some(json!({"value": shown.collect::<Vec<Value>>()}))),
            false => Ok(shown.next()),
        }
    }))
}
