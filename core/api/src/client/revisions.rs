//! The calls about revisions of the configuration.

use super::transport::{Call, Client};
use crate::{
    error::ApiError,
    page::Page,
    revisions::{RestoreRequest, RevisionDiff, RevisionRow, RevisionShown},
    sets::{SetAnswer, SetAt},
};

const REVISIONS: &str = "revisions";

impl Client {
    /// A page of revisions, newest first.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn revisions(
        &self,
        limit: Option<usize>,
        cursor: Option<&String>,
    ) -> Result<Page<RevisionRow>, ApiError> {
        self.call(Call::get(&[REVISIONS]).page(limit, cursor)).await
    }

    /// One, with all that changed with it.
    ///
    /// # Errors
    /// [`ApiError`]; `not_found` (404) says which are kept.
    pub async fn revision(&self, number: u64) -> Result<RevisionShown, ApiError> {
        self.call(Call::get(&[REVISIONS, &number.to_string()])).await
    }

    /// Everything as it was at one, as a set.
    ///
    /// # Errors
    /// As [`Self::revision`].
    pub async fn revision_set(&self, number: u64) -> Result<SetAt, ApiError> {
        self.call(Call::get(&[REVISIONS, &number.to_string(), "set"])).await
    }

    /// What is different between one and another; none: and the present one.
    ///
    /// # Errors
    /// As [`Self::revision`].
    pub async fn revision_diff(&self, from: u64, to: Option<u64>) -> Result<RevisionDiff, ApiError> {
        self.call(Call::get(&[REVISIONS, &from.to_string(), "diff"]).with("to", to)).await
    }

    /// Puts everything back to what it was at one, but for secrets; `dry_run`: only says what that would change.
    ///
    /// # Errors
    /// [`ApiError`]; `not_found` (404); `revision_moved` (409): the configuration is at another revision than `request` says;
    /// `invalid` (422) with what cannot be as it was.
    pub async fn restore_revision(
        &self,
        number: u64,
        request: &RestoreRequest,
        dry_run: bool,
    ) -> Result<SetAnswer, ApiError> {
        let body = self.json(request)?;
        let number = number.to_string();
        let path = [REVISIONS, &number, "restore"];
        self.call(Call { body: Some(&body), ..Call::post(&path) }.with("dry_run", dry_run.then_some(true)))
            .await
    }
}
