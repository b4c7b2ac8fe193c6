//! What a session is asked about a resource, and what it answers.

use crate::protocol::diagnostic::Diagnostic;
use crate::protocol::path::Path;
use crate::protocol::value::{Object, Value};

/// What `plan` is asked.
#[derive(Debug)]
pub struct PlanRequest {
    /// The resource type.
    pub type_name: String,
    /// The state; null to create.
    pub prior: Value,
    /// Core's merge of configuration and state; null to destroy.
    pub proposed: Value,
    /// What the user wrote.
    pub config: Value,
    /// What was kept beside the state.
    pub private: Vec<u8>,
}

/// What was planned.
#[derive(Debug)]
pub struct Planned {
    /// The state that apply will bring about.
    pub state: Value,
    /// The attributes whose change makes a new object.
    pub replace: Vec<Path>,
    /// What to keep beside the state.
    pub private: Vec<u8>,
    /// What the person is told.
    pub diagnostics: Vec<Diagnostic>,
}

/// What `apply` is asked.
#[derive(Debug)]
pub struct ApplyRequest {
    /// The resource type.
    pub type_name: String,
    /// The state; null to create.
    pub prior: Value,
    /// What was planned; null to destroy.
    pub planned: Value,
    /// What the user wrote.
    pub config: Value,
    /// What was kept beside the state.
    pub private: Vec<u8>,
}

/// What a call left: always what exists, also when it failed.
#[derive(Debug, Default)]
pub struct Applied {
    /// The state; `None` when there is nothing.
    pub state: Option<Object>,
    /// What to keep beside the state.
    pub private: Vec<u8>,
    /// What the person is told.
    pub diagnostics: Vec<Diagnostic>,
}
