//! The archive format of mongodump, as it is read and written here without any tool of MongoDB's. Pure: bytes in, bytes
//! out, no server.
//!
//! ```text
//! archive = 6D E2 99 81                                                 magic
//!           BSON{concurrent_collections: i32, version: "0.1", server_version: str, tool_version: str}
//!           BSON{db, collection, metadata: str, size: i32, type: str}*  one for each namespace
//!           FF FF FF FF
//!           block*
//! block   = BSON{db, collection, EOF: false, CRC: 0} document* FF FF FF FF
//!         | BSON{db, collection, EOF: true, CRC: i64} FF FF FF FF       the last of its namespace
//! ```
//!
//! - `CRC` is CRC-64/XZ over the bytes of all documents of the namespace, 0 when there are none.
//! - Blocks of several namespaces may take turns. A time series stands among the namespaces under its name; its blocks are
//!   those of `system.buckets.NAME`.
//! - `metadata` is canonical Extended JSON: options, indexes, uuid, name and type.
//! - The format protects documents alone. What is written here seals the rest too: `tool_version`, which no tool reads, ends
//!   in the CRC of everything before the first block (see [`header`]).
//!
//! Everything that is not so is [`Damage`], with the byte at which it was seen.

mod damage;
mod extjson;
mod fields;
mod header;
mod metadata;
mod namespace;
mod read;
mod tally;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use damage::{Damage, ReadError};
pub(crate) use header::Header;
pub(crate) use metadata::{Kind, Metadata};
pub(crate) use namespace::Namespace;
pub(crate) use read::{ArchiveStep, Reader};
pub(crate) use tally::Tally;
pub(crate) use write::Writer;

/// The first bytes.
const MAGIC: [u8; 4] = [0x6d, 0xe2, 0x99, 0x81];
/// Ends the list of namespaces, and each block.
const TERMINATOR: [u8; 4] = [0xff; 4];
/// The version of the format.
const VERSION: &str = "0.1";
/// Bytes of the smallest document: its length and its end.
const SMALLEST: usize = 5;
/// Bytes of the largest one: what a server stores, 16 MiB.
const LARGEST: usize = 16 << 20;
/// Namespaces in one archive, far more than a server bears; a damaged count ends here.
const MOST_NAMESPACES: usize = 1 << 20;
/// What the documents of a time series are stored in.
const BUCKETS: &str = "system.buckets.";
