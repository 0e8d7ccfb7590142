//! What is counted, in memory: the hours that are counted in now. Others are in their files alone, and are read when an event
//! of such an hour comes.

use super::{
    entry::Entry,
    files::{Files, Found, Head, Key, Page},
    torn,
};
use std::collections::{BTreeMap, BTreeSet};
use tfx_domain::{
    Timestamp,
    id::ClickId,
    ledger::{Hour, HourLedger, LedgerKind},
};

/// So many hours are kept: 31 days.
pub(super) const KEPT: i64 = 31 * 24;
/// So many of each kind are in memory, the newest, beside those that are to be written.
const IN_MEMORY: i64 = 2;

#[derive(Debug)]
pub(super) struct Book {
    pub(super) files: Files,
    pub(super) head: Head,
    /// Who counts.
    process: ClickId,
    pub(super) head_unsaved: bool,
    pages: BTreeMap<Key, Page>,
    /// Of `pages`, those that are not on disk as they are.
    unsaved: BTreeSet<Key>,
    /// Every hour there is, in memory or on disk.
    known: BTreeSet<Key>,
    /// Those that not all know as they are.
    untold: BTreeSet<Key>,
    /// Everything before is counted.
    pub(super) counted: u64,
    /// Everything before is counted as published.
    pub(super) delivered: u64,
    /// When old hours were looked for.
    tidied: Option<Hour>,
}

impl Book {
    /// `next`: where the next record of the journal goes. What a page says of places behind it is of records that the loss
    /// of power took.
    pub(super) fn new(files: Files, head: Head, process: ClickId, next: u64) -> Self {
        let known: BTreeSet<Key> = files.keys().unwrap_or_default().into_iter().collect();
        let mut book = Self {
            files,
            head,
            process,
            head_unsaved: false,
            pages: BTreeMap::new(),
            unsaved: BTreeSet::new(),
            untold: known.clone(),
            known,
            counted: 0,
            delivered: 0,
            tidied: None,
        };
        let newest = book.known.iter().map(|(_, hour, _)| hour.0).max().unwrap_or(0);
        let recent: Vec<Key> =
            book.known.iter().copied().filter(|(_, hour, _)| hour.0 > newest - 2 * 24).collect();
        for key in recent {
            let page = book.page(key);
            if page.counted > next {
                (page.counted, page.delivered) = (next, page.delivered.min(next));
                book.unsaved.insert(key);
            }
        }
        book.head_unsaved = book.head.counted > next;
        book.head.counted = book.head.counted.min(next);
        book.head.began = book.head.began.min(next);
        book.head.began_delivered = book.head.began_delivered.min(next);
        book
    }

    fn page(&mut self, key: Key) -> &mut Page {
        let Self { files, known, unsaved, head, .. } = self;
        self.pages.entry(key).or_insert_with(|| {
            if known.insert(key) {
                return Page {
                    counted: head.began,
                    delivered: head.began_delivered,
                    ledger: HourLedger::default(),
                };
            }
            read(files, key).unwrap_or_else(|| {
                unsaved.insert(key);
                Page { ledger: torn(), ..Page::default() }
            })
        })
    }

    fn key(&self, entry: &Entry) -> Key {
        (entry.kind, entry.hour(), self.process)
    }

    /// Whether everything is on disk as it is.
    pub(super) fn is_saved(&self) -> bool {
        self.unsaved.is_empty() && !self.head_unsaved
    }

    /// From now on another process counts, as the head on disk says.
    pub(super) fn begin(&mut self, head: Head, process: ClickId) {
        (self.head, self.process) = (head, process);
    }

    fn counts(&self, entry: &Entry) -> bool {
        // A time of an id is kept to the millisecond.
        self.head.from.is_none_or(|from| entry.id.timestamp().as_millisecond() >= from.as_millisecond())
    }

    /// One more was accepted.
    pub(super) fn accept(&mut self, entry: &Entry) {
        if self.counts(entry) {
            let key = self.key(entry);
            entry.count(&mut self.page(key).ledger);
            self.changed(key);
        }
    }

    /// The sink has taken the record at a place, perhaps once more.
    pub(super) fn publish(&mut self, entry: &Entry, place: u64) {
        if self.counts(entry) {
            let key = self.key(entry);
            let page = self.page(key);
            if place >= page.delivered {
                page.ledger.published += 1;
                self.changed(key);
            }
        }
    }

    /// What the page of a record in the journal does not count yet; before `cursor` everything is delivered.
    pub(super) fn recover(&mut self, entry: &Entry, place: u64, cursor: u64) {
        if !self.counts(entry) {
            return;
        }
        let again = self.head.again.iter().any(|range| range.contains(&place));
        let key = self.key(entry);
        let page = self.page(key);
        let (new, published) = (place >= page.counted && !again, place >= page.delivered && place < cursor);
        if new {
            entry.count(&mut page.ledger);
        }
        page.ledger.published += u64::from(published);
        if new || published {
            self.changed(key);
        }
    }

    fn changed(&mut self, key: Key) {
        self.unsaved.insert(key);
        self.untold.insert(key);
    }

    /// The pages that are to be written, with the places up to which they count.
    pub(super) fn take_unsaved(&mut self) -> Vec<(Key, Page)> {
        let (counted, delivered) = (self.counted, self.delivered);
        let keys = std::mem::take(&mut self.unsaved);
        let page = |key: Key| Some((key, Page { counted, delivered, ..self.pages.get(&key)?.clone() }));
        keys.into_iter().filter_map(page).collect()
    }

    /// A page could not be written.
    pub(super) fn save_again(&mut self, key: Key) {
        self.unsaved.insert(key);
    }

    /// At most so many of the hours that not all know as they are; they count as told.
    pub(super) fn take_untold(&mut self, most: usize) -> Vec<(Key, Page)> {
        let keys: Vec<Key> = self.untold.iter().copied().take(most).collect();
        keys.iter().for_each(|key| _ = self.untold.remove(key));
        keys.into_iter().map(|key| (key, self.page(key).clone())).collect()
    }

    /// They are not told.
    pub(super) fn tell_again(&mut self, keys: impl Iterator<Item = Key>) {
        self.untold.extend(keys.filter(|key| self.known.contains(key)));
    }

    /// Has in memory what is counted in, and on disk what is not too old.
    pub(super) fn tidy(&mut self, now: Timestamp) {
        let unsaved = &self.unsaved;
        let last = |kind| (kind, Hour(i64::MAX), ClickId::from_bits(u128::MAX));
        let newest = LedgerKind::ALL.map(|kind| self.known.range(..=last(kind)).next_back().copied());
        let stays = |key: &Key| {
            unsaved.contains(key)
                || newest
                    .iter()
                    .flatten()
                    .any(|(kind, hour, _)| *kind == key.0 && key.1.0 > hour.0 - IN_MEMORY)
        };
        self.pages.retain(|key, _| stays(key));
        let now = Hour::at(now);
        if self.tidied.replace(now) == Some(now) {
            return;
        }
        let old: Vec<Key> = self.known.iter().copied().filter(|(_, hour, _)| hour.0 < now.0 - KEPT).collect();
        for key in old {
            if self.files.remove(key).is_ok() {
                _ = (
                    self.known.remove(&key),
                    self.untold.remove(&key),
                    self.unsaved.remove(&key),
                    self.pages.remove(&key),
                );
            }
        }
    }
}

/// What is on disk of an hour; none if that cannot be read, which is told.
fn read(files: &Files, key: Key) -> Option<Page> {
    let (kind, hour) = (key.0.as_str(), key.1.start());
    match files.page(key) {
        Found::This(page) => return Some(page),
        Found::Damaged(kept) => {
            tracing::error!(kind, %hour, kept_as = %kept.display(), "the ledger of an hour cannot be read: it is not reconciled");
        }
        Found::Nothing => tracing::error!(kind, %hour, "the ledger of an hour is gone: it is not reconciled"),
    }
    None
}
