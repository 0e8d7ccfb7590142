//! Bringing an engine to what this build needs: ordered steps, each safe to repeat, each recorded where it acts.

use crate::error::StoreError;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tfx_domain::Timestamp;

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Recorded as applied, in the text that this build carries.
    Applied,
    /// Not applied yet.
    Pending,
    /// Applied in another text than this build carries; applied anew by [`Migrations::up`].
    Changed,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Orders the steps: `003_mvp_event_tables`.
    pub id: String,
    /// What it brings, for people.
    pub what: String,
    /// How it stands.
    pub state: StepState,
    /// When it was applied last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<Timestamp>,
}

/// The steps of one engine.
#[async_trait]
pub trait Migrations: Send + Sync {
    /// `mongo`, `clickhouse`, `topics`.
    fn target(&self) -> &'static str;

    /// Every step, in order. Changes nothing.
    async fn status(&self) -> Result<Vec<Step>, StoreError>;

    /// Applies what is pending or changed, in order, and returns every step as it stands then. Two at once do no
    /// harm; one that dies in the middle is finished by the next. `done` is told of each step as it is applied.
    ///
    /// # Errors
    /// The first step that fails, named in the message; those before it stay applied.
    async fn up(&self, done: &(dyn for<'s> Fn(&'s Step) + Send + Sync)) -> Result<Vec<Step>, StoreError>;
}
