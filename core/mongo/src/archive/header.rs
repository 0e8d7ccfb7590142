//! The first document of an archive: of which format, server and tool it is; and the seal over all that comes before the
//! first block, which the format itself does not protect.
//!
//! The seal is the end of `tool_version`: `tfx 0.1.0 crc64:` and sixteen digits, CRC-64/XZ of every byte up to the first
//! terminator and with it, those digits as zeros. Archives of other tools have none.

use super::{Damage, VERSION, fields::Fields, tally::checksum};
use crc64fast::Digest;
use mongodb::bson::{Document, doc};

const WHAT: &str = "the header";
/// What our own archives say that they are made by.
const TOOL: &str = concat!("tfx ", env!("CARGO_PKG_VERSION"));
const SEAL: &str = "crc64:";
const DIGITS: usize = 16;

/// Who made an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// The version of the server.
    pub(crate) server: String,
    /// The tool, and the seal.
    pub(crate) tool: String,
}

impl Header {
    /// Of an archive that is made here; its seal is not there yet.
    pub(super) fn ours(server: &str) -> Self {
        Self { server: server.to_owned(), tool: format!("{TOOL} {SEAL}{}", "0".repeat(DIGITS)) }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, Damage> {
        let mut fields = Fields::of(WHAT, bytes)?;
        let version = fields.text("version")?;
        if version != VERSION {
            return Err(Damage::Version(version.to_owned()));
        }
        fields.count("concurrent_collections")?;
        let (server, tool) = (fields.text("server_version")?, fields.text("tool_version")?);
        fields.end()?;
        if !is_version(server) {
            return Err(Damage::ServerVersion(server.to_owned()));
        }
        Ok(Self { server: server.to_owned(), tool: tool.to_owned() })
    }

    pub(super) fn document(&self) -> Document {
        doc! {
            // Its blocks do not take turns.
            "concurrent_collections": 1_i32,
            "version": VERSION,
            "server_version": &self.server,
            "tool_version": &self.tool,
        }
    }

    /// Whose archive it is, without the seal.
    pub(crate) fn made_by(&self) -> &str {
        self.tool.split(SEAL).next().unwrap_or_default().trim_end()
    }
}

/// As the official tool wants it: three numbers, behind which something may stand.
fn is_version(text: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.len() < 6 && part.bytes().all(|b| b.is_ascii_digit());
    let release = text.split('-').next().unwrap_or_default();
    let parts: Vec<&str> = release.split('.').collect();
    parts.len() == 3 && parts.into_iter().all(number)
}

/// The checksum of what comes before the blocks.
pub(super) struct Seal {
    digest: Digest,
    /// As it stands there; none in archives of others.
    wanted: Option<u64>,
}

impl Seal {
    /// Begins with the magic bytes and the header's.
    pub(super) fn of(magic: &[u8], header: &[u8]) -> Result<Self, Damage> {
        let mut digest = Digest::new();
        digest.write(magic);
        let (masked, wanted) = match place(header) {
            Some(at) => {
                let mut masked = header.to_vec();
                let digits = String::from_utf8_lossy(&header[at..at + DIGITS]).into_owned();
                masked[at..at + DIGITS].fill(b'0');
                let wrong = Damage::Field {
                    what: WHAT,
                    field: "tool_version".to_owned(),
                    wanted: "a checksum of 16 digits",
                };
                let lower = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                let value = u64::from_str_radix(&digits, 16).ok().filter(|_| lower).ok_or(wrong)?;
                (masked, Some(value))
            }
            None => (header.to_vec(), None),
        };
        digest.write(&masked);
        // One of ours whose seal cannot be found is one whose bytes have changed.
        if wanted.is_none() && contains(header, b"tfx ") {
            return Err(Damage::Field { what: WHAT, field: "tool_version".to_owned(), wanted: "sealed" });
        }
        Ok(Self { digest, wanted })
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.digest.write(bytes);
    }

    /// After the terminator.
    pub(super) fn check(&self) -> Result<(), Damage> {
        let found = checksum(&self.digest);
        match self.wanted {
            Some(wanted) if wanted != found => Err(Damage::Seal { found, wanted }),
            _ => Ok(()),
        }
    }

    /// Writes the checksum of all that comes before the blocks into it.
    pub(super) fn put(all: &mut [u8]) {
        let mut digest = Digest::new();
        digest.write(all);
        if let Some(at) = place(all) {
            all[at..at + DIGITS].copy_from_slice(format!("{:016x}", checksum(&digest)).as_bytes());
        }
    }
}

/// Where the digits stand: they end the text.
fn place(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(SEAL.len()).position(|w| w == SEAL.as_bytes())? + SEAL.len();
    (bytes.get(at + DIGITS) == Some(&0)).then_some(at)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|w| w == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_three_numbers() {
        for (text, good) in [
            ("6.0.5", true),
            ("7.0.0-rc1", true),
            ("8.0.12-5", true),
            ("6.0", false),
            ("6.0.x", false),
            ("", false),
            ("6..5", false),
            ("6.0.5.1", false),
            ("unknown", false),
        ] {
            assert_eq!(is_version(text), good, "{text}");
        }
    }

    #[test]
    fn what_was_made_here_says_so_without_its_seal() {
        assert_eq!(Header::ours("6.0.5").made_by(), TOOL);
        let other = Header { server: "6.0.5".to_owned(), tool: "100.9.4".to_owned() };
        assert_eq!(other.made_by(), "100.9.4");
    }
}
