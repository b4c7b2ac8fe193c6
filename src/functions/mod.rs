//! What the provider computes: a file each, a line each.

mod argument;
pub mod kubernetes_service_account;
pub mod openmetadata_helm_values;
mod yaml;

use crate::functions::kubernetes_service_account::KubernetesServiceAccount;
use crate::functions::openmetadata_helm_values::OpenmetadataHelmValues;
use crate::provider::function::AnyFunction;

/// Every function of the provider.
pub fn all() -> Vec<Box<dyn AnyFunction>> {
    vec![Box::new(KubernetesServiceAccount), Box::new(OpenmetadataHelmValues)]
}
