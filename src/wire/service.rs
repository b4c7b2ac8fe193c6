//! Every call of Terraform's protocol, each in the same shape: name it, and hand it to the function that
//! converts, calls, and converts back. Knows no type of resource.

mod absent;
mod data_source;
mod describe;
mod resource;

use futures_util::stream;
use tonic::{Request, Response, Status};

use crate::wire::call::{Call, answer};
use crate::wire::host::Answers;
use crate::wire::proto::tfplugin5::invoke_action::event::Type;
use crate::wire::proto::tfplugin5::provider_server::{Provider, ProviderServer};
use crate::wire::proto::tfplugin5::{self as pb, invoke_action, list_resource};

/// What other plugins allow; a schema alone can be larger than the usual 4 MiB.
const LARGEST_MESSAGE: usize = 256 << 20;

type Reply<T> = Result<Response<T>, Status>;

/// Answers Terraform. What serves the connection is found among the request's extensions.
struct Service;

/// The service, ready to be added to a server.
#[must_use]
pub fn service() -> ProviderServer<impl Provider> {
    ProviderServer::new(Service)
        .max_decoding_message_size(LARGEST_MESSAGE)
        .max_encoding_message_size(LARGEST_MESSAGE)
}

#[tonic::async_trait]
impl Provider for Service {
    async fn get_metadata(&self, request: Request<pb::get_metadata::Request>) -> Reply<pb::get_metadata::Response> {
        let call = Call::new("GetMetadata");
        answer(call, request, describe::metadata).await
    }

    async fn get_schema(
        &self,
        request: Request<pb::get_provider_schema::Request>,
    ) -> Reply<pb::get_provider_schema::Response> {
        let call = Call::new("GetSchema");
        answer(call, request, describe::schema).await
    }

    async fn get_resource_identity_schemas(
        &self,
        request: Request<pb::get_resource_identity_schemas::Request>,
    ) -> Reply<pb::get_resource_identity_schemas::Response> {
        let call = Call::new("GetResourceIdentitySchemas");
        answer(call, request, describe::identity_schemas).await
    }

    async fn get_functions(&self, request: Request<pb::get_functions::Request>) -> Reply<pb::get_functions::Response> {
        let call = Call::new("GetFunctions");
        answer(call, request, describe::functions).await
    }

    async fn prepare_provider_config(
        &self,
        request: Request<pb::prepare_provider_config::Request>,
    ) -> Reply<pb::prepare_provider_config::Response> {
        let call = Call::new("PrepareProviderConfig");
        answer(call, request, describe::prepare).await
    }

    async fn configure(&self, request: Request<pb::configure::Request>) -> Reply<pb::configure::Response> {
        let call = Call::new("Configure");
        answer(call, request, describe::configure).await
    }

    async fn stop(&self, request: Request<pb::stop::Request>) -> Reply<pb::stop::Response> {
        let call = Call::new("Stop");
        answer(call, request, describe::stop).await
    }

    async fn call_function(&self, request: Request<pb::call_function::Request>) -> Reply<pb::call_function::Response> {
        let call = Call::function("CallFunction", &request.get_ref().name);
        answer(call, request, describe::call).await
    }

    async fn validate_resource_type_config(
        &self,
        request: Request<pb::validate_resource_type_config::Request>,
    ) -> Reply<pb::validate_resource_type_config::Response> {
        let call = Call::resource("ValidateResourceTypeConfig", &request.get_ref().type_name);
        answer(call, request, resource::validate).await
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<pb::upgrade_resource_state::Request>,
    ) -> Reply<pb::upgrade_resource_state::Response> {
        let call = Call::resource("UpgradeResourceState", &request.get_ref().type_name);
        answer(call, request, resource::upgrade_state).await
    }

    async fn upgrade_resource_identity(
        &self,
        request: Request<pb::upgrade_resource_identity::Request>,
    ) -> Reply<pb::upgrade_resource_identity::Response> {
        let call = Call::resource("UpgradeResourceIdentity", &request.get_ref().type_name);
        answer(call, request, resource::upgrade_identity).await
    }

    async fn read_resource(&self, request: Request<pb::read_resource::Request>) -> Reply<pb::read_resource::Response> {
        let call = Call::resource("ReadResource", &request.get_ref().type_name);
        answer(call, request, resource::read).await
    }

    async fn plan_resource_change(
        &self,
        request: Request<pb::plan_resource_change::Request>,
    ) -> Reply<pb::plan_resource_change::Response> {
        let call = Call::resource("PlanResourceChange", &request.get_ref().type_name);
        answer(call, request, resource::plan).await
    }

    async fn apply_resource_change(
        &self,
        request: Request<pb::apply_resource_change::Request>,
    ) -> Reply<pb::apply_resource_change::Response> {
        let call = Call::resource("ApplyResourceChange", &request.get_ref().type_name);
        answer(call, request, resource::apply).await
    }

    async fn import_resource_state(
        &self,
        request: Request<pb::import_resource_state::Request>,
    ) -> Reply<pb::import_resource_state::Response> {
        let call = Call::resource("ImportResourceState", &request.get_ref().type_name);
        answer(call, request, resource::import).await
    }

    async fn move_resource_state(
        &self,
        request: Request<pb::move_resource_state::Request>,
    ) -> Reply<pb::move_resource_state::Response> {
        let call = Call::resource("MoveResourceState", &request.get_ref().target_type_name);
        answer(call, request, resource::move_state).await
    }

    async fn generate_resource_config(
        &self,
        request: Request<pb::generate_resource_config::Request>,
    ) -> Reply<pb::generate_resource_config::Response> {
        let call = Call::resource("GenerateResourceConfig", &request.get_ref().type_name);
        answer(call, request, resource::generate_config).await
    }

    async fn validate_data_source_config(
        &self,
        request: Request<pb::validate_data_source_config::Request>,
    ) -> Reply<pb::validate_data_source_config::Response> {
        let call = Call::data_source("ValidateDataSourceConfig", &request.get_ref().type_name);
        answer(call, request, data_source::validate).await
    }

    async fn read_data_source(
        &self,
        request: Request<pb::read_data_source::Request>,
    ) -> Reply<pb::read_data_source::Response> {
        let call = Call::data_source("ReadDataSource", &request.get_ref().type_name);
        answer(call, request, data_source::read).await
    }

    async fn validate_ephemeral_resource_config(
        &self,
        request: Request<pb::validate_ephemeral_resource_config::Request>,
    ) -> Reply<pb::validate_ephemeral_resource_config::Response> {
        let call = Call::ephemeral("ValidateEphemeralResourceConfig", &request.get_ref().type_name);
        answer(call, request, |_, asked| {
            absent::answer("ephemeral resource", asked.type_name)
        })
        .await
    }

    async fn open_ephemeral_resource(
        &self,
        request: Request<pb::open_ephemeral_resource::Request>,
    ) -> Reply<pb::open_ephemeral_resource::Response> {
        let call = Call::ephemeral("OpenEphemeralResource", &request.get_ref().type_name);
        answer(call, request, |_, asked| {
            absent::answer("ephemeral resource", asked.type_name)
        })
        .await
    }

    async fn renew_ephemeral_resource(
        &self,
        request: Request<pb::renew_ephemeral_resource::Request>,
    ) -> Reply<pb::renew_ephemeral_resource::Response> {
        let call = Call::ephemeral("RenewEphemeralResource", &request.get_ref().type_name);
        answer(call, request, |_, asked| {
            absent::answer("ephemeral resource", asked.type_name)
        })
        .await
    }

    async fn close_ephemeral_resource(
        &self,
        request: Request<pb::close_ephemeral_resource::Request>,
    ) -> Reply<pb::close_ephemeral_resource::Response> {
        let call = Call::ephemeral("CloseEphemeralResource", &request.get_ref().type_name);
        answer(call, request, |_, asked| {
            absent::answer("ephemeral resource", asked.type_name)
        })
        .await
    }

    async fn validate_list_resource_config(
        &self,
        request: Request<pb::validate_list_resource_config::Request>,
    ) -> Reply<pb::validate_list_resource_config::Response> {
        let call = Call::list("ValidateListResourceConfig", &request.get_ref().type_name);
        answer(call, request, |_, asked| {
            absent::answer("list resource", asked.type_name)
        })
        .await
    }

    async fn validate_action_config(
        &self,
        request: Request<pb::validate_action_config::Request>,
    ) -> Reply<pb::validate_action_config::Response> {
        let call = Call::action("ValidateActionConfig", &request.get_ref().type_name);
        answer(call, request, |_, asked| absent::answer("action", asked.type_name)).await
    }

    async fn plan_action(&self, request: Request<pb::plan_action::Request>) -> Reply<pb::plan_action::Response> {
        let call = Call::action("PlanAction", &request.get_ref().action_type);
        answer(call, request, |_, asked| absent::answer("action", asked.action_type)).await
    }

    type ListResourceStream = Answers<list_resource::Event>;

    async fn list_resource(&self, request: Request<list_resource::Request>) -> Reply<Self::ListResourceStream> {
        let call = Call::list("ListResource", &request.get_ref().type_name);
        let event = answer(call, request, |_, asked| {
            absent::answer("list resource", asked.type_name)
        })
        .await?;
        Ok(Response::new(once(event.into_inner())))
    }

    type InvokeActionStream = Answers<invoke_action::Event>;

    async fn invoke_action(&self, request: Request<invoke_action::Request>) -> Reply<Self::InvokeActionStream> {
        let call = Call::action("InvokeAction", &request.get_ref().action_type);
        let completed = answer(call, request, |_, asked| absent::answer("action", asked.action_type)).await?;
        // Core takes an event of no type for an impossibility.
        let r#type = Some(Type::Completed(completed.into_inner()));
        Ok(Response::new(once(invoke_action::Event { r#type })))
    }
}

fn once<T: Send + 'static>(event: T) -> Answers<T> {
    Box::pin(stream::iter([Ok(event)]))
}
