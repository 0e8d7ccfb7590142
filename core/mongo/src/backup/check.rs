//! Reads an archive to its end.

use super::{TOLD_EVERY, parts, unreadable};
use crate::archive::{ArchiveStep, Reader};
use std::io::Read;
use tfx_ports::backup::{BackupError, Contents, OnProgress, Progress};

pub(super) fn check(from: &mut dyn Read, told: OnProgress<'_>) -> Result<Contents, BackupError> {
    let mut reader = Reader::open(from).map_err(unreadable)?;
    let (mut progress, mut last) = (Progress::default(), 0);
    while let Some(part) = reader.next().map_err(unreadable)? {
        if let ArchiveStep::Document(_, document) = part {
            progress.documents += 1;
            progress.bytes += document.len() as u64;
        }
        if progress.bytes - last >= TOLD_EVERY {
            last = progress.bytes;
            told(progress);
        }
    }
    told(progress);
    Ok(Contents {
        made_by: reader.header().made_by().to_owned(),
        server: reader.header().server.clone(),
        parts: parts(reader.namespaces(), reader.tallies()),
        apart: Vec::new(),
        moment: None,
        left_out: Vec::new(),
    })
}
