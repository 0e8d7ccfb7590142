//! Sessions as callers show them: a signed token, together with what the store says of the session and of its user, which is
//! believed for a second, as with API tokens.

use super::tokens::FRESH;
use crate::logins::session_token::Signer;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tfx_domain::{
    Timestamp,
    access::{Session, User, UserState},
};
use tfx_ports::{StoreError, accounts::AccountKind};
use tfx_wiring::Stores;

/// Sessions remembered; when they would be more, all are forgotten.
const REMEMBERED: usize = 10_000;

/// What the store said of a session and its user, and when.
struct Seen {
    at: Instant,
    session: Session,
    user: User,
}

/// Knows sessions for a second.
#[derive(Default)]
pub(crate) struct KnownSessions(Mutex<HashMap<String, Arc<Seen>>>);

impl KnownSessions {
    /// The session and the user that a token is of, if it opens anything now.
    ///
    /// # Errors
    /// The store's: nobody is let in on a guess.
    pub(super) async fn opened(
        &self,
        stores: &Stores,
        signer: &Signer,
        text: &str,
        now: Timestamp,
    ) -> Result<Option<(Session, User)>, StoreError> {
        let Some(claims) = signer.read(stores.keys.as_ref(), text).await? else { return Ok(None) };
        let Some(seen) = self.seen(stores, &claims.jti).await? else { return Ok(None) };
        let Seen { session, user, .. } = &*seen;
        let opens = session.stands(now) && session.user == claims.sub && user.state == UserState::Approved;
        Ok(opens.then(|| (session.clone(), user.clone())))
    }

    async fn seen(&self, stores: &Stores, id: &str) -> Result<Option<Arc<Seen>>, StoreError> {
        let known = self.lock().get(id).filter(|seen| seen.at.elapsed() < FRESH).map(Arc::clone);
        if known.is_some() {
            return Ok(known);
        }
        let at = Instant::now();
        let Some(session) = stores.accounts.get(AccountKind::Session, id).await? else { return Ok(None) };
        let session: Session = session.read()?;
        let Some(user) = stores.accounts.get(AccountKind::User, &session.user).await? else {
            return Ok(None);
        };
        let seen = Arc::new(Seen { at, session, user: user.read()? });
        let mut all = self.lock();
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(id.to_owned(), Arc::clone(&seen));
        Ok(Some(seen))
    }

    /// What was believed is asked anew.
    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Seen>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
