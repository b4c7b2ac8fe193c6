//! Every call as Core makes it: a gRPC error is never an answer of a provider that works.

use entradb::wire::proto::tfplugin5 as pb;
use entradb::wire::proto::tfplugin5::provider_client::ProviderClient;
use tonic::transport::Channel;

/// The calls on one connection.
#[derive(Clone)]
pub struct Calls(ProviderClient<Channel>);

/// GetSchema is called with this limit, everything else with none.
const LARGEST_SCHEMA: usize = 64 << 20;

impl Calls {
    /// On this connection.
    pub fn new(channel: Channel) -> Self {
        Self(ProviderClient::new(channel).max_decoding_message_size(LARGEST_SCHEMA))
    }

    /// The calls as they are, errors and all.
    pub fn raw(&self) -> ProviderClient<Channel> {
        self.0.clone()
    }
}

macro_rules! calls {
    ($($call:ident: $message:ident),* $(,)?) => {
        impl Calls {
            $(pub async fn $call(&self, request: pb::$message::Request) -> pb::$message::Response {
                let answer = self.0.clone().$call(request).await;
                answer.unwrap_or_else(|status| panic!("{}: {status}", stringify!($call))).into_inner()
            })*
        }
    };
}

calls! {
    get_schema: get_provider_schema,
    get_resource_identity_schemas: get_resource_identity_schemas,
    prepare_provider_config: prepare_provider_config,
    configure: configure,
    stop: stop,
    call_function: call_function,
    validate_resource_type_config: validate_resource_type_config,
    upgrade_resource_state: upgrade_resource_state,
    read_resource: read_resource,
    plan_resource_change: plan_resource_change,
    apply_resource_change: apply_resource_change,
    import_resource_state: import_resource_state,
    generate_resource_config: generate_resource_config,
    validate_data_source_config: validate_data_source_config,
    read_data_source: read_data_source,
}
