//! The instance metadata service of virtual machines, and of clusters' nodes. It does not send the request.

use crate::azure::credential::managed_identity::{Wanted, address, nearby};
use crate::azure::error::Error;
use crate::azure::http::Request;

pub(super) fn request(endpoint: &str, wanted: &Wanted<'_>) -> Result<Request, Error> {
    let mut endpoint = address(endpoint)?;
    if endpoint.path() == "/" {
        endpoint.set_path("/metadata/identity/oauth2/token");
    }
    let mut request = nearby(endpoint.as_str(), "2018-02-01", wanted)?;
    if let Some(client_id) = wanted.client_id {
        request.url.query_pairs_mut().append_pair("client_id", client_id);
    }
    request.header("metadata", "true")
}
