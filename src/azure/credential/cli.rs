//! Signs in as whoever is signed in to the Azure CLI. It does not know other ways.

use std::error::Error as StdError;
use std::ffi::OsStr;
use std::io;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_identity::{AzureCliCredential, AzureCliCredentialOptions, Executor};

use crate::azure::credential::{entra, refusal};
use crate::azure::error::{Error, Kind};
use crate::azure::settings::Settings;
use crate::azure::token::Token;

/// The CLI starts Python and may renew its own token first.
const LONGEST: Duration = Duration::from_secs(60);
/// As much of the CLI's text as a person reads.
const LONGEST_TEXT: usize = 600;

/// Runs the CLI; ends it when it takes too long or nobody waits any more.
#[derive(Debug)]
pub(crate) struct Shell;

#[async_trait::async_trait]
impl Executor for Shell {
    async fn run(&self, program: &OsStr, args: &[&OsStr]) -> io::Result<Output> {
        let mut command = tokio::process::Command::new(program);
        command.args(args).stdin(Stdio::null()).kill_on_drop(true);
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "az did not answer within a minute");
        tokio::time::timeout(LONGEST, command.output()).await.map_err(late)?
    }
}

/// Asks the CLI for a token.
pub(crate) async fn token(executor: Arc<dyn Executor>, settings: &Settings, scope: &str) -> Result<Token, Error> {
    // The CLI takes one of the two.
    let subscription = settings
        .subscription_id
        .clone()
        .filter(|_| settings.tenant_id.is_none());
    let options = AzureCliCredentialOptions {
        subscription,
        tenant_id: settings.tenant_id.clone(),
        executor: Some(executor),
    };
    let credential = AzureCliCredential::new(Some(options)).map_err(|error| entra::ours(&error))?;
    match credential.get_token(&[scope], None).await {
        Ok(token) => entra::token(Ok(token)),
        Err(error) => Err(refused(&error)),
    }
}

fn refused(error: &azure_core::Error) -> Error {
    // The outer error adds a headline and a link; the inner one is what the CLI said.
    let text = error
        .source()
        .map_or_else(|| error.to_string(), |inner| inner.to_string());
    let text = text.trim().trim_start_matches("ERROR:").trim();
    let text: String = text.chars().take(LONGEST_TEXT).collect();
    let aadsts = refusal::number(&text);
    let absent = text.contains("not found on PATH") || text.contains("wasn't found on PATH");
    let kind = match (absent || text.contains("az login"), aadsts) {
        (true, None) => Kind::SignInUnavailable,
        _ => Kind::SignIn { aadsts },
    };
    Error::new(kind, text)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::os::unix::process::ExitStatusExt;

    /// A CLI that always says the same; checks what it is asked.
    #[derive(Debug)]
    struct Saying(i32, &'static str, &'static str);

    #[async_trait::async_trait]
    impl Executor for Saying {
        async fn run(&self, _: &OsStr, args: &[&OsStr]) -> io::Result<Output> {
            let asked = args[args.len() - 1].to_string_lossy();
            assert!(asked.ends_with("az account get-access-token -o json --scope https://r/.default --tenant t"));
            Ok(Output {
                status: std::process::ExitStatus::from_raw(self.0 << 8),
                stdout: self.1.into(),
                stderr: self.2.into(),
            })
        }
    }

    async fn ask(saying: Saying) -> Result<Token, Error> {
        let settings = Settings {
            tenant_id: Some("t".into()),
            subscription_id: Some("s".into()),
            ..Settings::default()
        };
        token(Arc::new(saying), &settings, "https://r/.default").await
    }

    #[tokio::test]
    async fn the_token_of_the_cli_is_used() {
        let answer = r#"{"accessToken":"opensesame","expires_on":1800000000,"tokenType":"Bearer"}"#;
        let token = ask(Saying(0, answer, "")).await.unwrap();
        assert_eq!(token.secret().expose_secret(), "opensesame");
        assert_eq!(token.expires_on().unix_timestamp(), 1_800_000_000);
    }

    #[tokio::test]
    async fn absent_signed_out_and_expired_are_told_apart() {
        let error = ask(Saying(127, "", "sh: az: not found")).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (Kind::SignInUnavailable, "az not found on PATH")
        );
        let text = "ERROR: Please run 'az login' to setup account.\n";
        let error = ask(Saying(1, "", text)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::SignInUnavailable);
        assert_eq!(error.message(), "Please run 'az login' to setup account.");
        let text = "ERROR: AADSTS700082: The refresh token has expired. Please run az login";
        let error = ask(Saying(1, "", text)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::SignIn { aadsts: Some(700_082) });
    }
}
