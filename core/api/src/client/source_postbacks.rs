//! The calls about what traffic sources are told of conversions.

use super::transport::{Call, Client};
use crate::{
    error::ApiError,
    source_postbacks::{
        SigningKey, SourcePostbackQuery, SourcePostbackQueue, SourcePostbackRetry, SourcePostbackRetryAnswer,
        SourceTest, SourceTestAnswer,
    },
};
use tfx_domain::entity::Kind;

impl Client {
    /// What sources are still to be told.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn tell_queue(&self, q: &SourcePostbackQuery) -> Result<SourcePostbackQueue, ApiError> {
        let call = Call::get(&["postbacks", "queue"]).with("source", q.source.as_ref());
        let call = call.with("dead", q.dead.then_some(true));
        self.call(call.page(q.limit, q.cursor.as_ref())).await
    }

    /// Tells sources again what was given up, and now what waits for its next try.
    ///
    /// # Errors
    /// [`ApiError`]; `not_found` (404) names every id that nothing goes by.
    pub async fn tell_again(
        &self,
        asked: &SourcePostbackRetry,
    ) -> Result<SourcePostbackRetryAnswer, ApiError> {
        self.post(&["postbacks", "queue", "retry"], asked).await
    }

    /// What a source would be told; if it says so, it is.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn source_test(&self, source: &str, asked: &SourceTest) -> Result<SourceTestAnswer, ApiError> {
        self.post(&[Kind::Source.plural(), source, "test"], asked).await
    }

    /// The key that signs what a source is told.
    ///
    /// # Errors
    /// [`ApiError`]; `no_signing_key` (409).
    pub async fn signing_key(&self, source: &str) -> Result<SigningKey, ApiError> {
        self.call(Call::get(&[Kind::Source.plural(), source, "signing-key"])).await
    }
}
