//! The calls about postbacks that wait for their click.

use super::transport::{Call, Client};
use crate::{
    error::ApiError,
    parked::{ParkedAnswer, ParkedChoice, ParkedList, ParkedPostback, ParkedQuery},
};

impl Client {
    /// What waits for its click, or was given up.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn parked(&self, q: &ParkedQuery) -> Result<ParkedList, ApiError> {
        let call = Call::get(&["postbacks", "parked"]).with("network", q.network.as_ref());
        let call = call.with("click", q.click).with("dead", q.dead.then_some(true));
        self.call(call.page(q.limit, q.cursor.as_ref())).await
    }

    /// Those that go by the id of a line of the log, of a click or of a job.
    ///
    /// # Errors
    /// [`ApiError`]; `not_found` (404): nothing does.
    pub async fn parked_by(&self, id: &str) -> Result<Vec<ParkedPostback>, ApiError> {
        self.call(Call::get(&["postbacks", "parked", id])).await
    }

    /// Tries now what waits, and has wait again what was given up.
    ///
    /// # Errors
    /// [`ApiError`]; `not_found` (404) names every id that nothing goes by.
    pub async fn retry_parked(&self, asked: &ParkedChoice) -> Result<ParkedAnswer, ApiError> {
        self.post(&["postbacks", "parked", "retry"], asked).await
    }

    /// Drops what waits or was given up.
    ///
    /// # Errors
    /// [`ApiError`]; `not_found` (404) names every id that nothing goes by.
    pub async fn drop_parked(&self, asked: &ParkedChoice) -> Result<ParkedAnswer, ApiError> {
        self.post(&["postbacks", "parked", "drop"], asked).await
    }
}
