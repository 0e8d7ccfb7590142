//! The calls about the configuration as a set.

use super::transport::{Call, Client};
use crate::{
    error::ApiError,
    sets::{SetAnswer, SetAt, SetRequest},
};
use reqwest::Method;
use std::time::Duration;

/// How long a set is waited for: tens of thousands of entities are changed in one transaction.
const APPLIED_WITHIN: Duration = Duration::from_secs(300);

impl Client {
    /// Everything that is configured and not archived, as a set.
    ///
    /// # Errors
    /// [`ApiError`]; `written_by_another_version` (409): something of it cannot be read.
    pub async fn config_set(&self) -> Result<SetAt, ApiError> {
        self.call(Call { within: APPLIED_WITHIN, ..Call::get(&["config", "set"]) }).await
    }

    /// Makes the configuration as a set says, all of it or nothing; `dry_run`: only says what that would come to.
    ///
    /// # Errors
    /// [`ApiError`]; `revision_moved` (409): it is at another revision than `request` says; `invalid` (422) with every
    /// problem, each with its path in the set: `campaigns[3].streams[0].weight`.
    pub async fn put_config_set(&self, request: &SetRequest, dry_run: bool) -> Result<SetAnswer, ApiError> {
        let body = self.json(request)?;
        let call = Call::create(&["config", "set"], &body).with("dry_run", dry_run.then_some(true));
        self.call(Call { method: Method::PUT, within: APPLIED_WITHIN, ..call }).await
    }
}
