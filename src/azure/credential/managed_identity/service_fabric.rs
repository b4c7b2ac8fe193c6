//! Azure Service Fabric: its endpoint's certificate signs itself, and is known by its thumbprint. It does not send the request.

use secrecy::{ExposeSecret, SecretString};

use crate::azure::credential::managed_identity::{Wanted, nearby};
use crate::azure::error::{Error, Kind};
use crate::azure::http::{Request, Route};
use crate::azure::trust::Thumbprint;

pub(super) fn request(
    endpoint: &str,
    header: &SecretString,
    thumbprint: &str,
    wanted: &Wanted<'_>,
) -> Result<Request, Error> {
    let mut request = nearby(endpoint, "2019-07-01-preview", wanted)?;
    if request.url.scheme() != "https" {
        let message = format!("IDENTITY_ENDPOINT {endpoint:?} does not begin with https://, as Service Fabric's must");
        return Err(Error::new(Kind::Configuration, message));
    }
    let pinned: Thumbprint = thumbprint.parse().map_err(|error| {
        let message = "IDENTITY_SERVER_THUMBPRINT is not the SHA-1 thumbprint of a certificate";
        Error::new(Kind::Configuration, message).with_source(error)
    })?;
    request.route = Route::Pinned(pinned);
    request.secret_header("secret", header.expose_secret())
}
