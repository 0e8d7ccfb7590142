//! CSV, strictly: what a lenient reader would make one row of, a quote that does not close and the rows behind it, is told.
//! Line breaks of every system, quotes around cells, doubled within; blank lines are no rows.

use super::{Broken, LONGEST, Place, Row};
use std::{io::BufRead, sync::Arc};

/// What may stand between cells, in the order in which it is looked for.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// What stands between the cells of the first line: whatever makes the most of it, outside of quotes.
pub(super) fn delimiter(head: &[u8]) -> Option<u8> {
    let mut counts = [0_usize; DELIMITERS.len()];
    let mut quoted = false;
    for byte in head {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted && counts != [0; DELIMITERS.len()] => break,
            b'\n' | b'\r' => {}
            _ if quoted => {}
            byte => {
                let found = DELIMITERS.iter().position(|d| d == byte);
                found.into_iter().for_each(|at| counts[at] += 1);
            }
        }
    }
    let most = counts.iter().max().filter(|n| **n > 0)?;
    counts.iter().position(|n| n == most).map(|at| DELIMITERS[at])
}

/// Reads records.
pub(super) struct Csv<'r> {
    pub(super) input: &'r mut Box<dyn BufRead + Send>,
    pub(super) delimiter: u8,
    pub(super) at: &'r mut Place,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// At the beginning of a cell.
    Begin,
    Plain,
    /// Within quotes.
    Quoted,
    /// Behind a quote within quotes: it closes, or is the first of two.
    Quote,
}

impl Csv<'_> {
    /// The next record; `names` are those of its cells, none for a header.
    pub(super) fn next(&mut self, names: &Arc<[String]>) -> Result<Option<Row>, Broken> {
        loop {
            let Some(row) = self.record(names)? else { return Ok(None) };
            if row.cells != [b""] || row.raw.starts_with(b"\"") {
                return Ok(Some(row));
            }
        }
    }

    fn record(&mut self, names: &Arc<[String]>) -> Result<Option<Row>, Broken> {
        let line = self.at.line;
        let (mut cells, mut cell, mut raw) = (Vec::with_capacity(names.len()), Vec::new(), Vec::new());
        let (mut state, mut opened) = (State::Begin, line);
        loop {
            let Some(byte) = self.peek()? else {
                if state == State::Quoted {
                    let why = "the quote that opens here does not close; what stands behind it is in no row";
                    return Err(Broken::at(opened, why));
                }
                if raw.is_empty() {
                    return Ok(None);
                }
                cells.push(cell);
                return Ok(Some(self.row(line, names, cells, raw)));
            };
            let breaks = matches!(byte, b'\r' | b'\n');
            if breaks && state != State::Quoted {
                self.line_break()?;
                cells.push(cell);
                return Ok(Some(self.row(line, names, cells, raw)));
            }
            self.eat();
            if byte == b'\n' {
                self.at.line += 1;
            }
            raw.push(byte);
            if raw.len() > LONGEST {
                let kib = LONGEST >> 10;
                return Err(match state {
                    State::Quoted => Broken::at(
                        opened,
                        format!("the quote that opens here does not close within {kib} KiB"),
                    ),
                    _ => Broken::at(line, format!("the row is longer than {kib} KiB")),
                });
            }
            state = match (state, byte) {
                (State::Begin, b'"') => {
                    opened = self.at.line;
                    State::Quoted
                }
                (State::Begin | State::Plain | State::Quote, byte) if byte == self.delimiter => {
                    cells.push(std::mem::take(&mut cell));
                    State::Begin
                }
                (State::Quoted, b'"') => State::Quote,
                (State::Quote, b'"') => {
                    cell.push(b'"');
                    State::Quoted
                }
                (State::Quote, _) => {
                    let why = "text stands behind a quote that closes: a quote that is meant is written twice, and a \
                               cell that has one is in quotes";
                    return Err(Broken::at(opened, why));
                }
                (State::Quoted, byte) => {
                    cell.push(byte);
                    State::Quoted
                }
                (State::Begin | State::Plain, byte) => {
                    cell.push(byte);
                    State::Plain
                }
            };
        }
    }

    fn row(&self, line: u64, names: &Arc<[String]>, cells: Vec<Vec<u8>>, raw: Vec<u8>) -> Row {
        let (n, of) = (cells.len(), names.len());
        let empty = cells.len() == 1 && raw.is_empty();
        let problem = (of > 0 && n != of && !empty).then(|| {
            let through = self.at.line - 1;
            let lines =
                if through > line { format!(", from line {line} to {through}") } else { String::new() };
            format!("it has {n} cells{lines}, and the header has {of}")
        });
        Row { line, end: *self.at, names: Arc::clone(names), cells, numbers: Vec::new(), raw, problem }
    }

    fn peek(&mut self) -> Result<Option<u8>, Broken> {
        Ok(self.input.fill_buf()?.first().copied())
    }

    fn eat(&mut self) {
        self.input.consume(1);
        self.at.offset += 1;
    }

    /// `\n`, `\r\n` or `\r`.
    fn line_break(&mut self) -> Result<(), Broken> {
        let first = self.peek()?;
        self.eat();
        if first == Some(b'\r') && self.peek()? == Some(b'\n') {
            self.eat();
        }
        self.at.line += 1;
        Ok(())
    }
}
