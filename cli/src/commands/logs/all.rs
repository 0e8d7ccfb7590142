//! All lines there are, for a command that chooses among them itself.

use super::{
    WAITING,
    line::Line,
    newest,
    source::{Source, Wanted},
};
use crate::exit::Failure;
use std::path::PathBuf;
use tokio::{sync::mpsc, task::JoinSet};

/// So many lines are kept at the most, the newest.
const MOST: usize = 300_000;

/// The newest lines in the order of time: of these files, or of where services of this machine log if there are none.
///
/// # Errors
/// Nothing here keeps logs; a file cannot be read.
pub(crate) async fn all(files: &[PathBuf]) -> Result<Vec<Line>, Failure> {
    let sources = match files {
        [] => vec![Source::here()?],
        files => files.iter().cloned().map(Source::File).collect(),
    };
    let (sender, mut lines) = mpsc::channel(WAITING);
    let mut reading = JoinSet::new();
    for source in sources {
        reading.spawn(source.read(Wanted::default(), sender.clone()));
    }
    drop(sender);
    let mut all = Vec::new();
    while let Some(line) = lines.recv().await {
        all.push(line);
        if all.len() >= 2 * MOST {
            newest(&mut all, MOST);
        }
    }
    newest(&mut all, MOST);
    while let Some(ended) = reading.join_next().await {
        ended.map_err(Failure::failed)??;
    }
    Ok(all)
}
