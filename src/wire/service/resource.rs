//! Calls about managed resources: convert in, call, convert out.

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::json;
use crate::protocol::schema::Schema;
use crate::protocol::value::Value;
use crate::provider::ResourceSchema;
use crate::provider::exchange::{Applied, ApplyRequest, PlanRequest};
use crate::provider::resource::forget_unknown;
use crate::wire::call::{Served, caught};
use crate::wire::convert;
use crate::wire::generate;
use crate::wire::proto::tfplugin5 as pb;

fn found<'a>(served: &'a Served, type_name: &str) -> Result<&'a ResourceSchema> {
    served.provider.schemas().resources.get(type_name).ok_or_else(|| {
        Diagnostic::error(
            "Unknown resource type",
            format!("The provider has no resource `{type_name}`. A newer version may have it."),
        )
    })
}

pub async fn validate(
    served: Served,
    request: pb::validate_resource_type_config::Request,
) -> Result<pb::validate_resource_type_config::Response> {
    let schema = &found(&served, &request.type_name)?.schema;
    let config = convert::value(request.config.as_ref(), &schema.r#type())?;
    let mut told = served.session.validate_resource(&request.type_name, &config);
    if !request
        .client_capabilities
        .is_some_and(|client| client.write_only_attributes_allowed)
    {
        told.extend(write_only_refused(schema, &config));
    }
    Ok(pb::validate_resource_type_config::Response {
        diagnostics: convert::diagnostics(told),
    })
}

/// A Terraform that does not know write-only attributes would store them.
fn write_only_refused(schema: &Schema, config: &Value) -> Vec<Diagnostic> {
    let given = |name: &str| {
        config
            .as_object()
            .and_then(|config| config.get(name))
            .is_some_and(|value| !value.is_null())
    };
    let attributes = schema.block.attributes.iter();
    let refused = attributes.filter(|attribute| attribute.write_only && given(&attribute.name));
    let told = refused.map(|attribute| {
        Diagnostic::error(
            "Write-only attribute not allowed",
            "The attribute is never stored, which takes Terraform 1.11 or OpenTofu 1.11. Use a newer version, or \
             leave the attribute out.",
        )
        .at(&attribute.name)
    });
    told.collect()
}

pub async fn upgrade_state(
    served: Served,
    request: pb::upgrade_resource_state::Request,
) -> Result<pb::upgrade_resource_state::Response> {
    let stored = convert::raw_json(request.raw_state.as_ref())?;
    let upgraded = served.session.upgrade(&request.type_name, request.version, stored)?;
    Ok(pb::upgrade_resource_state::Response {
        // As MessagePack, which costs Terraform less to read than the JSON that it sent.
        upgraded_state: Some(convert::state(Some(upgraded))),
        diagnostics: Vec::new(),
    })
}

pub async fn upgrade_identity(
    served: Served,
    request: pb::upgrade_resource_identity::Request,
) -> Result<pb::upgrade_resource_identity::Response> {
    let resource = found(&served, &request.type_name)?;
    let stored = convert::raw_json(request.raw_identity.as_ref())?;
    let identity = json::decode(stored, &convert::identity_type(&resource.identity)).map_err(|error| {
        let type_name = &request.type_name;
        Diagnostic::error(
            "Stored identity cannot be read",
            format!(
                "The identity of this {type_name} has another form: {error}. Take it out of the state and import it."
            ),
        )
    })?;
    Ok(pb::upgrade_resource_identity::Response {
        upgraded_identity: Some(convert::identity_data(&identity)),
        diagnostics: Vec::new(),
    })
}

pub async fn read(served: Served, request: pb::read_resource::Request) -> Result<pb::read_resource::Response> {
    let type_name = &request.type_name;
    let state = convert::value(
        request.current_state.as_ref(),
        &found(&served, type_name)?.schema.r#type(),
    )?;
    let read = served.session.read(type_name, state, request.private).await;
    // What is not sent back is lost.
    let identity = identity(&served, type_name, &read).or(request.current_identity);
    Ok(pb::read_resource::Response {
        new_identity: identity.filter(|_| read.state.is_some()),
        new_state: Some(convert::state(read.state)),
        private: read.private,
        diagnostics: convert::diagnostics(read.diagnostics),
        deferred: None,
    })
}

pub async fn plan(
    served: Served,
    request: pb::plan_resource_change::Request,
) -> Result<pb::plan_resource_change::Response> {
    let r#type = found(&served, &request.type_name)?.schema.r#type();
    let planned = served.session.plan(PlanRequest {
        prior: convert::value(request.prior_state.as_ref(), &r#type)?,
        proposed: convert::value(request.proposed_new_state.as_ref(), &r#type)?,
        config: convert::value(request.config.as_ref(), &r#type)?,
        private: request.prior_private,
        type_name: request.type_name.clone(),
    });
    let planned = planned.await;
    let state = planned.state.as_object();
    let identity = state.and_then(|state| served.session.identity(&request.type_name, state));
    // A new object gets a new identity; whatever else happens to an object, it stays itself.
    let kept = request.prior_identity.filter(|_| planned.replace.is_empty());
    Ok(pb::plan_resource_change::Response {
        planned_state: Some(convert::dynamic(&planned.state)),
        requires_replace: planned.replace.iter().map(convert::path).collect(),
        planned_private: planned.private,
        diagnostics: convert::diagnostics(planned.diagnostics),
        legacy_type_system: false,
        deferred: None,
        planned_identity: identity.as_ref().map(convert::identity_data).or(kept),
    })
}

pub async fn apply(
    served: Served,
    request: pb::apply_resource_change::Request,
) -> Result<pb::apply_resource_change::Response> {
    let type_name = request.type_name;
    let r#type = found(&served, &type_name)?.schema.r#type();
    let prior = convert::value(request.prior_state.as_ref(), &r#type)?;
    let planned = convert::value(request.planned_state.as_ref(), &r#type)?;
    let config = convert::value(request.config.as_ref(), &r#type)?;
    let best_known = best_known(&prior, &planned);
    let private = request.planned_private;
    let kept = private.clone();
    let applied = served.session.apply(ApplyRequest {
        type_name: type_name.clone(),
        prior,
        planned,
        config,
        private,
    });
    // Whatever happens from here on, an object may exist: it must not be forgotten.
    let applied = caught(applied).await.unwrap_or_else(|panic| Applied {
        state: best_known.as_object().cloned(),
        private: kept,
        diagnostics: vec![panic],
    });
    let identity = identity(&served, &type_name, &applied).or(request.planned_identity);
    Ok(pb::apply_resource_change::Response {
        new_identity: identity.filter(|_| applied.state.is_some()),
        new_state: Some(convert::state(applied.state)),
        private: applied.private,
        diagnostics: convert::diagnostics(applied.diagnostics),
        legacy_type_system: false,
    })
}

/// What can be said to exist when an apply broke off: what was there, else what was to come, as far as
/// it is known. Core then marks it as tainted.
fn best_known(prior: &Value, planned: &Value) -> Value {
    if !prior.is_null() {
        return prior.clone();
    }
    let mut known = planned.clone();
    forget_unknown(&mut known);
    known
}

pub async fn import(
    served: Served,
    request: pb::import_resource_state::Request,
) -> Result<pb::import_resource_state::Response> {
    let type_name = request.type_name;
    let given = convert::identity(request.identity.as_ref(), &found(&served, &type_name)?.identity)?;
    let imported = served.session.import(&type_name, &request.id, given).await;
    let identity = identity(&served, &type_name, &imported).or(request.identity);
    let resource = imported.state.map(|state| pb::import_resource_state::ImportedResource {
        type_name,
        state: Some(convert::state(Some(state))),
        private: imported.private,
        identity,
    });
    Ok(pb::import_resource_state::Response {
        imported_resources: resource.into_iter().collect(),
        diagnostics: convert::diagnostics(imported.diagnostics),
        deferred: None,
    })
}

pub async fn move_state(
    served: Served,
    request: pb::move_resource_state::Request,
) -> Result<pb::move_resource_state::Response> {
    found(&served, &request.target_type_name)?;
    let pb::move_resource_state::Request {
        source_type_name,
        source_provider_address,
        target_type_name,
        ..
    } = request;
    Err(Diagnostic::error(
        "State cannot be taken over",
        format!(
            "The state of a `{source_type_name}` of {source_provider_address} cannot become a `{target_type_name}`. \
             Remove the `moved` block, take the old resource out of the state without destroying it (a `removed` \
             block), and import it as the new one."
        ),
    ))
}

pub async fn generate_config(
    served: Served,
    request: pb::generate_resource_config::Request,
) -> Result<pb::generate_resource_config::Response> {
    let schema = &found(&served, &request.type_name)?.schema;
    let state = convert::value(request.state.as_ref(), &schema.r#type())?;
    let config = generate::config(&schema.block, state);
    Ok(pb::generate_resource_config::Response {
        config: Some(convert::dynamic(&config)),
        diagnostics: Vec::new(),
    })
}

fn identity(served: &Served, type_name: &str, left: &Applied) -> Option<pb::ResourceIdentityData> {
    let identity = served.session.identity(type_name, left.state.as_ref()?)?;
    Some(convert::identity_data(&identity))
}
