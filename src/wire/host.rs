//! go-plugin's own services: the end of the process, two streams that stay silent, and health.

use std::pin::Pin;

use futures_util::{Stream, StreamExt as _, future, stream};
use tonic::service::RoutesBuilder;
use tonic::{Request, Response, Status, Streaming};

use crate::wire::ending::Ending;
use crate::wire::proto::health::health_check_response::ServingStatus;
use crate::wire::proto::health::health_server::{Health, HealthServer};
use crate::wire::proto::health::{HealthCheckRequest, HealthCheckResponse};
use crate::wire::proto::plugin::grpc_broker_server::{GrpcBroker, GrpcBrokerServer};
use crate::wire::proto::plugin::grpc_controller_server::{GrpcController, GrpcControllerServer};
use crate::wire::proto::plugin::grpc_stdio_server::{GrpcStdio, GrpcStdioServer};
use crate::wire::proto::plugin::{ConnInfo, Empty, StdioData};

/// The service that go-plugin's ping asks about.
const PLUGIN: &str = "plugin";

/// A stream of answers.
pub type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Adds the host's services. `shutdown` is what the host's last word begins; without it the word is
/// answered and nothing follows, as befits a process that others may be connected to.
pub fn add(routes: &mut RoutesBuilder, ending: &Ending, shutdown: Option<Ending>) {
    routes
        .add_service(GrpcControllerServer::new(Controller { shutdown }))
        .add_service(GrpcStdioServer::new(Silent { ending: ending.clone() }))
        .add_service(GrpcBrokerServer::new(Silent { ending: ending.clone() }))
        .add_service(HealthServer::new(Silent { ending: ending.clone() }));
}

/// Answers the host's last word.
struct Controller {
    shutdown: Option<Ending>,
}

#[tonic::async_trait]
impl GrpcController for Controller {
    async fn shutdown(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        tracing::debug!("the host asks for the end");
        if let Some(ending) = &self.shutdown {
            ending.begin();
        }
        Ok(Response::new(Empty {}))
    }
}

/// Services that the host opens at once and that never have anything to say.
struct Silent {
    ending: Ending,
}

impl Silent {
    /// Says nothing, and ends with the process.
    fn stream<T: Send + 'static>(&self) -> Answers<T> {
        let ending = self.ending.clone();
        let ended = stream::once(async move { ending.begun().await });
        Box::pin(ended.filter_map(|()| future::ready(None)))
    }
}

#[tonic::async_trait]
impl GrpcStdio for Silent {
    type StreamStdioStream = Answers<StdioData>;

    async fn stream_stdio(&self, _: Request<()>) -> Result<Response<Self::StreamStdioStream>, Status> {
        Ok(Response::new(self.stream()))
    }
}

#[tonic::async_trait]
impl GrpcBroker for Silent {
    type StartStreamStream = Answers<ConnInfo>;

    async fn start_stream(&self, _: Request<Streaming<ConnInfo>>) -> Result<Response<Self::StartStreamStream>, Status> {
        Ok(Response::new(self.stream()))
    }
}

#[tonic::async_trait]
impl Health for Silent {
    type WatchStream = Answers<HealthCheckResponse>;

    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        match status(&request.get_ref().service) {
            ServingStatus::ServiceUnknown => Err(Status::not_found("unknown service")),
            known => Ok(Response::new(HealthCheckResponse { status: known.into() })),
        }
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let status = status(&request.get_ref().service);
        let first = stream::iter([Ok(HealthCheckResponse { status: status.into() })]);
        Ok(Response::new(Box::pin(first.chain(self.stream()))))
    }
}

/// The empty name stands for the whole server.
fn status(service: &str) -> ServingStatus {
    if service.is_empty() || service == PLUGIN {
        ServingStatus::Serving
    } else {
        ServingStatus::ServiceUnknown
    }
}
