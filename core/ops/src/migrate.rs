//! Brings the engines to what this build needs, one after the other.

use serde::Serialize;
use std::sync::Arc;
use tfx_ports::StoreError;
pub use tfx_ports::migrate::{Difference, Migrations, Remedy, Step, StepState};

/// A step of an engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Whose: `mongo`, `topics`, `clickhouse`.
    pub target: &'static str,
    /// The step's id.
    pub step: String,
    /// How it stands.
    pub state: StepState,
    /// When it was applied last.
    pub applied_at: Option<tfx_domain::Timestamp>,
    /// What it brings.
    pub what: String,
    /// What is not as it made it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<Difference>,
    /// Whether [`up`] has something to do about it.
    #[serde(skip)]
    pub due: bool,
}

/// Why it did not work.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// An engine that is not used here was named.
    #[error("{0} is not used here: its settings are not set")]
    NotUsed(String),
    /// An engine did not do it; what was applied before stays.
    #[error("{target}: {source}")]
    Failed {
        /// Which engine.
        target: &'static str,
        /// What the engine said.
        source: StoreError,
    },
}

/// Every step of the engines named (none: of all), in the order in which they are applied; and which engines did not
/// answer.
///
/// # Errors
/// [`MigrateError::NotUsed`].
pub async fn status(
    engines: &[Arc<dyn Migrations>],
    named: &[&str],
) -> Result<(Vec<Row>, Vec<MigrateError>), MigrateError> {
    let (mut rows, mut silent) = (Vec::new(), Vec::new());
    for engine in chosen(engines, named)? {
        let target = engine.target();
        match engine.status().await {
            Ok(steps) => rows.extend(steps.into_iter().map(|step| row(target, step))),
            Err(source) => silent.push(MigrateError::Failed { target, source }),
        }
    }
    Ok((rows, silent))
}

/// Applies and mends what is due; `done` is told of each step as it is applied.
///
/// # Errors
/// [`MigrateError`]. The same again goes on where it ended.
pub async fn up(
    engines: &[Arc<dyn Migrations>],
    named: &[&str],
    done: impl Fn(&'static str, &Step) + Send + Sync,
) -> Result<Vec<Row>, MigrateError> {
    let mut rows = Vec::new();
    for engine in chosen(engines, named)? {
        let target = engine.target();
        let told = |step: &Step| done(target, step);
        let steps = engine.up(&told).await.map_err(|source| MigrateError::Failed { target, source })?;
        rows.extend(steps.into_iter().map(|step| row(target, step)));
    }
    Ok(rows)
}

fn chosen<'m>(
    engines: &'m [Arc<dyn Migrations>],
    named: &[&str],
) -> Result<Vec<&'m Arc<dyn Migrations>>, MigrateError> {
    if let Some(missing) = named.iter().find(|n| !engines.iter().any(|e| e.target() == **n)) {
        return Err(MigrateError::NotUsed((*missing).to_owned()));
    }
    Ok(engines.iter().filter(|e| named.is_empty() || named.contains(&e.target())).collect())
}

fn row(target: &'static str, step: Step) -> Row {
    let due = step.is_due();
    let Step { id, what, state, applied_at, differs } = step;
    Row { target, step: id, state, applied_at, what, differs, due }
}
