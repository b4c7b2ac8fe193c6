//! App Service, Functions, Container Apps and their jobs: one form of request. It does not send it.

use secrecy::{ExposeSecret, SecretString};

use crate::azure::credential::managed_identity::{Wanted, nearby};
use crate::azure::error::Error;
use crate::azure::http::Request;

/// The header proves that the request comes from inside: a request that is forged from outside cannot have it.
pub(super) fn request(endpoint: &str, header: &SecretString, wanted: &Wanted<'_>) -> Result<Request, Error> {
    let mut request = nearby(endpoint, "2019-08-01", wanted)?;
    if let Some(client_id) = wanted.client_id {
        request.url.query_pairs_mut().append_pair("client_id", client_id);
    }
    request.secret_header("x-identity-header", header.expose_secret())
}
