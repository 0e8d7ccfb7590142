//! The calls about alerts, beside those that all entities have.

use super::transport::{Call, Client};
use crate::{
    alerts::{
        AlertLogQuery, AlertLogRow, AlertRetry, AlertRetryAnswer, AlertStateRow, AlertTest, AlertTestAnswer,
    },
    error::ApiError,
    page::Page,
};
use tfx_domain::entity::Kind;

impl Client {
    /// How an alert stands in each of its groups, what is not as it should be first.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn alert_states(&self, reference: &str) -> Result<Page<AlertStateRow>, ApiError> {
        self.call(Call::get(&[Kind::Alert.plural(), reference, "states"])).await
    }

    /// Looks at an alert now.
    ///
    /// # Errors
    /// [`ApiError`]; `too_many_groups` (422).
    pub async fn alert_test(&self, reference: &str, test: AlertTest) -> Result<AlertTestAnswer, ApiError> {
        self.post(&[Kind::Alert.plural(), reference, "test"], &test).await
    }

    /// Sends notices again that were given up, and now those that wait for their next try.
    ///
    /// # Errors
    /// [`ApiError`]; `not_found` (404) names every id that nothing goes by.
    pub async fn alert_retry(&self, asked: &AlertRetry) -> Result<AlertRetryAnswer, ApiError> {
        self.post(&["alert-notices", "retry"], asked).await
    }

    /// A page of what happened to alerts, newest first.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn alert_log(&self, q: &AlertLogQuery) -> Result<Page<AlertLogRow>, ApiError> {
        let call = Call::get(&["alert-log"]).with("since", q.since).with("until", q.until);
        self.call(call.with("alert", q.alert.as_ref()).page(q.limit, q.cursor.as_ref())).await
    }
}
