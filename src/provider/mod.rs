//! Between Terraform's vocabulary and the resources: finds a resource, plans by one set of rules, keeps what was configured.

pub mod clients;
pub mod config;
pub mod context;
pub mod database_server;
pub mod exchange;
pub mod explain;
pub mod function;
pub mod import;
pub mod login;
pub mod plan;
pub mod postgresql;
pub mod resource;
pub mod server;
pub mod session;
pub mod settings;
mod sign_in;
pub mod snapshot;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::protocol::model::Model;
use crate::protocol::schema::Schema;
use crate::protocol::value::Type;
use crate::provider::config::ProviderBlock;
use crate::provider::function::{AnyFunction, Signature};
use crate::provider::resource::{AnyDataSource, AnyResource};
use crate::provider::session::Session;
use crate::retry::StopSignal;

/// Everything that the provider can do; built once by `main`.
#[derive(Default)]
pub struct Registry {
    /// What it manages.
    pub resources: Vec<Box<dyn AnyResource>>,
    /// What it looks at.
    pub data_sources: Vec<Box<dyn AnyDataSource>>,
    /// What it computes.
    pub functions: Vec<Box<dyn AnyFunction>>,
}

/// The provider. A clone is the same provider.
#[derive(Clone)]
pub struct Provider(Arc<Inner>);

struct Inner {
    resources: BTreeMap<&'static str, Box<dyn AnyResource>>,
    data_sources: BTreeMap<&'static str, Box<dyn AnyDataSource>>,
    functions: BTreeMap<&'static str, Box<dyn AnyFunction>>,
    schemas: Schemas,
    stop: StopSignal,
}

/// The shape of everything.
#[derive(Debug, Default)]
pub struct Schemas {
    /// The provider block.
    pub provider: Option<Schema>,
    /// Resources by type name.
    pub resources: BTreeMap<String, ResourceSchema>,
    /// Data sources by type name.
    pub data_sources: BTreeMap<String, Schema>,
    /// Functions by name.
    pub functions: BTreeMap<String, Signature>,
}

/// The shape of a resource, and of its identity.
#[derive(Debug)]
pub struct ResourceSchema {
    /// The block.
    pub schema: Schema,
    /// The attributes by which it is found.
    pub identity: IdentitySchema,
}

/// The attributes by which a resource is found.
#[derive(Debug)]
pub struct IdentitySchema {
    /// Raised when stored identities must be upgraded.
    pub version: i64,
    /// All of them are needed to import.
    pub attributes: Vec<IdentityAttribute>,
}

/// One attribute of an identity.
#[derive(Debug)]
pub struct IdentityAttribute {
    /// Its name, which the resource has too.
    pub name: String,
    /// Its type.
    pub r#type: Type,
    /// What it is.
    pub description: String,
}

impl Provider {
    /// Builds the provider from what it can do.
    pub fn new(registry: Registry) -> Self {
        let Registry {
            resources,
            data_sources,
            functions,
        } = registry;
        let schemas = Schemas {
            provider: Some(Schema {
                version: 0,
                block: ProviderBlock::block(),
            }),
            resources: resources
                .iter()
                .map(|found| (found.name().to_owned(), resource_schema(found.as_ref())))
                .collect(),
            data_sources: data_sources
                .iter()
                .map(|found| (found.name().to_owned(), found.schema().clone()))
                .collect(),
            functions: functions
                .iter()
                .map(|found| (found.name().to_owned(), found.signature()))
                .collect(),
        };
        Self(Arc::new(Inner {
            resources: resources.into_iter().map(|found| (found.name(), found)).collect(),
            data_sources: data_sources.into_iter().map(|found| (found.name(), found)).collect(),
            functions: functions.into_iter().map(|found| (found.name(), found)).collect(),
            schemas,
            stop: StopSignal::new(),
        }))
    }

    /// The shape of everything.
    pub fn schemas(&self) -> &Schemas {
        &self.0.schemas
    }

    /// What one connection was configured with. Terraform makes a connection for each provider block.
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }

    fn resource(&self, name: &str) -> Option<&dyn AnyResource> {
        self.0.resources.get(name).map(Box::as_ref)
    }

    fn data_source(&self, name: &str) -> Option<&dyn AnyDataSource> {
        self.0.data_sources.get(name).map(Box::as_ref)
    }

    fn function(&self, name: &str) -> Option<&dyn AnyFunction> {
        self.0.functions.get(name).map(Box::as_ref)
    }

    fn stop_signal(&self) -> &StopSignal {
        &self.0.stop
    }
}

fn resource_schema(resource: &dyn AnyResource) -> ResourceSchema {
    let schema = resource.schema().clone();
    let attributes = resource
        .identity()
        .iter()
        .filter_map(|name| schema.block.attribute(name));
    let attributes = attributes.map(|attribute| IdentityAttribute {
        name: attribute.name.clone(),
        r#type: attribute.r#type.clone(),
        description: attribute.description.clone(),
    });
    let identity = IdentitySchema {
        version: 0,
        attributes: attributes.collect(),
    };
    ResourceSchema { schema, identity }
}
