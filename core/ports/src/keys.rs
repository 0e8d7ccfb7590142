//! Secrets that all instances of an installation share. Each is made once, by whoever needs it first.

use crate::error::StoreError;
use async_trait::async_trait;

/// The key of visitor and address hashes.
pub const VISITORS: &str = "visitors";
/// The key of the hashes of API tokens and login codes.
pub const TOKENS: &str = "tokens";
/// The key of the hashes by which a secret setting is seen to be another.
pub const SETTINGS: &str = "settings";
/// What signs sessions where `AUTH_JWT_SECRET` is not set.
pub const SESSIONS: &str = "sessions";

/// The id of the key with which secrets of the configuration were sealed first; behind it with a colon the id of a key that
/// followed it. What seals is not in the store.
pub const SEALING: &str = "sealing";

/// Keeps secrets by their names. None of them is ever replaced, nor told by an error.
#[async_trait]
pub trait Keys: Send + Sync {
    /// The one of that name; none if it was never made.
    async fn key(&self, name: &str) -> Result<Option<String>, StoreError>;

    /// The one of that name, which is `proposed` if there was none: of those who propose at once all get the same.
    async fn agree(&self, name: &str, proposed: &str) -> Result<String, StoreError>;
}
