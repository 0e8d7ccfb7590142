//! `refused.jsonl`: events that the sink will never take, kept with the reason, one JSON object a line:
//! `{"at", "topic", "id", "key", "reason", "event"}`. `event` is the event's JSON, or its text if it is not JSON.

use serde_json::{Value, json};
use std::{
    fs::OpenOptions,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};
use tfx_ports::{clock, sink::Envelope};

/// The file's name in the journal's folder.
const NAME: &str = "refused.jsonl";

/// Appends an event; durable when this returns.
///
/// # Errors
/// It cannot be written; nothing of it is in the file then, as far as the disk allows.
pub(crate) fn keep(dir: &Path, event: &Envelope, reason: &str) -> io::Result<()> {
    let line = json!({
        "at": clock::now(),
        "topic": event.topic.as_str(),
        "id": event.id,
        "key": event.key,
        "reason": reason,
        "event": serde_json::from_slice::<Value>(&event.payload)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&event.payload).into_owned())),
    });
    let mut options = OpenOptions::new();
    let mut file = options.read(true).append(true).create(true).mode(0o600).open(dir.join(NAME))?;
    let length = file.metadata()?.len();
    let mut text = String::new();
    if length > 0 {
        file.seek(SeekFrom::Start(length - 1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            text.push('\n'); // a crash cut the line before
        }
    }
    text.push_str(&line.to_string());
    text.push('\n');
    if let Err(error) = file.write_all(text.as_bytes()) {
        let _ = file.set_len(length); // best effort: the next line begins anew in any case
        return Err(error);
    }
    file.sync_all()?;
    crate::journal::sync_dir(dir)
}
