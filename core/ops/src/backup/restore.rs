//! Restores an archive: it is read to its end first, then what is at its places is looked at, and only then is anything
//! changed.

use super::{Archive, Chosen, OnPhase, Phase, Selection};
use std::sync::Arc;
use tfx_domain::problem::Problems;
use tfx_ports::{
    StoreError,
    backup::{Backup, BackupError, Contents, Progress, RestoreFailed, Restored, Restoring, Standing},
};

/// What is known before anything is changed.
#[derive(Debug, Clone)]
pub struct Look {
    /// What the archive holds, all of it.
    pub contents: Contents,
    /// What is wanted of it.
    pub chosen: Chosen,
    /// What is at those places.
    pub standing: Standing,
}

/// Why nothing was restored, and nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The archive.
    #[error(transparent)]
    Archive(#[from] BackupError),
    /// What is wanted of it.
    #[error("{0}")]
    Selection(Problems),
    /// The store does not say what is there.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads the whole archive, and looks at what is at the places of what is wanted of it; no selection: all. Changes nothing.
///
/// # Errors
/// [`RestoreError`].
pub async fn look(
    backup: &Arc<dyn Backup>,
    archive: &Archive,
    selection: Option<&Selection>,
    teller: &OnPhase,
) -> Result<Look, RestoreError> {
    let contents = archive.check(backup, Phase::Checking, teller).await?;
    let chosen = match selection {
        Some(selection) => selection.of(&contents).map_err(RestoreError::Selection)?,
        None => Chosen::all(&contents),
    };
    let places: Vec<String> = chosen.moves.iter().map(|m| m.to.clone()).collect();
    let standing = backup.standing(&places).await?;
    Ok(Look { contents, chosen, standing })
}

/// Restores what was chosen.
///
/// # Errors
/// [`RestoreFailed`], with how far it came.
pub async fn restore(
    backup: &Arc<dyn Backup>,
    archive: &Archive,
    look: &Look,
    drop: bool,
    stop_on_error: bool,
    teller: &OnPhase,
) -> Result<Vec<Restored>, RestoreFailed> {
    let unread = |error| RestoreFailed { error: BackupError::Read(error), parts: Vec::new() };
    let inside = archive.read().map_err(unread)?;
    let wanted = look.contents.parts.iter().filter(|p| look.chosen.moves.iter().any(|m| m.from == p.name));
    let of = wanted.map(|p| p.bytes).sum();
    let told = |progress| teller(Phase::Restoring, Progress { of: Some(of), ..progress });
    let how = Restoring { moves: look.chosen.moves.clone(), drop, stop_on_error };
    backup.restore(inside, &how, &told).await
}
