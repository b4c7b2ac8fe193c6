//! Every call, from protobuf to protobuf.

use tonic::transport::Channel;

use crate::protocol::value::{Object, Type, Value};
use crate::wire::convert;
use crate::wire::proto::tfplugin5::provider_client::ProviderClient;
use crate::wire::proto::tfplugin5::{self as pb, apply_resource_change, plan_resource_change};
use crate::wire::tests::{Running, start};

const KETTLE: &str = "entradb_kettle";
const STORED: &str = r#"{"cups": 3, "name": "tin", "serial": 7}"#;

async fn client() -> (Running, ProviderClient<Channel>) {
    let running = start(None).await;
    let channel = running.plaintext().await.expect("connects");
    (running, ProviderClient::new(channel))
}

fn kettle_type() -> Type {
    let attributes = [
        ("cups", Type::Number),
        ("name", Type::String),
        ("serial", Type::Number),
        ("whistles", Type::Bool),
    ];
    Type::object(attributes.map(|(name, r#type)| (name.to_owned(), r#type)))
}

fn kettle(name: &str, cups: Value, serial: Value) -> Value {
    let attributes = [
        ("cups", cups),
        ("name", Value::from(name)),
        ("serial", serial),
        ("whistles", Value::from(true)),
    ];
    Value::Map(Object::from(attributes.map(|(name, value)| (name.to_owned(), value))))
}

fn written(value: &Value) -> Option<pb::DynamicValue> {
    Some(convert::dynamic(value))
}

fn read(value: Option<pb::DynamicValue>) -> Value {
    convert::value(value.as_ref(), &kettle_type()).expect("a kettle")
}

fn name_of(identity: Option<pb::ResourceIdentityData>) -> Option<String> {
    let r#type = Type::object([("name".to_owned(), Type::String)]);
    let identity = convert::value(identity?.identity_data.as_ref(), &r#type).expect("an identity");
    Some(identity.as_object()?.get("name")?.as_str()?.to_owned())
}

fn summaries(told: &[pb::Diagnostic]) -> Vec<&str> {
    told.iter().map(|diagnostic| diagnostic.summary.as_str()).collect()
}

#[tokio::test]
async fn the_schema_has_what_core_demands() {
    let (_running, mut client) = client().await;
    let schema = client
        .get_schema(pb::get_provider_schema::Request {})
        .await
        .expect("answered")
        .into_inner();
    assert!(schema.provider.expect("a provider block").block.is_some());
    let capabilities = schema.server_capabilities.expect("capabilities");
    assert!(capabilities.plan_destroy && capabilities.get_provider_schema_optional);
    let kettle = &schema.resource_schemas[KETTLE];
    assert_eq!(kettle.version, 1);
    let attributes = &kettle.block.as_ref().expect("a block").attributes;
    let name = attributes
        .iter()
        .find(|attribute| attribute.name == "name")
        .expect("a name");
    assert!(name.required && !name.computed);
    assert_eq!(name.r#type, br#""string""#);

    let identities = client
        .get_resource_identity_schemas(pb::get_resource_identity_schemas::Request {})
        .await;
    let identities = identities.expect("answered").into_inner().identity_schemas;
    assert_eq!(identities[KETTLE].identity_attributes[0].name, "name");
    let metadata = client
        .get_metadata(pb::get_metadata::Request {})
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(metadata.resources[0].type_name, KETTLE);
    let functions = client
        .get_functions(pb::get_functions::Request {})
        .await
        .expect("answered")
        .into_inner();
    assert!(functions.functions.is_empty() && functions.diagnostics.is_empty());
}

async fn plan(client: &mut ProviderClient<Channel>, prior: &Value, proposed: &Value) -> plan_resource_change::Response {
    let request = plan_resource_change::Request {
        type_name: KETTLE.into(),
        prior_state: written(prior),
        proposed_new_state: written(proposed),
        config: written(proposed),
        prior_private: b"kept".to_vec(),
        ..plan_resource_change::Request::default()
    };
    client
        .plan_resource_change(request)
        .await
        .expect("answered")
        .into_inner()
}

async fn apply(
    client: &mut ProviderClient<Channel>,
    prior: &Value,
    planned: &Value,
) -> apply_resource_change::Response {
    let request = apply_resource_change::Request {
        type_name: KETTLE.into(),
        prior_state: written(prior),
        planned_state: written(planned),
        config: written(planned),
        planned_private: b"kept".to_vec(),
        ..apply_resource_change::Request::default()
    };
    client
        .apply_resource_change(request)
        .await
        .expect("answered")
        .into_inner()
}

async fn configured() -> (Running, ProviderClient<Channel>) {
    let (running, mut client) = client().await;
    let schema = client
        .get_schema(pb::get_provider_schema::Request {})
        .await
        .expect("answered")
        .into_inner();
    let attributes = schema
        .provider
        .and_then(|schema| schema.block)
        .expect("a block")
        .attributes;
    let nothing = Object::from_iter(attributes.into_iter().map(|attribute| (attribute.name, Value::Null)));
    let config = written(&Value::Map(nothing));
    let prepare = pb::prepare_provider_config::Request { config: config.clone() };
    let prepared = client
        .prepare_provider_config(prepare)
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(
        (prepared.prepared_config, prepared.diagnostics),
        (config.clone(), Vec::new())
    );
    let configure = pb::configure::Request {
        config,
        ..pb::configure::Request::default()
    };
    client.configure(configure).await.expect("answered");
    (running, client)
}

#[tokio::test]
async fn a_kettle_is_planned_made_read_and_taken_away() {
    let (_running, mut client) = configured().await;
    let wanted = kettle("tin", Value::from(3), Value::Null);
    let planned = plan(&mut client, &Value::Null, &wanted).await;
    assert_eq!(summaries(&planned.diagnostics), [""; 0]);
    assert_eq!(name_of(planned.planned_identity).as_deref(), Some("tin"));
    let planned = read(planned.planned_state);
    assert!(planned.as_object().expect("planned")["serial"].is_unknown());

    let made = apply(&mut client, &Value::Null, &planned).await;
    assert_eq!(summaries(&made.diagnostics), [""; 0]);
    assert_eq!(
        (made.private.as_slice(), name_of(made.new_identity).as_deref()),
        (b"kept".as_slice(), Some("tin"))
    );
    let state = read(made.new_state);
    assert_eq!(state, kettle("tin", Value::from(3), Value::from(7)));

    let replaced = plan(&mut client, &state, &kettle("brass", Value::from(3), Value::from(7))).await;
    assert_eq!(replaced.requires_replace.len(), 1);
    let removed = plan(&mut client, &state, &Value::Null).await;
    assert!(read(removed.planned_state).is_null());
    let removed = apply(&mut client, &state, &Value::Null).await;
    assert_eq!(summaries(&removed.diagnostics), [""; 0]);
    assert!(read(removed.new_state).is_null());
    assert_eq!(name_of(removed.new_identity), None);
}

#[tokio::test]
async fn reading_keeps_what_stands_beside_the_state() {
    let (_running, mut client) = configured().await;
    let request = |name: &str| pb::read_resource::Request {
        type_name: KETTLE.into(),
        current_state: written(&kettle(name, Value::Null, Value::from(1))),
        private: b"kept".to_vec(),
        ..pb::read_resource::Request::default()
    };
    let found = client
        .read_resource(request("tin"))
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(read(found.new_state), kettle("tin", Value::Null, Value::from(7)));
    assert_eq!(
        (found.private.as_slice(), name_of(found.new_identity).as_deref()),
        (b"kept".as_slice(), Some("tin"))
    );
    let gone = client
        .read_resource(request("gone"))
        .await
        .expect("answered")
        .into_inner();
    assert!(read(gone.new_state).is_null() && gone.diagnostics.is_empty());
}

#[tokio::test]
async fn after_a_panic_nothing_that_may_exist_is_forgotten() {
    let (_running, mut client) = configured().await;
    let planned = kettle("boom", Value::from(3), Value::unknown());
    let made = apply(&mut client, &Value::Null, &planned).await;
    let prior = kettle("boom", Value::from(2), Value::from(7));
    let changed = apply(&mut client, &prior, &kettle("boom", Value::from(3), Value::from(7))).await;
    let removed = apply(&mut client, &prior, &Value::Null).await;
    for answer in [&made, &changed, &removed] {
        assert_eq!(summaries(&answer.diagnostics), ["This is a bug in the provider"]);
        assert!(
            answer.diagnostics[0].detail.contains("the kettle burst"),
            "{}",
            answer.diagnostics[0].detail
        );
        assert_eq!(answer.private, b"kept");
    }
    assert_eq!(read(made.new_state), kettle("boom", Value::from(3), Value::Null));
    assert_eq!(read(changed.new_state), prior);
    assert_eq!(read(removed.new_state), prior);
}

#[tokio::test]
async fn current_state_goes_back_as_it_was_and_what_came_later_has_its_default() {
    let (_running, mut client) = client().await;
    let request = |version| pb::upgrade_resource_state::Request {
        type_name: KETTLE.into(),
        version,
        raw_state: Some(pb::RawState {
            json: STORED.into(),
            flatmap: [].into(),
        }),
    };
    let current = client
        .upgrade_resource_state(request(1))
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(
        read(current.upgraded_state),
        kettle("tin", Value::from(3), Value::from(7))
    );
    let older = client
        .upgrade_resource_state(request(0))
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(summaries(&older.diagnostics), ["This is a bug in the provider"]);
    let identity = pb::upgrade_resource_identity::Request {
        type_name: KETTLE.into(),
        version: 0,
        raw_identity: Some(pb::RawState {
            json: r#"{"name":"tin"}"#.into(),
            flatmap: [].into(),
        }),
    };
    let identity = client
        .upgrade_resource_identity(identity)
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(name_of(identity.upgraded_identity).as_deref(), Some("tin"));
}

#[tokio::test]
async fn a_kettle_is_imported_by_id_and_by_identity() {
    let (_running, mut client) = configured().await;
    let name = Value::Map(Object::from([("name".to_owned(), Value::from("tin"))]));
    let by_id = pb::import_resource_state::Request {
        type_name: KETTLE.into(),
        id: "tin".into(),
        ..Default::default()
    };
    let by_identity = pb::import_resource_state::Request {
        identity: Some(convert::identity_data(&name)),
        id: String::new(),
        ..by_id.clone()
    };
    let unknown = pb::import_resource_state::Request {
        id: "gone".into(),
        ..by_id.clone()
    };
    for request in [by_id, by_identity] {
        let imported = client
            .import_resource_state(request)
            .await
            .expect("answered")
            .into_inner();
        let [resource] = &imported.imported_resources[..] else {
            panic!("one kettle")
        };
        assert_eq!(resource.type_name, KETTLE);
        assert_eq!(name_of(resource.identity.clone()).as_deref(), Some("tin"));
        assert!(read(resource.state.clone()).is_wholly_known());
    }
    let imported = client
        .import_resource_state(unknown)
        .await
        .expect("answered")
        .into_inner();
    assert!(imported.imported_resources.is_empty());
    assert_eq!(summaries(&imported.diagnostics), ["Not found"]);
}

#[tokio::test]
async fn what_does_not_exist_is_told_and_never_a_grpc_error() {
    let (_running, mut client) = client().await;
    let name = || "entradb_teapot".to_owned();
    let read = pb::read_resource::Request {
        type_name: name(),
        ..Default::default()
    };
    let read = client.read_resource(read).await.expect("answered").into_inner();
    assert_eq!(summaries(&read.diagnostics), ["Unknown resource type"]);
    let source = pb::read_data_source::Request {
        type_name: name(),
        ..Default::default()
    };
    let source = client.read_data_source(source).await.expect("answered").into_inner();
    assert_eq!(summaries(&source.diagnostics), ["Unknown data source"]);
    let open = pb::open_ephemeral_resource::Request {
        type_name: name(),
        ..Default::default()
    };
    let open = client
        .open_ephemeral_resource(open)
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(summaries(&open.diagnostics), ["Unknown type"]);
    let call = pb::call_function::Request {
        name: name(),
        arguments: Vec::new(),
    };
    let call = client.call_function(call).await.expect("answered").into_inner();
    assert!(call.error.expect("an error").text.contains("entradb_teapot"));

    let list = pb::list_resource::Request {
        type_name: name(),
        ..Default::default()
    };
    let mut events = client.list_resource(list).await.expect("answered").into_inner();
    let event = events.message().await.expect("an event").expect("one");
    assert_eq!(summaries(&event.diagnostic), ["Unknown type"]);
    assert_eq!(events.message().await.expect("the end"), None);
    let invoke = pb::invoke_action::Request {
        action_type: name(),
        ..Default::default()
    };
    let mut events = client.invoke_action(invoke).await.expect("answered").into_inner();
    let event = events.message().await.expect("an event").expect("one");
    assert!(matches!(
        event.r#type,
        Some(pb::invoke_action::event::Type::Completed(_))
    ));
    assert_eq!(events.message().await.expect("the end"), None);
}

#[tokio::test]
async fn stopping_is_answered_at_once_and_calls_go_on() {
    let (_running, mut client) = configured().await;
    let stopped = client.stop(pb::stop::Request {}).await.expect("answered").into_inner();
    assert_eq!(stopped.error, "");
    let planned = plan(&mut client, &Value::Null, &kettle("tin", Value::Null, Value::Null)).await;
    assert_eq!(summaries(&planned.diagnostics), [""; 0]);
}
