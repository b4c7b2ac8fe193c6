//! Terraform's vocabulary: values, schemas, paths and diagnostics. Knows nothing of gRPC, Azure or SQL.

pub mod diagnostic;
pub mod duration;
pub mod json;
pub mod model;
pub mod msgpack;
pub mod number;
pub mod page;
pub mod path;
pub mod schema;
pub mod secret;
pub mod typed;
pub mod value;
