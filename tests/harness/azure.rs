//! An emulated Azure, shared by all tests that need no other, and a provider that is signed in to it.

use entradb_emulator::{Emulator, Options};
use tokio::sync::OnceCell;

use crate::config;
use crate::harness::plugin::Plugin;

static SHARED: OnceCell<Emulator> = OnceCell::const_new();

/// The one that all tests share: each has its own names in it, and plants faults at its own paths only.
pub async fn shared() -> &'static Emulator {
    SHARED
        .get_or_init(|| async { Emulator::start(Options::default()).await.expect("an emulated Azure") })
        .await
}

/// The provider, signed in as the emulator's runner and configured by the environment alone.
pub async fn provider(azure: &Emulator) -> Plugin {
    provider_with(azure, &[]).await
}

/// The same, with further variables.
pub async fn provider_with(azure: &Emulator, more: &[(&str, &str)]) -> Plugin {
    let environment = azure.environment();
    let environment = environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let environment: Vec<(&str, &str)> = environment.chain(more.iter().copied()).collect();
    let plugin = Plugin::start(&environment).await;
    plugin.configure(config! {}).await;
    plugin
}
