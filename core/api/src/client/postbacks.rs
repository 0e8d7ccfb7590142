//! The calls about what networks report.

use super::transport::{Call, Client};
use crate::{
    error::ApiError,
    page::Page,
    postbacks::{
        Directions, Lint, LintQuery, PostbackLogEvent, PostbackQuery, PostbackRequest, PostbackResult,
        PostbackRetry, PostbackRetryAnswer, PostbackTest, PostbackTestAnswer,
    },
};

impl Client {
    /// A page of the postback log, newest first.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn postbacks(&self, q: &PostbackQuery) -> Result<Page<PostbackLogEvent>, ApiError> {
        let call = Call::get(&["postbacks"]).with("since", q.since).with("until", q.until);
        let call =
            call.with("network", q.network.as_ref()).with("result", q.result.map(PostbackResult::as_str));
        let call = call.with("direction", q.direction.map(Directions::as_str));
        let call = call.with("test", q.test).each("where", &q.filters);
        self.call(call.page(q.limit, q.cursor.as_ref())).await
    }

    /// Tries a postback; nothing is stored.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn postback_test(&self, test: &PostbackTest) -> Result<PostbackTestAnswer, ApiError> {
        self.post(&["postbacks", "test"], test).await
    }

    /// A postback as a network would send it; it holds the network's secret.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn postback_request(&self, test: &PostbackTest) -> Result<PostbackRequest, ApiError> {
        self.post(&["postbacks", "sign"], test).await
    }

    /// Takes postbacks of the log again.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn postback_retry(&self, retry: &PostbackRetry) -> Result<PostbackRetryAnswer, ApiError> {
        self.post(&["postbacks", "retry"], retry).await
    }

    /// What is wrong between what networks send and how they are configured.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn postback_lint(&self, q: &LintQuery) -> Result<Lint, ApiError> {
        let call = Call::get(&["postbacks", "lint"]).with("since", q.since).with("until", q.until);
        self.call(call.with("network", q.network.as_ref()).with("most", q.most)).await
    }
}
