//! What was accepted, by kind and hour, with a digest of the ids: what is held against the stores
//! (`docs/decisions/0058-a-ledger-beside-the-journal.md`). The journal's writer counts what it wrote, behind the answer to nobody;
//! what the journal did not take under `fail_open` counts too. What is counted is in files beside the journal within a second,
//! and before the records that it was counted from are deleted; what is not is counted again from the journal at the next
//! start. Telling it to all is in [`tell`].

mod book;
mod entry;
mod files;
pub(crate) mod tell;

use crate::journal::{Disk, each_record, record::framed};
use book::Book;
use entry::Entry;
use files::{Files, Found, Head, Key, Page};
use std::{
    io,
    ops::Range,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tfx_domain::{event::Event, id::ClickId, ledger::HourLedger};
use tfx_ports::{LogThrottle, clock, entropy, sink::Envelope};

/// How often what was counted goes to disk.
pub(crate) const SAVE_EVERY: Duration = Duration::from_secs(1);
/// After so many records the instance's file says how far is counted, so that a start does not read them all.
const HEAD_EVERY: u64 = 100_000;

/// Counts; there is one for each journal.
#[derive(Debug)]
pub(crate) struct Ledger {
    book: Mutex<Book>,
    /// Held while files are written: an older page never comes after a newer one.
    saving: Mutex<LogThrottle>,
}

/// What an opening journal knows of itself.
pub(crate) struct Places<'p> {
    /// First sequences of its segments, in order.
    pub(crate) segments: &'p [u64],
    /// Everything before is delivered.
    pub(crate) cursor: u64,
    /// Where the next record goes.
    pub(crate) next: u64,
}

impl Ledger {
    /// Opens the ledger of the journal at `dir`, and counts what is in the journal and not yet in it. `fresh`: the journal
    /// never had an event.
    ///
    /// # Errors
    /// The folder or a segment cannot be read.
    pub(crate) fn open(dir: &Path, disk: &dyn Disk, fresh: bool, places: &Places<'_>) -> io::Result<Self> {
        let files = Files::of(dir);
        // A full disk must not keep a journal from being emptied: what cannot be made now is made later.
        if let Err(error) = files.make_folder() {
            tracing::warn!(%error, "the ledger of events cannot be kept on disk yet");
        }
        let now = clock::now();
        let name = || ClickId::generate(now, entropy::random_u128());
        let process = name();
        let begin = |from| Head {
            instance: name().to_string(),
            process: Some(process),
            began: places.next,
            began_delivered: places.cursor,
            from,
            counted: places.next,
            delivered: places.cursor,
            again: Vec::new(),
        };
        let (mut head, new) = match files.head() {
            Found::This(head) => (head, false),
            Found::Nothing => (begin((!fresh).then_some(now)), true),
            Found::Damaged(path) => {
                let aside = files.put_aside(now).unwrap_or(path);
                tracing::error!(kept_as = %aside.display(), "the ledger of events cannot be read: it begins anew, and hours before the next whole one are not reconciled");
                (begin(Some(now)), true)
            }
        };
        let first = places.segments.first().copied().unwrap_or(places.next);
        head.again.retain(|range| range.end > first && range.start < places.next);
        head.again.iter_mut().for_each(|range| range.end = range.end.min(places.next));
        let from = match places.cursor > head.delivered {
            true => head.counted.min(head.delivered),
            false => head.counted,
        };
        // Who counted before: what the journal has of it is its own.
        let before = head.process.or_else(|| head.instance.parse().ok()).unwrap_or(process);
        if let Err(error) = files.name_by(before) {
            tracing::warn!(%error, "what a version before counted cannot be named, and is not told again");
        }
        let mut book = Book::new(files, head, before, places.next);
        if from < places.next {
            each_record(disk, dir, places.segments, from, &mut |view, bytes, at| {
                let payload = &bytes[at + view.payload.start..at + view.payload.end];
                if let Some(entry) = Entry::of(view.topic, view.id, payload) {
                    book.recover(&entry, view.sequence, places.cursor);
                }
            })?;
        }
        (book.counted, book.delivered) = (places.next, places.cursor);
        if new {
            book.head_unsaved = true;
        }
        let ledger = Self { book: Mutex::new(book), saving: Mutex::default() };
        ledger.save();
        if !new {
            ledger.begin(process);
        }
        Ok(ledger)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this process counts, apart from those before: whatever becomes of this disk, what was told of them stays. If
    /// that cannot be kept on disk, it goes on as the last one.
    fn begin(&self, process: ClickId) {
        let _alone = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let mut book = self.book();
        let (counted, delivered) = (book.counted, book.delivered);
        let head = Head {
            process: Some(process),
            began: counted,
            began_delivered: delivered,
            counted,
            delivered,
            ..book.head.clone()
        };
        if book.is_saved() && book.files.write_head(&head).is_ok() {
            book.begin(head, process);
        }
    }

    /// Another process tells by the name of this journal: this one takes another name.
    pub(crate) fn rename(&self) -> String {
        let mut book = self.book();
        book.head.instance = ClickId::generate(clock::now(), entropy::random_u128()).to_string();
        book.head_unsaved = true;
        book.head.instance.clone()
    }

    /// These framed records are in the journal, the first of them at the place `first`.
    pub(crate) fn count(&self, records: &[u8], first: u64) {
        let entries: Vec<_> = framed(records).map(|r| Entry::of(r.topic, r.id, r.payload)).collect();
        let mut book = self.book();
        let again = book.head.again.last().is_some_and(|range| range.contains(&first));
        if !again {
            entries.iter().flatten().for_each(|entry| book.accept(entry));
        }
        book.counted = first + entries.len() as u64;
    }

    /// The journal did not take these framed records, and those who gave them were answered all the same.
    pub(crate) fn dropped(&self, records: &[u8]) {
        let entries = framed(records).filter_map(|r| Entry::of(r.topic, r.id, r.payload));
        entries.for_each(|entry| self.drop_entry(&entry));
    }

    /// The same of an event that did not come as far.
    pub(crate) fn dropped_event(&self, event: &Event) {
        if let Some(entry) = Entry::of_event(event) {
            self.drop_entry(&entry);
        }
    }

    fn drop_entry(&self, entry: &Entry) {
        // The sender of a postback that is answered 503 has it still: nothing was accepted of it.
        if !entry.sent_again {
            self.book().accept(entry);
        }
    }

    /// The sink has everything before the place `next`: these of it are new to it.
    pub(crate) fn delivered<'e>(&self, events: impl Iterator<Item = (u64, &'e Envelope)>, next: u64) {
        let mut book = self.book();
        for (place, event) in events {
            if let Some(entry) = Entry::of(event.topic, &event.id, &[]) {
                book.publish(&entry, place);
            }
        }
        book.delivered = book.delivered.max(next);
    }

    /// The records that come to these places were counted when they came first. Known on disk when this returns.
    ///
    /// # Errors
    /// That cannot be kept: they must not be written.
    pub(crate) fn expect_again(&self, places: Range<u64>) -> io::Result<()> {
        let _alone = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let mut book = self.book();
        book.head.again.push(places);
        let kept = book.files.make_folder().and_then(|()| book.files.write_head(&book.head));
        if kept.is_err() {
            book.head.again.pop();
        }
        kept
    }

    /// They did not come.
    pub(crate) fn expect_no_more(&self) {
        let mut book = self.book();
        book.head.again.pop();
        book.head_unsaved = true;
    }

    /// Brings what was counted to disk. What cannot be written is tried again the next time, and told.
    pub(crate) fn save(&self) {
        self.save_and_tell(false);
    }

    /// As [`Self::save`], and says on disk how far is counted.
    pub(crate) fn save_places(&self) {
        self.save_and_tell(true);
    }

    fn save_and_tell(&self, places: bool) {
        let mut failing = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        match self.try_save(places) {
            Ok(()) => failing.over(),
            Err(error) if failing.due() => {
                tracing::warn!(%error, "the ledger of events cannot be written; what it counts is lost if the journal's records go before it can");
            }
            Err(_) => {}
        }
    }

    fn try_save(&self, places: bool) -> io::Result<()> {
        let (files, pages, head) = {
            let mut book = self.book();
            let (counted, delivered) = (book.counted, book.delivered);
            let pages: Vec<(Key, Page)> = book.take_unsaved();
            let stale = counted.saturating_sub(book.head.counted) >= HEAD_EVERY;
            let head = Head { counted, delivered, ..book.head.clone() };
            let head = (book.head_unsaved || stale || places && head != book.head).then_some(head);
            (Files::clone(&book.files), pages, head)
        };
        let mut outcome = if pages.is_empty() && head.is_none() { Ok(()) } else { files.make_folder() };
        let mut left = Vec::new();
        for (key, page) in pages {
            if outcome.is_ok() {
                outcome = files.write_page(key, &page);
            }
            if outcome.is_err() {
                left.push(key);
            }
        }
        // It says that the pages are there.
        if let Some(head) = head.as_ref().filter(|_| outcome.is_ok()) {
            outcome = files.write_head(head);
        }
        let mut book = self.book();
        left.into_iter().for_each(|key| book.save_again(key));
        if outcome.is_ok()
            && let Some(head) = head
        {
            (book.head.counted, book.head.delivered, book.head_unsaved) =
                (head.counted, head.delivered, false);
        }
        book.tidy(clock::now());
        outcome
    }
}

/// What the ledger says of an hour that it cannot read.
fn torn() -> HourLedger {
    HourLedger { torn: true, ..HourLedger::default() }
}
