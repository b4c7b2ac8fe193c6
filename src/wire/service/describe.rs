//! Calls about the provider as a whole: what it has, its configuration, its functions.

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::value::{Type, Value};
use crate::provider::function::Signature;
use crate::wire::call::Served;
use crate::wire::convert;
use crate::wire::proto::tfplugin5 as pb;

fn capabilities() -> pb::ServerCapabilities {
    pb::ServerCapabilities {
        plan_destroy: true,
        // The schema is asked for once in a command instead of once in a process.
        get_provider_schema_optional: true,
        move_resource_state: true,
        generate_resource_config: true,
    }
}

pub async fn metadata(served: Served, _: pb::get_metadata::Request) -> Result<pb::get_metadata::Response> {
    use pb::get_metadata::{DataSourceMetadata, FunctionMetadata, ResourceMetadata};
    let schemas = served.provider.schemas();
    let resources = schemas.resources.keys().cloned();
    let data_sources = schemas.data_sources.keys().cloned();
    let functions = schemas.functions.keys().cloned();
    Ok(pb::get_metadata::Response {
        server_capabilities: Some(capabilities()),
        resources: resources.map(|type_name| ResourceMetadata { type_name }).collect(),
        data_sources: data_sources.map(|type_name| DataSourceMetadata { type_name }).collect(),
        functions: functions.map(|name| FunctionMetadata { name }).collect(),
        ..pb::get_metadata::Response::default()
    })
}

pub async fn schema(served: Served, _: pb::get_provider_schema::Request) -> Result<pb::get_provider_schema::Response> {
    let schemas = served.provider.schemas();
    let resources = schemas.resources.iter();
    let data_sources = schemas.data_sources.iter();
    // Core refuses a provider whose own schema is absent.
    let empty = pb::Schema {
        version: 0,
        block: Some(pb::schema::Block::default()),
    };
    Ok(pb::get_provider_schema::Response {
        provider: Some(schemas.provider.as_ref().map_or(empty, convert::schema)),
        resource_schemas: resources
            .map(|(name, found)| (name.clone(), convert::schema(&found.schema)))
            .collect(),
        data_source_schemas: data_sources
            .map(|(name, found)| (name.clone(), convert::schema(found)))
            .collect(),
        server_capabilities: Some(capabilities()),
        functions: all_functions(&served),
        ..pb::get_provider_schema::Response::default()
    })
}

pub async fn identity_schemas(
    served: Served,
    _: pb::get_resource_identity_schemas::Request,
) -> Result<pb::get_resource_identity_schemas::Response> {
    let resources = served.provider.schemas().resources.iter();
    let found = resources.filter(|(_, resource)| !resource.identity.attributes.is_empty());
    Ok(pb::get_resource_identity_schemas::Response {
        identity_schemas: found
            .map(|(name, found)| (name.clone(), convert::identity_schema(found)))
            .collect(),
        diagnostics: Vec::new(),
    })
}

pub async fn functions(served: Served, _: pb::get_functions::Request) -> Result<pb::get_functions::Response> {
    Ok(pb::get_functions::Response {
        functions: all_functions(&served),
        diagnostics: Vec::new(),
    })
}

fn all_functions(served: &Served) -> std::collections::BTreeMap<String, pb::Function> {
    let functions = served.provider.schemas().functions.iter();
    functions
        .map(|(name, signature)| (name.clone(), convert::function(signature)))
        .collect()
}

pub async fn prepare(
    served: Served,
    request: pb::prepare_provider_config::Request,
) -> Result<pb::prepare_provider_config::Response> {
    let config = convert::value(request.config.as_ref(), &provider_type(&served))?;
    Ok(pb::prepare_provider_config::Response {
        diagnostics: convert::diagnostics(served.session.validate_provider(&config)),
        prepared_config: request.config,
    })
}

pub async fn configure(served: Served, request: pb::configure::Request) -> Result<pb::configure::Response> {
    let config = convert::value(request.config.as_ref(), &provider_type(&served))?;
    let told = served.session.configure(&request.terraform_version, &config).await;
    Ok(pb::configure::Response {
        diagnostics: convert::diagnostics(told),
    })
}

pub async fn stop(served: Served, _: pb::stop::Request) -> Result<pb::stop::Response> {
    served.session.stop();
    Ok(pb::stop::Response { error: String::new() })
}

pub async fn call(served: Served, request: pb::call_function::Request) -> Result<pb::call_function::Response> {
    let arguments = match served.provider.schemas().functions.get(&request.name) {
        Some(signature) => arguments(signature, &request.arguments)?,
        // The session says that there is no such function.
        None => Vec::new(),
    };
    Ok(match served.session.call_function(&request.name, arguments) {
        Ok(result) => pb::call_function::Response {
            result: Some(convert::dynamic(&result)),
            error: None,
        },
        Err(error) => pb::call_function::Response {
            result: None,
            error: Some(convert::function_error(error)),
        },
    })
}

fn arguments(signature: &Signature, given: &[pb::DynamicValue]) -> Result<Vec<Value>> {
    if given.len() != signature.parameters.len() {
        let (wanted, given) = (signature.parameters.len(), given.len());
        return Err(Diagnostic::bug(format!(
            "Terraform gave {given} arguments to a function that takes {wanted}."
        )));
    }
    let pairs = signature.parameters.iter().zip(given);
    pairs
        .map(|(parameter, given)| convert::value(Some(given), &parameter.r#type))
        .collect()
}

fn provider_type(served: &Served) -> Type {
    served
        .provider
        .schemas()
        .provider
        .as_ref()
        .map_or_else(|| Type::object([]), |schema| schema.r#type())
}
