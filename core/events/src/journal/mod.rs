//! The journal: events on disk from the answer to the delivery. This is the specification of its files.
//!
//! # Folder
//!
//! | name | what |
//! |---|---|
//! | `lock` | held exclusively by the process that uses the folder |
//! | `NNNNNNNNNNNNNNNNNNNN.seg` | a segment, named by the sequence of its first record (20 digits) |
//! | `cursor` | how far delivery got |
//! | `FIRST-OFFSET.damaged` | bytes of segment FIRST at OFFSET that are no record, kept for a person |
//! | `NNNNNNNNNNNNNNNNNNNN.unreadable` | a segment, delivered, in which the device could not read something; for a person |
//! | `ledger/` | what was accepted (see `ledger`) |
//! | `refused.jsonl`, `refused-MS.replayed` | events the sink refused for good, and those given to the journal again (see `refused.rs`) |
//!
//! All numbers are little-endian.
//!
//! # Segment
//!
//! ```text
//! magic "tfx-jrnl" | version u32 = 1 | crc32 u32 of the 12 bytes before      16 bytes
//! record*
//! record = length u32 | crc32 u32 | sequence u64 | time i64 (ms) | topic u8 | id length u8 | key length u8
//!          | id | key | payload
//! ```
//!
//! `length` counts what follows the checksum, the checksum covers it. `length` is below 2^24, so its last byte is 0;
//! ids, keys and JSON contain no 0 byte, so no record can hide in another. Sequences start at 1 and rise by one from
//! record to record within a segment and over segments.
//!
//! # Cursor
//!
//! The sequence of the next record to deliver, in two slots (offsets 0 and 4096) written in turn, each
//! `next u64 | crc32 u32`. The valid slot with the larger number counts; none means the beginning. It is written
//! after each batch the sink took and synced before a segment is deleted: after a crash events may be delivered
//! again, never left out.
//!
//! # Rules
//!
//! - Only the appender writes segments, only the reader deletes them: when every record of a segment is delivered and
//!   the cursor is synced. The folder is synced after a file was created, before an event in it counts as durable,
//!   and after deletions.
//! - An append that fails in part is cut off again. If it cannot be cut off, the segment is left and a new one begun
//!   with the same sequence: records at or after the next segment's first sequence are not part of a segment.
//! - A sync that fails leaves its segment for a new one: a second sync of the same file could claim what is not so.
//! - Opening never appends to an old segment; it reads the last one to find the next sequence. A start therefore
//!   needs no repair, and a damaged file is never written to.
//! - Bytes that are no record are passed over to the next record that fits the sequence, copied into a `.damaged`
//!   file, logged and counted. An incomplete record at the end of a segment is a write cut short by a crash: copied
//!   and logged, but not counted, since nothing was promised for it.
//! - What the device cannot read is damaged, and 0 in what is kept of it: passed over, logged and counted. A segment with
//!   such a place is renamed, not deleted, when it is delivered: another program may read more of it.
//! - The limit of size counts undelivered bytes. Delivered ones of the last segment come on top: one segment at most.

mod append;
mod copies;
mod cursor;
mod disk;
mod files;
mod layout;
mod open;
mod read;
pub(crate) mod record;
mod sectors;
#[cfg(test)]
pub(crate) mod tests;
mod waiting;

pub(crate) use append::{AppendError, Appender};
pub use copies::{Held, JournalFile, copies};
pub(crate) use disk::{Disk, RealDisk};
pub(crate) use files::sync_dir;
pub(crate) use layout::Shared;
pub(crate) use open::{Journal, Limits};
pub(crate) use read::{Batch, Reader};
pub(crate) use waiting::each_record;
pub use waiting::{Undelivered, waiting};
