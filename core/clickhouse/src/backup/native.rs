//! ClickHouse's Native format, read only as far as it takes to know that it is whole: blocks one after the other, each with
//! its columns and rows. It has no checksums and no end of its own, so an answer that broke off at the end of a value would
//! look like a whole one to whoever does not count.

use super::kind::Kind;
use crc64fast::Digest;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use tfx_ports::{backup::BackupError, table_backup::StoredColumn};

const BUFFER: usize = 1 << 17;
/// The longest name of a column or type.
const LONGEST: u64 = 1 << 16;
/// More rows than any block has.
const MOST_ROWS: u64 = 1 << 40;

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// CRC-64/XZ of all bytes.
    pub(super) checksum: u64,
}

/// Reads to the end of `from`, which must hold blocks of these columns and nothing else. `told` hears of each block.
pub(super) fn read(
    from: impl Read,
    columns: &[StoredColumn],
    told: &mut dyn FnMut(Tally),
) -> Result<Tally, BackupError> {
    let kinds: Option<Vec<Kind>> = columns.iter().map(|column| Kind::of(&column.kind)).collect();
    let Some(kinds) = kinds else {
        return Err(BackupError::NotSound {
            what: "a column is of a type that is not known here".to_owned(),
        });
    };
    let counted = Counted { from, bytes: 0, sum: Digest::new() };
    let mut tape = Tape { from: BufReader::with_capacity(BUFFER, counted), at: 0 };
    let mut rows = 0;
    while !tape.is_at_end()? {
        let of_block = tape.block(columns, &kinds)?;
        rows += of_block;
        told(Tally { rows, bytes: tape.at, checksum: 0 });
    }
    let all = tape.from.get_ref();
    Ok(Tally { rows, bytes: all.bytes, checksum: all.sum.sum64() })
}

/// Counts and sums up what goes through it.
struct Counted<R> {
    from: R,
    bytes: u64,
    sum: Digest,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(into)?;
        self.sum.write(&into[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}

struct Tape<R> {
    from: BufReader<R>,
    at: u64,
}

impl<R: Read> Tape<R> {
    fn is_at_end(&mut self) -> Result<bool, BackupError> {
        loop {
            match self.from.fill_buf() {
                Ok(more) => return Ok(more.is_empty()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(self.failed(e)),
            }
        }
    }

    /// A block; gives its rows.
    fn block(&mut self, columns: &[StoredColumn], kinds: &[Kind]) -> Result<u64, BackupError> {
        let (has, rows) = (self.number()?, self.number()?);
        if has != columns.len() as u64 {
            return Err(self.damaged(format!("a block of {has} columns, not {}", columns.len())));
        }
        if rows > MOST_ROWS {
            return Err(self.damaged(format!("a block of {rows} rows")));
        }
        for (column, kind) in columns.iter().zip(kinds) {
            let (name, of) = (self.text()?, self.text()?);
            if name != column.name.as_bytes() || of != column.kind.as_bytes() {
                let (name, of) = (String::from_utf8_lossy(&name), String::from_utf8_lossy(&of));
                return Err(self.damaged(format!(
                    "the column {name:?} of type {of:?}, not {:?} of type {:?}",
                    column.name, column.kind
                )));
            }
            if rows > 0 {
                self.begin(kind)?;
                self.values(kind, rows)?;
            }
        }
        Ok(rows)
    }

    /// What comes before the values of a column.
    fn begin(&mut self, kind: &Kind) -> Result<(), BackupError> {
        match kind {
            Kind::Fixed(_) | Kind::Text => Ok(()),
            Kind::List(inner) | Kind::Nullable(inner) => self.begin(inner),
            Kind::Tuple(elements) => elements.iter().try_for_each(|element| self.begin(element)),
            Kind::LowCardinality(_) => match self.long()? {
                1 => Ok(()),
                version => Err(self.damaged(format!("values in the version {version} of LowCardinality"))),
            },
        }
    }

    fn values(&mut self, kind: &Kind, rows: u64) -> Result<(), BackupError> {
        match kind {
            Kind::Fixed(each) => self.pass(each.saturating_mul(rows)),
            Kind::Text => (0..rows).try_for_each(|_| {
                let length = self.number()?;
                self.pass(length)
            }),
            Kind::List(inner) => {
                let mut end = 0;
                for _ in 0..rows {
                    let next = self.long()?;
                    if next < end {
                        return Err(self.damaged("an array that ends before it begins"));
                    }
                    end = next;
                }
                if end > 0 { self.values(inner, end) } else { Ok(()) }
            }
            Kind::Nullable(inner) => {
                self.pass(rows)?;
                self.values(inner, rows)
            }
            Kind::Tuple(elements) => elements.iter().try_for_each(|element| self.values(element, rows)),
            Kind::LowCardinality(inner) => self.low_cardinality(inner, rows),
        }
    }

    fn low_cardinality(&mut self, inner: &Kind, rows: u64) -> Result<(), BackupError> {
        const KEYS: u64 = 1 << 9;
        const GLOBAL: u64 = 1 << 8;
        let mut left = rows;
        while left > 0 {
            let flags = self.long()?;
            let width = match flags & 0xff {
                wide @ 0..=3 => 1_u64 << wide,
                wide => return Err(self.damaged(format!("places of a dictionary of the kind {wide}"))),
            };
            if flags & GLOBAL != 0 {
                return Err(self.damaged("a dictionary of several blocks"));
            }
            if flags & KEYS != 0 {
                let keys = self.long()?;
                self.values(inner, keys)?;
            }
            let here = self.long()?;
            if here == 0 || here > left {
                return Err(self.damaged(format!("{here} values where {left} are to come")));
            }
            self.pass(width.saturating_mul(here))?;
            left -= here;
        }
        Ok(())
    }

    fn pass(&mut self, mut bytes: u64) -> Result<(), BackupError> {
        while bytes > 0 {
            if self.is_at_end()? {
                return Err(self.damaged("it ends in the middle of a block"));
            }
            let there = self.from.buffer().len();
            let some = usize::try_from(bytes).unwrap_or(there).min(there);
            self.from.consume(some);
            self.at += some as u64;
            bytes -= some as u64;
        }
        Ok(())
    }

    fn exact(&mut self, into: &mut [u8]) -> Result<(), BackupError> {
        match self.from.read_exact(into) {
            Ok(()) => {
                self.at += into.len() as u64;
                Ok(())
            }
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => {
                Err(self.damaged("it ends in the middle of a block"))
            }
            Err(e) => Err(self.failed(e)),
        }
    }

    /// A number of as many bytes as it needs.
    fn number(&mut self) -> Result<u64, BackupError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.exact(&mut byte)?;
            number |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.damaged("a number that does not end"))
    }

    fn long(&mut self) -> Result<u64, BackupError> {
        let mut bytes = [0; 8];
        self.exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn text(&mut self) -> Result<Vec<u8>, BackupError> {
        let length = self.number()?;
        if length > LONGEST {
            return Err(self.damaged(format!("a name of {length} bytes")));
        }
        let mut text = vec![0; usize::try_from(length).unwrap_or_default()];
        self.exact(&mut text)?;
        Ok(text)
    }

    fn damaged(&self, why: impl Into<String>) -> BackupError {
        BackupError::Damaged { at: self.at, why: why.into() }
    }

    /// What a compression around it finds wrong is damage too.
    fn failed(&self, e: io::Error) -> BackupError {
        match e.kind() {
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => self.damaged(e.to_string()),
            _ => BackupError::Read(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, kind: &str) -> StoredColumn {
        StoredColumn { name: name.to_owned(), kind: kind.to_owned() }
    }

    /// `SELECT toLowCardinality(toString(number % 3)) a, [toString(number)] b, number c, CAST('click', 'Enum8(\'click\' = 0)') e,
    /// true f FROM numbers(5)` as ClickHouse 25.8 answers it.
    const BLOCK: &[u8] = b"\x05\x05\x01a\x16LowCardinality(String)\x01\0\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\0\x010\x011\x012\x05\0\0\0\0\0\0\0\x01\x02\x03\x01\x02\x01b\rArray(String)\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x010\x011\x012\x013\x014\x01c\x06UInt64\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x01e\x12Enum8('click' = 0)\0\0\0\0\0\x01f\x04Bool\x01\x01\x01\x01\x01";

    fn columns() -> Vec<StoredColumn> {
        vec![
            column("a", "LowCardinality(String)"),
            column("b", "Array(String)"),
            column("c", "UInt64"),
            column("e", "Enum8('click' = 0)"),
            column("f", "Bool"),
        ]
    }

    #[test]
    fn blocks_are_counted_and_one_that_ends_early_is_refused() {
        let twice = [BLOCK, BLOCK].concat();
        let mut told = Vec::new();
        let tally = read(&*twice, &columns(), &mut |t| told.push(t.rows)).expect("whole");
        assert_eq!((tally.rows, tally.bytes, told), (10, twice.len() as u64, vec![5, 10]));
        assert_eq!(read(&b""[..], &columns(), &mut |_| {}).expect("nothing is whole too").rows, 0);
        for end in (1..twice.len()).filter(|end| *end != BLOCK.len()) {
            let e = read(&twice[..end], &columns(), &mut |_| {}).expect_err("cut off");
            assert!(matches!(&e, BackupError::Damaged { .. }), "{end}: {e}");
        }
        let e = [BLOCK, b"Code: 241. DB::Exception: Memory limit"].concat();
        assert!(
            read(&*e, &columns(), &mut |_| {}).is_err(),
            "what a server says when it breaks off is no block"
        );
        let mut other = columns();
        other[2].name = "d".to_owned();
        let e = read(BLOCK, &other, &mut |_| {}).expect_err("another column").to_string();
        assert!(e.contains("\"c\""), "{e}");
    }

    /// Whatever is flipped, it is either seen here or by the checksum, and nothing takes for ever or all memory.
    #[test]
    fn every_bit_counts() {
        let whole = read(BLOCK, &columns(), &mut |_| {}).expect("whole");
        for bit in 0..BLOCK.len() * 8 {
            let mut flipped = BLOCK.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(tally) = read(&*flipped, &columns(), &mut |_| {}) {
                assert_ne!(tally.checksum, whole.checksum, "{bit}");
            }
        }
    }
}
