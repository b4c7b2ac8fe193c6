//! Calls about data sources: convert in, call, convert out.

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::schema::Schema;
use crate::wire::call::Served;
use crate::wire::convert;
use crate::wire::proto::tfplugin5 as pb;

fn found<'a>(served: &'a Served, type_name: &str) -> Result<&'a Schema> {
    served.provider.schemas().data_sources.get(type_name).ok_or_else(|| {
        Diagnostic::error(
            "Unknown data source",
            format!("The provider has no data source `{type_name}`. A newer version may have it."),
        )
    })
}

pub async fn validate(
    served: Served,
    request: pb::validate_data_source_config::Request,
) -> Result<pb::validate_data_source_config::Response> {
    let config = convert::value(request.config.as_ref(), &found(&served, &request.type_name)?.r#type())?;
    let told = served.session.validate_data_source(&request.type_name, &config);
    Ok(pb::validate_data_source_config::Response {
        diagnostics: convert::diagnostics(told),
    })
}

pub async fn read(served: Served, request: pb::read_data_source::Request) -> Result<pb::read_data_source::Response> {
    let config = convert::value(request.config.as_ref(), &found(&served, &request.type_name)?.r#type())?;
    let read = served.session.read_data_source(&request.type_name, config).await;
    Ok(pb::read_data_source::Response {
        state: Some(convert::state(read.state)),
        diagnostics: convert::diagnostics(read.diagnostics),
        deferred: None,
    })
}
