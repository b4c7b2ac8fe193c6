//! Who may connect, and how it ends.

use tokio_stream::StreamExt as _;
use tonic::transport::Channel;

use crate::wire::proto::health::health_client::HealthClient;
use crate::wire::proto::health::{HealthCheckRequest, HealthCheckResponse};
use crate::wire::proto::plugin::Empty;
use crate::wire::proto::plugin::grpc_broker_client::GrpcBrokerClient;
use crate::wire::proto::plugin::grpc_controller_client::GrpcControllerClient;
use crate::wire::proto::plugin::grpc_stdio_client::GrpcStdioClient;
use crate::wire::tests::{Credentials, start};

async fn health(channel: Channel, service: &str) -> Result<HealthCheckResponse, tonic::Status> {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    HealthClient::new(channel)
        .check(request)
        .await
        .map(tonic::Response::into_inner)
}

#[tokio::test]
async fn the_host_is_admitted_by_its_own_certificate() {
    let host = Credentials::new();
    let running = start(Some(&host)).await;
    let channel = running.encrypted(Some(&host)).await.expect("admitted");
    assert_eq!(health(channel.clone(), "plugin").await.expect("answered").status, 1);
    let unknown = health(channel, "other").await.expect_err("unknown");
    assert_eq!(unknown.code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn anyone_else_is_refused() {
    let host = Credentials::new();
    let running = start(Some(&host)).await;
    let stranger = Credentials::new();
    // The host's certificate alone proves nothing: its key must sign.
    let thief = Credentials {
        certificate: host.certificate.clone(),
        key: stranger.key.clone_key(),
    };
    for client in [Some(&stranger), Some(&thief), None] {
        let refused = match running.encrypted(client).await {
            Ok(channel) => health(channel, "plugin").await.is_err(),
            Err(_) => true,
        };
        assert!(refused);
    }
    let refused = match running.plaintext().await {
        Ok(channel) => health(channel, "plugin").await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
    // Nobody was harmed.
    let channel = running.encrypted(Some(&host)).await.expect("admitted");
    assert!(health(channel, "plugin").await.is_ok());
}

#[tokio::test]
async fn a_peer_that_says_nothing_keeps_nobody_waiting() {
    let host = Credentials::new();
    let running = start(Some(&host)).await;
    let _silent = tokio::net::UnixStream::connect(&running.path).await.expect("connects");
    let channel = running.encrypted(Some(&host)).await.expect("admitted");
    assert!(health(channel, "plugin").await.is_ok());
}

#[tokio::test]
async fn a_host_without_a_certificate_is_served_in_plaintext() {
    let running = start(None).await;
    let channel = running.plaintext().await.expect("connects");
    assert!(health(channel, "").await.is_ok());
}

#[tokio::test]
async fn the_last_word_ends_the_silent_streams_and_the_server() {
    let running = start(None).await;
    let channel = running.plaintext().await.expect("connects");
    let stdio = GrpcStdioClient::new(channel.clone())
        .stream_stdio(())
        .await
        .expect("opens");
    let (_say, said) = tokio::sync::mpsc::channel(1);
    let said = tokio_stream::wrappers::ReceiverStream::new(said);
    let broker = GrpcBrokerClient::new(channel.clone())
        .start_stream(said)
        .await
        .expect("opens");
    GrpcControllerClient::new(channel)
        .shutdown(Empty {})
        .await
        .expect("answered");
    assert!(stdio.into_inner().next().await.is_none());
    assert!(broker.into_inner().next().await.is_none());
    running.served.await.expect("no panic").expect("ends well");
}
