//! Azure Machine Learning: jobs and compute instances. It does not send the request.

use secrecy::{ExposeSecret, SecretString};

use crate::azure::credential::managed_identity::{Wanted, nearby};
use crate::azure::error::Error;
use crate::azure::http::Request;

pub(super) fn request(endpoint: &str, secret: &SecretString, wanted: &Wanted<'_>) -> Result<Request, Error> {
    let mut request = nearby(endpoint, "2017-09-01", wanted)?;
    if let Some(client_id) = wanted.client_id {
        // Without the underscore, in this version of the interface.
        request.url.query_pairs_mut().append_pair("clientid", client_id);
    }
    request.secret_header("secret", secret.expose_secret())
}
