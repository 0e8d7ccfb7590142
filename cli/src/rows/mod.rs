//! Rows of files that others wrote: CSV in its many forms, or an object on each line. They are read one by one, whatever the
//! size of the file, and none is passed over: what cannot be read is told with its line.
//!
//! What a row says is in [`mapping`].

mod csv;
mod jsonl;
pub(crate) mod mapping;
pub(crate) mod times;

use crate::exit::Failure;
use csv::Csv;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The longest row, in bytes.
pub(crate) const LONGEST: usize = 64 << 10;
/// So much of a file is looked at to tell what it is.
const HEAD: usize = 64 << 10;

/// Where rows begin: behind what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Place {
    /// Bytes from the beginning.
    pub(crate) offset: u64,
    /// The line that comes, from 1.
    pub(crate) line: u64,
}

/// A row as it stands in the file.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The line on which it begins.
    pub(crate) line: u64,
    /// Where the next one begins.
    pub(crate) end: Place,
    /// What its cells are called.
    pub(crate) names: Arc<[String]>,
    /// Bytes: nobody says that they are text.
    pub(crate) cells: Vec<Vec<u8>>,
    /// Which of them are numbers of JSON.
    pub(crate) numbers: Vec<usize>,
    /// The row as it stands there, without its line break.
    pub(crate) raw: Vec<u8>,
    /// Why it says nothing.
    pub(crate) problem: Option<String>,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Cells with this between them, under a header.
    Csv(u8),
    /// An object on each line.
    Jsonl,
}

/// Where a file cannot be read on.
#[derive(Debug)]
pub(crate) struct Broken {
    line: u64,
    why: String,
}

impl Broken {
    fn at(line: u64, why: impl Into<String>) -> Self {
        Self { line, why: why.into() }
    }
}

impl From<io::Error> for Broken {
    fn from(e: io::Error) -> Self {
        Self::at(0, e.to_string())
    }
}

/// A file whose rows are read.
pub(crate) struct Rows {
    name: String,
    pub(crate) form: Form,
    /// What the columns of CSV are called, or the fields of the first object; and the header of CSV as it stands there.
    pub(crate) header: Arc<[String]>,
    pub(crate) header_raw: Vec<u8>,
    /// How long it is; none: that is not known.
    pub(crate) size: Option<u64>,
    input: Box<dyn BufRead + Send>,
    at: Place,
    /// The first object of JSON lines, which tells their names, and where it begins.
    first: Option<(Place, Row)>,
    /// Why it cannot be read on, until that was told.
    broken: Option<Failure>,
}

/// What a file is called in messages.
pub(crate) fn name_of(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

impl Rows {
    /// Opens a file, or standard input for `-`, at its first row.
    ///
    /// # Errors
    /// It cannot be read, is no CSV and no lines of JSON, or has no header.
    pub(crate) fn open(path: &Path, delimiter: Option<u8>) -> Result<Self, Failure> {
        let name = name_of(path);
        let bad = |e: io::Error| Failure::usage(format!("{name} cannot be read: {e}"));
        let (size, mut source): (Option<u64>, Box<dyn Read + Send>) = if path == Path::new("-") {
            (None, Box::new(io::stdin()))
        } else {
            let file = File::open(path).map_err(bad)?;
            let about = file.metadata().map_err(bad)?;
            if about.is_dir() {
                return Err(Failure::usage(format!("{name} is a folder")));
            }
            (about.is_file().then_some(about.len()), Box::new(file))
        };
        let mut head = Vec::with_capacity(HEAD);
        source.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(bad)?;
        let (form, skipped) = form_of(&head, delimiter)
            .map_err(|(why, hint)| Failure::usage(format!("{name} {why}")).hint(hint))?;
        let input = io::Cursor::new(head).chain(source);
        let mut rows = Self {
            name,
            form,
            header: Arc::from([]),
            header_raw: Vec::new(),
            size,
            input: Box::new(BufReader::with_capacity(HEAD, input)),
            at: Place { offset: skipped, line: 1 },
            first: None,
            broken: None,
        };
        rows.input.consume_all(skipped).map_err(|e| rows.failed(&e.into()))?;
        if let Form::Csv(_) = form {
            let header = rows.record().map_err(|broken| rows.failed(&broken))?;
            let header = header.ok_or_else(|| Failure::usage(format!("{} is empty", rows.name)))?;
            let names = header.cells.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned());
            rows.header = names.collect();
            rows.header_raw = header.raw;
        } else {
            let begins = rows.at;
            rows.first = rows.record().map_err(|broken| rows.failed(&broken))?.map(|row| (begins, row));
            rows.header = rows.first.iter().flat_map(|(_, row)| row.names.iter().cloned()).collect();
        }
        Ok(rows)
    }

    /// Goes on at a place, of the same file.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn go_on(&mut self, path: &Path, at: Place) -> Result<(), Failure> {
        let opened = File::open(path).and_then(|mut file| {
            file.seek(SeekFrom::Start(at.offset))?;
            Ok(file)
        });
        let file = opened.map_err(|e| Failure::usage(format!("{} cannot be read: {e}", self.name)))?;
        self.input = Box::new(BufReader::with_capacity(HEAD, file));
        (self.at, self.first, self.broken) = (at, None, None);
        Ok(())
    }

    /// Where the next row begins.
    pub(crate) fn place(&self) -> Place {
        self.first.as_ref().map_or(self.at, |(begins, _)| *begins)
    }

    /// The next row; none at the end.
    ///
    /// # Errors
    /// The file cannot be read on, with the line.
    pub(crate) fn next(&mut self) -> Result<Option<Row>, Failure> {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        if let Some((_, first)) = self.first.take() {
            return Ok(Some(first));
        }
        self.record().map_err(|broken| self.failed(&broken))
    }

    /// Tells it with the next row: those before it go first.
    pub(crate) fn tell_later(&mut self, broken: Failure) {
        self.broken = Some(broken);
    }

    fn record(&mut self) -> Result<Option<Row>, Broken> {
        match self.form {
            Form::Csv(delimiter) => {
                let mut reader = Csv { input: &mut self.input, delimiter, at: &mut self.at };
                let row = reader.next(&self.header)?;
                Ok(row)
            }
            Form::Jsonl => jsonl::next(&mut self.input, &mut self.at),
        }
    }

    fn failed(&self, broken: &Broken) -> Failure {
        let Broken { line, why } = broken;
        let at = if *line > 0 { format!(", line {line}") } else { String::new() };
        Failure::usage(format!("{}{at}: {why}", self.name))
    }
}

trait ConsumeAll {
    fn consume_all(&mut self, bytes: u64) -> io::Result<()>;
}

impl ConsumeAll for Box<dyn BufRead + Send> {
    fn consume_all(&mut self, bytes: u64) -> io::Result<()> {
        io::copy(&mut self.take(bytes), &mut io::sink()).map(|_| ())
    }
}

/// How a file is written, and how many bytes stand before its first line; or what it is instead, and what to do then.
fn form_of(head: &[u8], delimiter: Option<u8>) -> Result<(Form, u64), (String, String)> {
    let refused = |what: &str, hint: &str| Err((what.to_owned(), hint.to_owned()));
    match head {
        [0x1f, 0x8b, ..] => return refused("is compressed by gzip", "zcat FILE | tfx … -"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => return refused("is compressed by zstd", "zstdcat FILE | tfx … -"),
        [b'P', b'K', 3, 4, ..] => {
            return refused("is a ZIP archive, as workbooks of Excel are", "save it as CSV (UTF-8)");
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            return refused("is written in UTF-16", "save it as UTF-8: iconv -f UTF-16 -t UTF-8 FILE");
        }
        _ => {}
    }
    let skipped = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let text = &head[skipped..];
    if text.contains(&0) {
        return refused("is no text", "CSV, or an object of JSON on each line, is read");
    }
    let skipped = skipped as u64;
    match text.trim_ascii_start().first() {
        Some(b'{') => return Ok((Form::Jsonl, skipped)),
        Some(b'[') => {
            return refused(
                "is a list of JSON; an object on each line is read",
                "jq -c '.[]' FILE | tfx … -",
            );
        }
        None => return refused("is empty", "it needs a header and a row"),
        Some(_) => {}
    }
    match delimiter.or_else(|| csv::delimiter(text)) {
        Some(delimiter) => Ok((Form::Csv(delimiter), skipped)),
        None => refused(
            "has no , ; tab or | in its first line, so its columns cannot be told",
            "--delimiter says what stands between them",
        ),
    }
}

/// `FILE` with something behind its name.
pub(crate) fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
