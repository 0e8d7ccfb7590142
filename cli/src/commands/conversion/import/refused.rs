//! The rows that were not taken, as they stand in their file, each with its line and the reason: mended there, they are
//! imported again.

use crate::{
    exit::Failure,
    rows::{Form, Row, Rows, beside},
};
use serde_json::{Value, json};
use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// The file of refused rows; it is made when there is one.
pub(crate) struct Refused {
    pub(crate) path: PathBuf,
    form: Form,
    header: Vec<u8>,
    file: Option<BufWriter<File>>,
    length: u64,
}

impl Refused {
    /// Beside the file, or where it was said. With a length it is there already and goes on behind so much.
    ///
    /// # Errors
    /// Something else stands there.
    pub(crate) fn new(
        said: Option<&Path>,
        source: &Path,
        rows: &Rows,
        length: Option<u64>,
    ) -> Result<Self, Failure> {
        let path = said.map_or_else(
            || match rows.form {
                Form::Csv(_) => beside(source, ".refused.csv"),
                Form::Jsonl => beside(source, ".refused.jsonl"),
            },
            Path::to_path_buf,
        );
        let mut refused =
            Self { path, form: rows.form, header: rows.header_raw.clone(), file: None, length: 0 };
        match length {
            Some(length) => refused.go_on(length)?,
            None if refused.path.exists() => {
                let name = refused.path.display();
                return Err(Failure::usage(format!("{name} is there already, and stays as it is"))
                    .hint("--refused FILE says where refused rows go"));
            }
            None => {}
        }
        Ok(refused)
    }

    fn go_on(&mut self, length: u64) -> Result<(), Failure> {
        let opened = OpenOptions::new().write(true).open(&self.path).and_then(|mut file| {
            file.set_len(length)?;
            file.seek(SeekFrom::Start(length))?;
            Ok(file)
        });
        self.file = Some(BufWriter::new(opened.map_err(|e| self.failed(&e))?));
        self.length = length;
        Ok(())
    }

    /// Adds a row.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn add(&mut self, row: &Row, reason: &str) -> Result<(), Failure> {
        let bytes = self.written(row, reason).map_err(|e| self.failed(&e))?;
        let made = match &mut self.file {
            Some(file) => file.write_all(&bytes),
            None => self.begin(&bytes),
        };
        self.length += bytes.len() as u64;
        made.map_err(|e| self.failed(&e))
    }

    fn begin(&mut self, first: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path)?;
        let mut file = BufWriter::new(file);
        if let Form::Csv(delimiter) = self.form {
            // One that holds such rows already has these columns.
            let own = self.own_columns(delimiter);
            let header = [own.as_slice(), &self.header, b"\n"].concat();
            file.write_all(&header)?;
            self.length += header.len() as u64;
        }
        file.write_all(first)?;
        self.file = Some(file);
        Ok(())
    }

    fn own_columns(&self, delimiter: u8) -> Vec<u8> {
        let own = [b"line".as_slice(), b"reason", b""].join(&delimiter);
        if self.header.starts_with(&own) { Vec::new() } else { own }
    }

    fn written(&self, row: &Row, reason: &str) -> io::Result<Vec<u8>> {
        match self.form {
            Form::Csv(delimiter) => {
                let before = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
                let quoted = |mut writer: csv::Writer<Vec<u8>>| {
                    writer.write_record([row.line.to_string().as_str(), reason])?;
                    writer.into_inner().map_err(|e| csv::Error::from(e.into_error()))
                };
                let mut bytes = quoted(before).map_err(io::Error::other)?;
                bytes.pop();
                bytes.push(delimiter);
                // As it stands there, but for the line and the reason of the last time.
                let skip = if self.own_columns(delimiter).is_empty() { 2 } else { 0 };
                bytes.extend(behind(&row.raw, delimiter, skip));
                bytes.push(b'\n');
                Ok(bytes)
            }
            Form::Jsonl => {
                let mut object = match serde_json::from_slice::<serde_json::Map<String, Value>>(&row.raw) {
                    Ok(object) => object,
                    Err(_) => serde_json::Map::from_iter([(
                        "text".to_owned(),
                        json!(String::from_utf8_lossy(&row.raw)),
                    )]),
                };
                object.insert("line".to_owned(), json!(row.line));
                object.insert("reason".to_owned(), json!(reason));
                let mut bytes = serde_json::to_vec(&object)?;
                bytes.push(b'\n');
                Ok(bytes)
            }
        }
    }

    /// Brings what was added to the disk; how long the file is, if there is one.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn sync(&mut self) -> Result<Option<u64>, Failure> {
        let Some(file) = &mut self.file else { return Ok(None) };
        let synced = file.flush().and_then(|()| file.get_ref().sync_data());
        synced.map_err(|e| self.failed(&e))?;
        Ok(Some(self.length))
    }

    fn failed(&self, e: &io::Error) -> Failure {
        Failure::failed(format!("{} cannot be written: {e}", self.path.display()))
    }
}

/// A row of CSV behind its first cells.
fn behind(raw: &[u8], delimiter: u8, skip: usize) -> &[u8] {
    let (mut quoted, mut left) = (false, skip);
    if left == 0 {
        return raw;
    }
    for (at, byte) in raw.iter().enumerate() {
        match *byte {
            b'"' => quoted = !quoted,
            byte if byte == delimiter && !quoted => {
                left -= 1;
                if left == 0 {
                    return &raw[at + 1..];
                }
            }
            _ => {}
        }
    }
    raw
}
