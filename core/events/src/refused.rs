//! `refused.jsonl`: events that the sink will never take, kept with the reason, one JSON object a line:
//! `{"at", "topic", "id", "key", "reason", "event"}`. `event` is the event's JSON, or its text if it is not JSON.
//!
//! Given to the journal again, the file becomes `refused-MS.replayed`; lines that could not be read, and what was refused
//! meanwhile, stay in a new `refused.jsonl`.

use crate::{erase::JournalErased, journal::record::Encoded};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use smol_str::SmolStr;
use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write},
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};
use tfx_domain::event::{PersonNames, Topic};
use tfx_ports::{clock, files, sink::Envelope};

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
    let mut file = files::private().read(true).append(true).create(true).open(dir.join(NAME))?;
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

/// How many lines there are.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn count(dir: &Path) -> io::Result<u64> {
    let Some(mut file) = open(dir)?.map(BufReader::new) else { return Ok(0) };
    let (mut lines, mut buffer) = (0, Vec::new());
    while file.read_until(b'\n', &mut buffer)? > 0 {
        lines += u64::from(!buffer.trim_ascii().is_empty());
        buffer.clear();
    }
    Ok(lines)
}

/// Bytes that stand in the file.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn length(dir: &Path) -> io::Result<u64> {
    open(dir)?.map_or(Ok(0), |file| Ok(file.metadata()?.len()))
}

/// Some of what stands in the file.
#[derive(Debug, Default)]
pub(crate) struct RefusedPart {
    /// As they were given to the sink.
    pub(crate) events: Vec<Encoded>,
    /// Where lines stand that hold no event.
    pub(crate) unreadable: Vec<Range<u64>>,
    /// Where the next part begins.
    pub(crate) next: u64,
}

/// Lines from `from` on, at most about `bytes` of them, none at or after `until`.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn read(dir: &Path, from: u64, until: u64, bytes: u64) -> io::Result<RefusedPart> {
    let mut part = RefusedPart { next: from, ..RefusedPart::default() };
    let Some(mut file) = open(dir)? else { return Ok(RefusedPart { next: until, ..part }) };
    file.seek(SeekFrom::Start(from))?;
    let mut file = BufReader::new(file.take(until.saturating_sub(from)));
    let mut line = Vec::new();
    while part.next < until && part.next - from < bytes {
        line.clear();
        let size = file.read_until(b'\n', &mut line)? as u64;
        if size == 0 {
            part.next = until;
            break;
        }
        match event(&line) {
            Some(event) => part.events.push(event),
            None if line.trim_ascii().is_empty() => {}
            None => part.unreadable.push(part.next..part.next + size),
        }
        part.next += size;
    }
    Ok(part)
}

/// The first `until` bytes were given to the journal, but for `unreadable`: puts the file away, and begins a new one
/// with the rest. Returns where it is now. Whenever this is cut short, nothing is gone.
///
/// # Errors
/// The folder cannot be written.
pub(crate) fn put_away(dir: &Path, until: u64, unreadable: &[Range<u64>]) -> io::Result<PathBuf> {
    let path = dir.join(NAME);
    let away = dir.join(format!("refused-{}.replayed", clock::now().as_millisecond()));
    let file = File::open(&path)?;
    let length = file.metadata()?.len();
    if unreadable.is_empty() && length <= until {
        fs::rename(&path, &away)?;
    } else {
        let beside = dir.join("refused.jsonl.new");
        let mut rest = files::private().write(true).create(true).truncate(true).open(&beside)?;
        for range in unreadable.iter().cloned().chain(std::iter::once(until..length)) {
            let mut bytes = vec![0; usize::try_from(range.end - range.start).map_err(io::Error::other)?];
            file.read_exact_at(&mut bytes, range.start)?;
            rest.write_all(&bytes)?;
        }
        rest.sync_all()?;
        fs::hard_link(&path, &away)?;
        fs::rename(&beside, &path)?;
    }
    crate::journal::sync_dir(dir)?;
    Ok(away)
}

/// Removes lines in which one of these texts stands, also of files that were put away; tells which other files hold one.
///
/// # Errors
/// The folder cannot be read or written.
pub(crate) fn erase(dir: &Path, texts: &[String], dry_run: bool) -> io::Result<JournalErased> {
    let names = PersonNames::new(texts);
    let mut erased = JournalErased::default();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".damaged") || name.ends_with(".unreadable") {
            if names.stand_in(&fs::read(&path)?) {
                erased.left.push(name);
            }
            continue;
        }
        if name != NAME && !(name.starts_with("refused-") && name.ends_with(".replayed")) {
            continue;
        }
        let text = fs::read(&path)?;
        let (his, others): (Vec<&[u8]>, Vec<&[u8]>) =
            text.split_inclusive(|b| *b == b'\n').partition(|line| names.stand_in(line));
        erased.refused += his.len() as u64;
        if !his.is_empty() && !dry_run {
            files::replace(&path, &others.concat())?;
        }
    }
    Ok(erased)
}

fn open(dir: &Path) -> io::Result<Option<File>> {
    match File::open(dir.join(NAME)) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The event of a line; none if it holds none.
fn event(line: &[u8]) -> Option<Encoded> {
    #[derive(Deserialize)]
    struct Line<'l> {
        topic: String,
        id: SmolStr,
        key: SmolStr,
        #[serde(borrow)]
        event: &'l RawValue,
    }
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    let topic = Topic::ALL.into_iter().find(|t| t.as_str() == line.topic)?;
    // No event is a JSON text: a text stands for what is not JSON.
    let payload =
        serde_json::from_str::<String>(line.event.get()).unwrap_or_else(|_| line.event.get().to_owned());
    Encoded::new(topic, line.id, line.key, payload.into_bytes()).ok()
}
