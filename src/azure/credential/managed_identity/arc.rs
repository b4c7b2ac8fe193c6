//! The Azure Arc agent: it wants proof that we may read a file of its own. It does not know how tokens are read.

use std::path::{Component, Path, PathBuf};

use crate::azure::answer::Answer;
use crate::azure::credential::managed_identity::{Wanted, nearby};
use crate::azure::error::{Error, Kind};
use crate::azure::http::{Http, Request};

/// The agent's keys are shorter.
const LARGEST_KEY: u64 = 4096;

pub(super) fn request(endpoint: &str, wanted: &Wanted<'_>) -> Result<Request, Error> {
    nearby(endpoint, "2020-06-01", wanted)?.header("metadata", "true")
}

/// Asks; is told which file holds the key; asks again with its content.
pub(super) async fn ask(http: &Http, endpoint: &str, wanted: &Wanted<'_>, keys: &Path) -> Result<Answer, Error> {
    let request = request(endpoint, wanted)?;
    let challenge = http.send(request.clone()).await?;
    match challenge.status {
        401 => {}
        status if (200..300).contains(&status) => {
            let message = "the Azure Arc agent answered without asking for its key, so it is not the agent";
            return Err(challenge.error(Kind::Unexpected, message));
        }
        _ => return Ok(challenge),
    }
    let file = key_file(&challenge, keys)?;
    let key = read_key(&file).await?;
    http.send(request.secret_header("authorization", &format!("Basic {key}"))?)
        .await
}

/// The file that the challenge names, when it is one that the agent may name: else whoever listens there could have any file read to it.
fn key_file(challenge: &Answer, keys: &Path) -> Result<PathBuf, Error> {
    let wrong = |why: String| challenge.error(Kind::SignIn { aadsts: None }, why);
    let header = challenge.header("www-authenticate").unwrap_or_default();
    let Some((_, realm)) = header.split_once("Basic realm=") else {
        return Err(wrong("the Azure Arc agent's challenge names no key file".to_owned()));
    };
    let path = PathBuf::from(realm.trim().trim_matches('"'));
    let plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::RootDir | Component::Prefix(_)));
    let inside = plain && path.parent() == Some(keys);
    if !inside || path.extension().is_none_or(|extension| extension != "key") {
        let (path, keys) = (path.display(), keys.display());
        return Err(wrong(format!(
            "the Azure Arc agent names the key file {path}, which is no .key file in {keys}: it is not read"
        )));
    }
    Ok(path)
}

async fn read_key(path: &Path) -> Result<String, Error> {
    let wrong = |why: &str| {
        let message = format!("the Azure Arc agent's key file {} {why}", path.display());
        Error::new(Kind::SignIn { aadsts: None }, message)
    };
    let unreadable = |error: std::io::Error| {
        let group = if cfg!(windows) {
            "Hybrid agent extension applications"
        } else {
            "himds"
        };
        wrong(&format!(
            "cannot be read: whoever runs Terraform must be a member of the group `{group}`"
        ))
        .with_source(error)
    };
    // Of the entry itself: a link would lead out of the folder.
    let found = tokio::fs::symlink_metadata(path).await.map_err(unreadable)?;
    if !found.is_file() {
        return Err(wrong("is no plain file: it is not read"));
    }
    if found.len() > LARGEST_KEY {
        return Err(wrong("is larger than 4096 bytes: it is not read"));
    }
    tokio::fs::read_to_string(path).await.map_err(unreadable)
}
