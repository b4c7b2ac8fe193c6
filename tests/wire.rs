//! The real binary, looked at from outside: how it starts, refuses, listens, answers and ends.

use std::process::Stdio;
use std::time::{Duration, Instant};

use entradb::protocol::value::{Object, Value};
use entradb::wire::proto::tfplugin5 as pb;

use crate::config;
use crate::harness::message::send;
use crate::harness::plugin::Plugin;
use crate::harness::process::{Client, Process, command, connect};

/// What each way to start says when Terraform did not start it.
async fn said(environment: &[(&str, &str)], arguments: &[&str]) -> (bool, String, String) {
    let output = command(environment).args(arguments).output().await.expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_person_who_starts_it_is_told_what_it_is() {
    let (success, output, errors) = said(&[], &[]).await;
    assert!(!success && output.is_empty());
    assert!(errors.contains("This is a Terraform provider"), "{errors}");
    let (success, output, _) = said(&[], &["--version"]).await;
    assert!(success && output.starts_with("terraform-provider-entradb "), "{output}");
    let (success, output, _) = said(&[], &["-help"]).await;
    assert!(success && output.contains("required_providers"), "{output}");
    assert!(!said(&[], &["--what"]).await.0);
}

#[tokio::test]
async fn other_versions_are_refused() {
    let cookie = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";
    let environment = [("TF_PLUGIN_MAGIC_COOKIE", cookie), ("PLUGIN_PROTOCOL_VERSIONS", "6,7")];
    let (success, output, errors) = said(&environment, &[]).await;
    assert!(!success && output.is_empty());
    assert!(errors.contains("speaks only: 6,7"), "{errors}");
}

#[tokio::test]
async fn a_plain_connection_lives_until_the_last_word() {
    let plugin = Plugin::start(&[]).await;
    plugin.configure(config! {}).await;
    let socket = plugin.process().expect("a process").handshake.socket.clone();
    assert!(socket.exists());
    plugin.stop().await;
    let before = Instant::now();
    assert!(plugin.shut_down().await.success());
    assert!(
        before.elapsed() < Duration::from_secs(1),
        "Core waits for the end of the process"
    );
    assert!(!socket.exists(), "the socket is left behind");
}

#[tokio::test]
async fn terraforms_own_certificate_opens_the_connection() {
    let plugin = Plugin::start_encrypted(&[]).await;
    plugin.configure(config! {}).await;
    assert!(plugin.shut_down().await.success());
}

#[tokio::test]
async fn nobody_else_is_let_in() {
    let (terraform, stranger) = (Client::new(), Client::new());
    let process = Process::start(&[], Some(&terraform.pem)).await;
    assert!(process.handshake.line.starts_with("1|5|unix|"));
    let mut refused = true;
    if let Ok(channel) = stranger.connect(&process.handshake).await {
        // With TLS 1.3 the refusal may come after the client's side is content.
        let mut client = crate::harness::calls::Calls::new(channel).raw();
        refused = client.get_schema(pb::get_provider_schema::Request {}).await.is_err();
    }
    assert!(refused, "a stranger's certificate is accepted");
    assert!(terraform.connect(&process.handshake).await.is_ok());
}

#[tokio::test]
async fn the_log_is_one_json_object_a_line_and_only_when_asked_for() {
    let loud = Plugin::start(&[("TF_LOG", "TRACE")]).await;
    loud.configure(config! {}).await;
    let lines = loud.log();
    assert!(!lines.is_empty());
    for line in &lines {
        let object: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for key in ["@level", "@message", "@timestamp"] {
            assert!(object[key].is_string(), "Terraform panics without {key}: {line}");
        }
    }
    let silent = Plugin::start(&[("TF_LOG", "TRACE"), ("TF_LOG_PROVIDER", "OFF")]).await;
    silent.configure(config! {}).await;
    assert_eq!(silent.log(), Vec::<String>::new());
}

#[tokio::test]
async fn ctrl_c_is_terraforms_business() {
    let plugin = Plugin::start(&[]).await;
    let id = plugin.process().expect("a process").id().to_string();
    let kill = tokio::process::Command::new("kill")
        .args(["-INT", &id])
        .stdout(Stdio::null())
        .status();
    assert!(kill.await.expect("a kill command").success());
    plugin.configure(config! {}).await;
    assert!(plugin.shut_down().await.success());
}

#[tokio::test]
async fn what_the_provider_has_none_of_is_told_and_no_failure() {
    let plugin = Plugin::start(&[]).await;
    let config = Some(send(&Value::Map(Object::new())));
    let type_name = "entradb_nothing".to_owned();
    let validated = plugin
        .calls
        .validate_resource_type_config(pb::validate_resource_type_config::Request {
            type_name: type_name.clone(),
            config: config.clone(),
            client_capabilities: None,
        });
    assert_eq!(validated.await.diagnostics.len(), 1);
    let read = plugin.calls.read_data_source(pb::read_data_source::Request {
        type_name: type_name.clone(),
        config: config.clone(),
        ..pb::read_data_source::Request::default()
    });
    assert_eq!(read.await.diagnostics.len(), 1);
    let called = plugin.calls.call_function(pb::call_function::Request {
        name: "nothing".to_owned(),
        arguments: Vec::new(),
    });
    assert!(called.await.error.is_some());
    let mut raw = plugin.calls.raw();
    let opened = raw.open_ephemeral_resource(pb::open_ephemeral_resource::Request {
        type_name: type_name.clone(),
        config: config.clone(),
        client_capabilities: None,
    });
    assert_eq!(opened.await.expect("an answer").into_inner().diagnostics.len(), 1);
    let moved = raw.move_resource_state(pb::move_resource_state::Request {
        target_type_name: type_name.clone(),
        ..pb::move_resource_state::Request::default()
    });
    assert_eq!(moved.await.expect("an answer").into_inner().diagnostics.len(), 1);
    let listed = raw.list_resource(pb::list_resource::Request {
        type_name: type_name.clone(),
        ..pb::list_resource::Request::default()
    });
    let mut events = listed.await.expect("a stream").into_inner();
    assert!(
        events
            .message()
            .await
            .expect("an event")
            .is_some_and(|event| !event.diagnostic.is_empty())
    );
    assert!(events.message().await.expect("an end").is_none());
    let invoked = raw.invoke_action(pb::invoke_action::Request {
        action_type: type_name,
        ..pb::invoke_action::Request::default()
    });
    let mut events = invoked.await.expect("a stream").into_inner();
    let event = events.message().await.expect("an event").expect("one event");
    assert!(matches!(
        event.r#type,
        Some(pb::invoke_action::event::Type::Completed(_))
    ));
    assert!(events.message().await.expect("an end").is_none());
}

#[tokio::test]
async fn bytes_that_mean_nothing_are_told_and_no_failure() {
    let plugin = Plugin::start(&[]).await;
    let nonsense = pb::DynamicValue {
        msgpack: vec![0xc1, 0xff, 0x00].into(),
        ..pb::DynamicValue::default()
    };
    let prepared = plugin
        .calls
        .prepare_provider_config(pb::prepare_provider_config::Request { config: Some(nonsense) });
    assert_eq!(prepared.await.diagnostics.len(), 1);
}

#[tokio::test]
async fn each_connection_is_configured_for_itself() {
    let process = Process::start(&[], None).await;
    let channel = connect(&process.handshake.socket).await;
    let second = connect(&process.handshake.socket).await;
    for channel in [channel, second] {
        let mut client = crate::harness::calls::Calls::new(channel).raw();
        let schema = client.get_schema(pb::get_provider_schema::Request {}).await;
        assert!(schema.expect("a schema").into_inner().provider.is_some());
    }
}
