//! What the emulator was asked, for tests to look at. It holds no token, secret or body.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Which front of the emulator was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Entra's token endpoint and its public documents.
    Authority,
    /// Azure Resource Manager, with the metadata document.
    ResourceManager,
    /// Microsoft Graph.
    Graph,
    /// The OpenID documents of the pretended cluster, and GitHub's token request.
    Issuer,
    /// The instance metadata service.
    InstanceMetadata,
    /// The cluster's token proxies.
    KubernetesTokenProxy,
}

/// One HTTP request and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The front that was asked.
    pub service: Service,
    /// GET, PUT …
    pub method: String,
    /// The path as it was sent, without the query.
    pub path: String,
    /// The query's `api-version`, empty when there was none.
    pub api_version: String,
    /// The HTTP status; 0 when the connection was dropped instead of an answer.
    pub status: u16,
}

/// One attempt to log in to a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The FQDN of the server.
    pub server: String,
    /// The role that was asked for.
    pub user: String,
    /// The database that was asked for.
    pub database: String,
    /// `None` when the proxy let it through, else the text of the refusal.
    pub refusal: Option<String>,
}

/// The log of one emulator.
#[derive(Default)]
pub(crate) struct Journal {
    requests: Mutex<Vec<Request>>,
    writes: Mutex<Vec<Request>>,
    logins: Mutex<Vec<Login>>,
    violations: Mutex<Vec<String>>,
}

impl Journal {
    pub(crate) fn request(&self, request: Request) {
        hold(&self.requests).push(request);
    }

    pub(crate) fn violation(&self, text: String) {
        hold(&self.violations).push(text);
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        hold(&self.violations).clone()
    }

    pub(crate) fn write(&self, request: Request) {
        hold(&self.writes).push(request);
    }

    pub(crate) fn writes(&self) -> Vec<Request> {
        hold(&self.writes).clone()
    }

    pub(crate) fn login(&self, login: Login) {
        hold(&self.logins).push(login);
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        hold(&self.requests).clone()
    }

    pub(crate) fn logins(&self) -> Vec<Login> {
        hold(&self.logins).clone()
    }

    pub(crate) fn clear(&self) {
        hold(&self.requests).clear();
        hold(&self.writes).clear();
        hold(&self.logins).clear();
    }
}

/// Takes a lock; a panic of another holder leaves plain data that is still good.
pub(crate) fn hold<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
