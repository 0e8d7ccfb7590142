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
    /// Applied in this text, but what is there is not what it made: see [`Step::differs`].
    Differs,
}

/// What can be done about a [`Difference`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// [`Migrations::up`] mends it.
    Up,
    /// A person must: mending it could lose data.
    ByHand,
    /// Nothing need be done: it is more than what is asked for. The step counts as applied.
    Kept,
}

/// An object that is not as an applied step made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The object, and how it differs: `column click_events.keyword is missing`.
    pub what: String,
    /// Whether [`Migrations::up`] mends it.
    pub remedy: Remedy,
    /// What that means, or what a person can do.
    pub todo: String,
}

impl Difference {
    /// From its parts.
    pub fn new(what: impl Into<String>, remedy: Remedy, todo: impl Into<String>) -> Self {
        Self { what: what.into(), remedy, todo: todo.into() }
    }
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
    /// What is not as it made it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<Difference>,
}

impl Step {
    /// An applied step, compared with what is there: it stays applied if nothing need be done.
    #[must_use]
    pub fn compared(mut self, differs: Vec<Difference>) -> Self {
        if differs.iter().any(|d| d.remedy != Remedy::Kept) {
            self.state = StepState::Differs;
        }
        self.differs = differs;
        self
    }

    /// Whether [`Migrations::up`] has something to do about it.
    pub fn is_due(&self) -> bool {
        match self.state {
            StepState::Applied => false,
            StepState::Pending | StepState::Changed => true,
            StepState::Differs => self.differs.iter().any(|d| d.remedy == Remedy::Up),
        }
    }
}

/// The steps of one engine.
#[async_trait]
pub trait Migrations: Send + Sync {
    /// `mongo`, `clickhouse`, `topics`.
    fn target(&self) -> &'static str;

    /// What the engine calls itself, with its version; none: it does not say.
    async fn engine(&self) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    /// Every step, in order, as it is recorded and as what it made is found. Changes nothing.
    async fn status(&self) -> Result<Vec<Step>, StoreError>;

    /// Applies what is pending or changed and mends what differs, in order, and returns every step as it stands then.
    /// Never loses data: what it leaves alone is [`StepState::Differs`] afterwards. Two at once do no harm; one that
    /// dies in the middle is finished by the next. `done` is told of each step as it is applied.
    ///
    /// # Errors
    /// The first step that fails, named in the message; those before it stay applied. Also, when all is done, what it
    /// left alone if the product cannot work with it.
    async fn up(&self, done: &(dyn for<'s> Fn(&'s Step) + Send + Sync)) -> Result<Vec<Step>, StoreError>;
}
