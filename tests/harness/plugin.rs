//! A provider that runs and is spoken to: what Core calls on the provider as a whole.

use std::process::ExitStatus;

use entradb::protocol::json;
use entradb::protocol::value::{Object, Value};
use entradb::provider::Provider;
use entradb::wire::call::Served;
use entradb::wire::ending::{Ending, Presence};
use entradb::wire::handshake::Invitation;
use entradb::wire::listen::Listener;
use entradb::wire::proto::plugin::grpc_controller_client::GrpcControllerClient;
use entradb::wire::proto::{plugin as host, tfplugin5 as pb};
use entradb::wire::serve;
use tonic::transport::Channel;

use crate::harness::calls::Calls;
use crate::harness::core_rules;
use crate::harness::message::{Told, accept, expect_nothing, receive, send, tell};
use crate::harness::process::{self, Client, Log, Process};
use crate::harness::resource::Resource;
use crate::harness::schema::Schemas;

/// The version that the harness claims to be: one with every feature.
const TERRAFORM: &str = "1.14.0";

/// A provider that runs.
pub struct Plugin {
    /// Every call.
    pub calls: Calls,
    channel: Channel,
    process: Option<Process>,
    log: Log,
    ending: Option<Ending>,
    /// What it has.
    pub schemas: Schemas,
}

impl Plugin {
    /// Starts the real binary, with this environment and no other.
    pub async fn start(environment: &[(&str, &str)]) -> Self {
        let process = Process::start(environment, None).await;
        let channel = process::connect(&process.handshake.socket).await;
        Self::greet(channel, process.log(), Some(process), None).await
    }

    /// The same, with one-time certificates on both sides: how Terraform does it.
    pub async fn start_encrypted(environment: &[(&str, &str)]) -> Self {
        let client = Client::new();
        let process = Process::start(environment, Some(&client.pem)).await;
        let channel = client.connect(&process.handshake).await.expect("both sides agree");
        Self::greet(channel, process.log(), Some(process), None).await
    }

    /// Serves another provider in this process, over a socket all the same: to try the harness and the framework.
    pub async fn serve(provider: impl Fn() -> Provider + Clone + Send + 'static) -> Self {
        let bound = Listener::bind(&Invitation::default()).await.expect("a socket");
        let socket = std::path::PathBuf::from(&bound.address.address);
        let ending = Ending::new();
        let routes = serve::routes(&ending, None);
        let connections = bound
            .listener
            .connections(None, Presence::default(), move || Served::new(provider()));
        let (serving, traces) = (ending.clone(), bound.traces);
        tokio::spawn(async move {
            let served = serve::serve(routes, connections, &serving).await;
            drop(traces);
            served
        });
        let channel = process::connect(&socket).await;
        Self::greet(channel, Log::default(), None, Some(ending)).await
    }

    async fn greet(channel: Channel, log: Log, process: Option<Process>, ending: Option<Ending>) -> Self {
        let calls = Calls::new(channel.clone());
        let schema = calls.get_schema(pb::get_provider_schema::Request {}).await;
        expect_nothing("GetSchema", &schema.diagnostics);
        let capabilities = schema.server_capabilities.unwrap_or_default();
        assert!(capabilities.plan_destroy, "destroying is planned");
        assert!(
            capabilities.get_provider_schema_optional,
            "one schema for each command is enough"
        );
        let identities = calls
            .get_resource_identity_schemas(pb::get_resource_identity_schemas::Request {})
            .await;
        expect_nothing("GetResourceIdentitySchemas", &identities.diagnostics);
        let schemas = Schemas::from_wire(&schema, &identities.identity_schemas);
        Self {
            calls,
            channel,
            process,
            log,
            ending,
            schemas,
        }
    }

    /// Gives the provider block, as far as `given` says something, and panics when it is refused.
    pub async fn configure(&self, given: Object) {
        let told = self.try_configure(given).await;
        assert!(
            told.iter().all(|one| !one.error),
            "the provider block is refused: {told:#?}"
        );
    }

    /// Gives the provider block; what is told is handed back.
    pub async fn try_configure(&self, given: Object) -> Vec<Told> {
        let config = self.schemas.provider.config(given);
        let prepared = self
            .calls
            .prepare_provider_config(pb::prepare_provider_config::Request {
                config: Some(send(&config)),
            });
        let prepared = prepared.await;
        let told = tell(&prepared.diagnostics, Some(&self.schemas.provider.r#type()));
        if told.iter().any(|one| one.error) {
            return told;
        }
        let configured = self.calls.configure(pb::configure::Request {
            terraform_version: TERRAFORM.to_owned(),
            config: Some(send(&config)),
            client_capabilities: None,
        });
        let configured = configured.await;
        tell(&configured.diagnostics, Some(&self.schemas.provider.r#type()))
    }

    /// A resource type.
    pub fn resource(&self, name: &str) -> Resource<'_> {
        let schema = self.schemas.resources.get_key_value(name);
        let (name, schema) = schema.unwrap_or_else(|| panic!("no resource `{name}`"));
        Resource {
            plugin: self,
            name,
            schema,
        }
    }

    /// The mistakes in a data source's configuration.
    pub async fn validate_data_source(&self, name: &str, config: &Value) -> Vec<Told> {
        let block = &self.schemas.data_sources[name];
        let validated = self
            .calls
            .validate_data_source_config(pb::validate_data_source_config::Request {
                type_name: name.to_owned(),
                config: Some(send(config)),
            });
        let validated = validated.await;
        tell(&validated.diagnostics, Some(&block.r#type()))
    }

    /// Reads a data source, and panics when that fails.
    pub async fn read_data_source(&self, name: &str, given: Object) -> Object {
        let read = self.try_read_data_source(name, given).await;
        read.unwrap_or_else(|told| panic!("{name} cannot be read: {told:#?}"))
    }

    /// Reads a data source.
    ///
    /// # Errors
    /// What was told, when an error was among it.
    pub async fn try_read_data_source(&self, name: &str, given: Object) -> Result<Object, Vec<Told>> {
        let block = self.schemas.data_sources.get(name);
        let block = block.unwrap_or_else(|| panic!("no data source `{name}`"));
        let config = block.config(given);
        let told = self.validate_data_source(name, &config).await;
        if told.iter().any(|one| one.error) {
            return Err(told);
        }
        let read = self.calls.read_data_source(pb::read_data_source::Request {
            type_name: name.to_owned(),
            config: Some(send(&config)),
            provider_meta: None,
            client_capabilities: None,
        });
        let read = read.await;
        let told = tell(&read.diagnostics, Some(&block.r#type()));
        if told.iter().any(|one| one.error) {
            return Err(told);
        }
        let state = receive(read.state.as_ref(), &block.r#type());
        accept(name, "what was read", core_rules::conforms(block, &state));
        accept(name, "what was read", core_rules::wholly_known(&state));
        let Value::Map(state) = state else {
            panic!("{name}: Core refuses a data source that is absent");
        };
        Ok(state)
    }

    /// Calls a function twice, as plan and apply do: the answer is the same.
    ///
    /// # Errors
    /// What the function said of the arguments.
    pub async fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, pb::FunctionError> {
        let function = self.schemas.functions.get(name);
        let function = function.unwrap_or_else(|| panic!("no function `{name}`"));
        let returned = function.r#return.as_ref().expect("a function returns something");
        let r#type = json::decode_type(&returned.r#type).expect("a type");
        let request = pb::call_function::Request {
            name: name.to_owned(),
            arguments: arguments.iter().map(send).collect(),
        };
        let first = self.calls.call_function(request.clone()).await;
        let first = first;
        let second = self.calls.call_function(request).await;
        assert_eq!(first, second, "{name} is not pure");
        match first.error {
            Some(error) => Err(error),
            None => {
                let result = receive(first.result.as_ref(), &r#type);
                assert!(result.is_wholly_known(), "{name} gives an unknown value");
                Ok(result)
            }
        }
    }

    /// Ends the waiting of every call in flight, as Ctrl-C does.
    pub async fn stop(&self) {
        let stopped = self.calls.stop(pb::stop::Request {}).await;
        assert_eq!(stopped.error, "");
    }

    /// Says the last word and waits for the end of the process.
    pub async fn shut_down(mut self) -> ExitStatus {
        let process = self.process.take().expect("only a process ends");
        assert!(
            !self.log().iter().any(|line| line.contains("eyJ")),
            "a token is in the log"
        );
        // The process may be gone before the answer is out: Core does not mind either.
        let _ = GrpcControllerClient::new(self.channel.clone())
            .shutdown(host::Empty {})
            .await;
        process.ended().await
    }

    /// What the provider wrote to its log so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lines()
    }

    /// The process, when it is one.
    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        if let Some(ending) = &self.ending {
            ending.begin();
        }
    }
}
