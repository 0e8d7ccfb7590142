//! The outer form of an archive: POSIX tar (ustar), so that any `tar` unpacks it. Written in one form alone and read as
//! strictly: a header is, byte for byte, what would be written for its name, size and time; what fills up is 0; nothing
//! follows the end. So no bit outside of the files' own bytes can change unseen.
//!
//! ```text
//! entry = header of 512 bytes | the file's bytes | 0 up to a multiple of 512
//! tape  = entry* | 1024 bytes of 0
//! ```
//!
//! Sizes of 8 GiB and more are binary, as GNU tar and everybody after it has them.

use super::given_up;
use std::io::{self, ErrorKind, Read, Write};
use tfx_ports::backup::BackupError;

const BLOCK: usize = 512;
/// The longest name.
const NAME: usize = 100;
/// The first size that eleven octal digits cannot say.
const OCTAL: u64 = 1 << 33;

/// A header: a file of this user alone.
fn header(name: &str, size: u64, seconds: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &name.as_bytes()[..name.len().min(NAME)]);
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if size < OCTAL {
        put(124, format!("{size:011o}\0").as_bytes());
    } else {
        put(124, &[0x80, 0, 0, 0]);
        put(128, &size.to_be_bytes());
    }
    put(136, format!("{:011o}\0", seconds % OCTAL).as_bytes());
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Whether a file of an archive may be called so: nothing leads out of the folder.
pub(super) fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    name.len() <= NAME && name.split('/').all(part)
}

/// Writes a tape.
pub(super) struct TapeWriter<W> {
    to: W,
    seconds: u64,
}

impl<W: Write> TapeWriter<W> {
    /// `seconds` since 1970 is the time of every file.
    pub(super) fn new(to: W, seconds: u64) -> Self {
        Self { to, seconds }
    }

    /// A file of that many bytes. Where there are fewer, 0 stands for the rest; where there are more, they are left out. `told`
    /// gets them as they come, and says whether to go on.
    pub(super) fn file(
        &mut self,
        name: &str,
        size: u64,
        from: &mut dyn Read,
        told: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), BackupError> {
        self.put(&header(name, size, self.seconds))?;
        let mut buffer = vec![0; 1 << 17];
        let mut left = size;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let n = match from.read(&mut buffer[..most]) {
                Ok(0) => {
                    buffer[..most].fill(0);
                    most
                }
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(BackupError::Read(io::Error::new(e.kind(), format!("{name}: {e}")))),
            };
            if !told(&buffer[..n]) {
                return Err(given_up());
            }
            self.put(&buffer[..n])?;
            left -= n as u64;
        }
        self.put(&[0; BLOCK][..filling(size)])
    }

    /// The end.
    pub(super) fn end(mut self) -> Result<W, BackupError> {
        self.put(&[0; 2 * BLOCK])?;
        Ok(self.to)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.to.write_all(bytes).map_err(BackupError::Write)
    }
}

/// Bytes after a file up to the next block.
fn filling(size: u64) -> usize {
    (BLOCK - usize::try_from(size % BLOCK as u64).unwrap_or(0)) % BLOCK
}

/// Reads a tape.
pub(super) struct TapeReader<'r> {
    from: &'r mut dyn Read,
    at: u64,
    seconds: Option<u64>,
    /// Of the file that is read: bytes to come, and what fills it up.
    left: u64,
    filling: usize,
}

impl<'r> TapeReader<'r> {
    pub(super) fn new(from: &'r mut dyn Read) -> Self {
        Self { from, at: 0, seconds: None, left: 0, filling: 0 }
    }

    /// The next file's name and size; none at the end, behind which nothing may be. What was not read of the one before
    /// must have been read.
    pub(super) fn next(&mut self) -> Result<Option<(String, u64)>, BackupError> {
        let fill = std::mem::take(&mut self.filling);
        let begin = self.at;
        let mut block = [0; BLOCK];
        self.fill(&mut block[..fill])?;
        if block[..fill].iter().any(|b| *b != 0) {
            return Err(damaged(begin, "what fills a file up is not 0"));
        }
        let begin = self.at;
        self.fill(&mut block)?;
        if block.iter().all(|b| *b == 0) {
            self.end()?;
            return Ok(None);
        }
        let text = |range: std::ops::Range<usize>| {
            let bytes = &block[range];
            let length = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
            std::str::from_utf8(&bytes[..length]).ok()
        };
        let octal = |range| text(range).and_then(|digits| u64::from_str_radix(digits, 8).ok());
        let size = if block[124] == 0x80 {
            block[128..136].first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
        } else {
            octal(124..136)
        };
        let strange =
            || damaged(begin, "there is no header of a file as tfx writes it; is it a backup of tfx?");
        let (Some(name), Some(size), Some(seconds)) = (text(0..100), size, octal(136..148)) else {
            return Err(strange());
        };
        let seconds = *self.seconds.get_or_insert(seconds);
        if !is_name(name) || block != header(name, size, seconds) {
            return Err(strange());
        }
        (self.left, self.filling) = (size, filling(size));
        Ok(Some((name.to_owned(), size)))
    }

    /// Bytes of the file; none at its end.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<usize, BackupError> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        if most == 0 {
            return Ok(0);
        }
        let n = self.some(&mut into[..most])?;
        if n == 0 {
            return Err(damaged(self.at, "it ends in the middle of a file"));
        }
        self.left -= n as u64;
        Ok(n)
    }

    /// The byte that is read next.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// When it was written, in seconds since 1970, as the headers have it.
    pub(super) const fn seconds(&self) -> Option<u64> {
        self.seconds
    }

    fn end(&mut self) -> Result<(), BackupError> {
        let (begin, mut block) = (self.at, [0; BLOCK]);
        self.fill(&mut block)?;
        if block.iter().any(|b| *b != 0) || self.some(&mut block[..1])? > 0 {
            return Err(damaged(begin, "something follows its end"));
        }
        Ok(())
    }

    fn fill(&mut self, into: &mut [u8]) -> Result<(), BackupError> {
        let mut done = 0;
        while done < into.len() {
            match self.some(&mut into[done..])? {
                0 if self.at == 0 => return Err(damaged(0, "it is empty")),
                0 => return Err(damaged(self.at, "it ends before its end")),
                n => done += n,
            }
        }
        Ok(())
    }

    fn some(&mut self, into: &mut [u8]) -> Result<usize, BackupError> {
        loop {
            match self.from.read(into) {
                Ok(n) => {
                    self.at += n as u64;
                    return Ok(n);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData) => {
                    return Err(damaged(self.at, &e.to_string()));
                }
                Err(e) => return Err(BackupError::Read(e)),
            }
        }
    }
}

pub(super) fn damaged(at: u64, why: &str) -> BackupError {
    BackupError::Damaged { at, why: why.to_owned() }
}
