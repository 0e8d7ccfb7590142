//! API tokens as callers show them: `tfx_ID_SECRET`. What the store says of one is believed for a second, so that one that
//! was revoked opens nothing anywhere a second later; last use is written behind the answer, once a minute at most.

use super::keyed::{Keyed, same};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tfx_domain::{
    Timestamp,
    access::{ApiToken, TokenState},
    id::TokenId,
};
use tfx_ports::{
    StoreError,
    accounts::{Account, AccountKind},
    entropy,
};
use tfx_wiring::Stores;

/// How long what the store said is believed.
pub(super) const FRESH: Duration = Duration::from_secs(1);
/// Tokens remembered; when they would be more, all are forgotten.
const REMEMBERED: usize = 10_000;
/// What the hashes of tokens are hashes of.
const WHAT: &str = "token";

/// A token in the making: its id, and the text that is shown once.
pub(crate) fn made(now: Timestamp) -> (TokenId, String) {
    let id = TokenId::generate(now, entropy::random_u128());
    let text = format!("tfx_{}_{}", id.as_str().trim_start_matches("tok_"), entropy::secret());
    (id, text)
}

/// The id in a token's text; none: it is no API token.
fn id_of(text: &str) -> Option<TokenId> {
    let (id, secret) = text.strip_prefix("tfx_")?.split_once('_')?;
    let whole = secret.len() == 32 && secret.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
    format!("tok_{id}").parse().ok().filter(|_| whole)
}

/// What the store said of a token, and when.
struct Seen {
    at: Instant,
    account: Account,
    token: ApiToken,
}

/// Knows tokens for a second.
#[derive(Default)]
pub(crate) struct KnownTokens {
    keyed: Keyed,
    seen: Mutex<HashMap<TokenId, Arc<Seen>>>,
}

impl KnownTokens {
    /// What is kept of a text.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn digest(&self, stores: &Stores, text: &str) -> Result<String, StoreError> {
        self.keyed(stores, WHAT, text).await
    }

    /// The keyed hash of a secret.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn keyed(
        &self,
        stores: &Stores,
        what: &str,
        secret: &str,
    ) -> Result<String, StoreError> {
        self.keyed.digest(stores.keys.as_ref(), what, secret).await
    }

    /// The token that a text is of, if it opens anything now.
    ///
    /// # Errors
    /// The store's: nobody is let in on a guess.
    pub(super) async fn opened(
        &self,
        stores: &Stores,
        text: &str,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Option<ApiToken>, StoreError> {
        let Some(id) = id_of(text) else { return Ok(None) };
        let Some(seen) = self.seen(stores, &id).await? else { return Ok(None) };
        let digest = self.digest(stores, text).await?;
        if !same(&digest, &seen.token.digest) || seen.token.state(now) != TokenState::Active {
            return Ok(None);
        }
        if seen.token.is_use_news(now) {
            self.used(stores, &id, &seen, from, now);
        }
        Ok(Some(seen.token.clone()))
    }

    async fn seen(&self, stores: &Stores, id: &TokenId) -> Result<Option<Arc<Seen>>, StoreError> {
        let known = self.lock().get(id).filter(|seen| seen.at.elapsed() < FRESH).map(Arc::clone);
        if known.is_some() {
            return Ok(known);
        }
        // From before it is asked for: what changes meanwhile is seen a second later at most.
        let at = Instant::now();
        let Some(account) = stores.accounts.get(AccountKind::Token, id.as_str()).await? else {
            return Ok(None);
        };
        let seen = Arc::new(Seen { at, token: account.read()?, account });
        let mut all = self.lock();
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(id.clone(), Arc::clone(&seen));
        Ok(Some(seen))
    }

    /// Notes a use: at once here, so that no other request does, and behind the answer in the store. Somebody who changed
    /// the token meanwhile was first, and it stays as he left it.
    fn used(&self, stores: &Stores, id: &TokenId, seen: &Seen, from: IpAddr, now: Timestamp) {
        let token =
            ApiToken { last_used_at: Some(now), last_used_from: from.to_string(), ..seen.token.clone() };
        let Ok(changed) = seen.account.changed(&token) else { return };
        let noted = Seen { at: seen.at, account: seen.account.clone(), token };
        self.lock().insert(id.clone(), Arc::new(noted));
        let accounts = Arc::clone(&stores.accounts);
        tokio::spawn(async move {
            match accounts.save(vec![changed], None).await {
                Ok(()) | Err(StoreError::VersionMismatch { .. }) => {}
                Err(e) => tracing::warn!(error = %e, "the last use of a token was not written"),
            }
        });
    }

    /// What was believed of a token is asked anew.
    pub(crate) fn forget(&self, id: &str) {
        self.lock().retain(|known, _| known.as_str() != id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TokenId, Arc<Seen>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_token_has_its_id_and_anything_else_has_none() {
        let (id, text) = made(Timestamp::UNIX_EPOCH);
        assert_eq!(id_of(&text), Some(id));
        for wrong in
            ["", "tfx_", "tfx__", &text[4..], &text[..text.len() - 1], &format!("{text}a"), "tfx_é_é"]
        {
            assert_eq!(id_of(wrong), None, "{wrong}");
        }
    }
}
