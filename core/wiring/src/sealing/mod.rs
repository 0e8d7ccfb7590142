//! The configuration store with the secrets in it sealed: on the way in with the installation's key, opened on the way out, so
//! that neither stores nor what works with entities know of it (`docs/decisions/0059-keys-of-networks.md`).
//!
//! Which key is the installation's, its processes agree on by its id: the first that is ever used, and those that follow it. A
//! process with another one saves nothing and reads nothing.

mod cipher;
mod keyring;
mod reseal;
mod store;
#[cfg(test)]
mod tests;

pub use keyring::{SealingError, rotate_sealing_key};
pub(crate) use store::SealedConfig;

use tfx_domain::entity::Kind;

/// The fields of a kind in which secrets stand; each is sealed as a whole.
const fn fields(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Network => &["postback_secret", "former_secret", "signing_key", "former_signing_key"],
        Kind::Source => &["postback_signing_key", "postback_url", "postback_urls", "postback_body"],
        Kind::Alert => &["channels"],
        // Where clicks are sent everybody sees who clicks.
        Kind::Campaign | Kind::Stream | Kind::Destination | Kind::Template => &[],
    }
}
