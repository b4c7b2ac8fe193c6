//! Azure Cloud Shell: whoever opened it is signed in. It does not send the request.

use reqwest::Method;

use crate::azure::credential::managed_identity::{Wanted, address};
use crate::azure::error::Error;
use crate::azure::http::{Body, Request, Route};

pub(super) fn request(endpoint: &str, wanted: &Wanted<'_>) -> Result<Request, Error> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    let form = form.append_pair("resource", wanted.resource).finish();
    let mut request = Request::new(Method::POST, address(endpoint)?)
        .header("metadata", "true")?
        .header("content-type", "application/x-www-form-urlencoded")?;
    request.body = Body::Secret(form.into_bytes());
    request.route = Route::Nearby;
    Ok(request)
}
