//! Batches of rows on their way to the server, which is asked again while it cannot take them.

use crate::{
    exit::{Failure, Kind},
    output::Out,
    rows::{Place, Row, Rows, mapping::Mapping},
};
use std::{
    cell::Cell,
    time::{Duration, Instant},
};
use tfx_api::{
    ApiError, Client,
    imports::{ImportRequest, ImportRow, ImportedRow, MOST_ROWS},
};
use tfx_domain::event::PostbackResult;
use tokio::time::sleep;

/// The most bytes of facts in a request: also as JSON they fit into the smallest body that servers take unasked.
const MOST_BYTES: usize = 128 << 10;
/// How long a server is asked again that cannot take them.
const PATIENCE: Duration = Duration::from_secs(120);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A row, and what it says or why it says nothing.
pub(crate) type Read = (Row, Result<ImportRow, String>);

/// Rows that go together.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) rows: Vec<Read>,
    /// Behind them.
    pub(crate) end: Place,
}

/// The next rows, those of `wanted` lines if that is said; none at the end.
///
/// # Errors
/// The file cannot be read on.
pub(crate) fn next(
    rows: &mut Rows,
    mapping: &mut Mapping,
    wanted: impl Fn(u64) -> bool,
) -> Result<Option<Batch>, Failure> {
    let mut batch = Batch { rows: Vec::new(), end: rows.place() };
    let mut bytes = 0;
    while batch.rows.len() < MOST_ROWS && bytes < MOST_BYTES {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => break,
            // What stands before is taken first.
            Err(broken) if !batch.rows.is_empty() => {
                rows.tell_later(broken);
                break;
            }
            Err(broken) => return Err(broken),
        };
        batch.end = row.end;
        if wanted(row.line) {
            bytes += row.raw.len();
            let read = mapping.row(&row);
            batch.rows.push((row, read));
        }
    }
    Ok((!batch.rows.is_empty()).then_some(batch))
}

/// Hands batches to the server.
pub(crate) struct Sender<'a> {
    client: &'a Client,
    out: Out,
    /// The server took a request, whatever it said: if it is away then, it comes back.
    was_there: Cell<bool>,
}

impl<'a> Sender<'a> {
    pub(crate) fn new(client: &'a Client, out: Out) -> Self {
        Self { client, out, was_there: Cell::new(false) }
    }

    /// Has a batch imported: what became of each of its rows.
    ///
    /// # Errors
    /// The server does not take them, for longer than it is asked again.
    pub(crate) async fn send(
        &self,
        asked: &ImportRequest,
        batch: &[Read],
    ) -> Result<Vec<ImportedRow>, Failure> {
        let rows: Vec<ImportRow> = batch.iter().filter_map(|(_, read)| read.as_ref().ok().cloned()).collect();
        let mut answers = Vec::new();
        if !rows.is_empty() {
            let n = rows.len();
            let request = ImportRequest { rows, ..asked.clone() };
            answers = self.patiently(&request).await?;
            if answers.len() != n {
                let many = answers.len();
                return Err(Failure::failed(format!("api-service gave {many} answers to {n} rows")));
            }
        }
        let mut answers = answers.into_iter();
        let of = |(_, read): &Read| match read {
            Ok(_) => answers.next(),
            Err(why) => Some(ImportedRow {
                result: PostbackResult::Rejected,
                reason: why.clone(),
                conversion_id: None,
                status: None,
                revenue: None,
                there: None,
            }),
        };
        Ok(batch.iter().filter_map(of).collect())
    }

    async fn patiently(&self, request: &ImportRequest) -> Result<Vec<ImportedRow>, Failure> {
        let (began, mut pause) = (Instant::now(), Duration::from_millis(500));
        loop {
            let error = match self.client.import_conversions(request).await {
                Ok(answer) => {
                    self.was_there.set(true);
                    return Ok(answer.rows);
                }
                Err(error) => error,
            };
            let again = self.asks_again(&error);
            let failure = Failure::from(error);
            let waits = again && matches!(failure.kind, Kind::Unreachable | Kind::TimedOut);
            if !waits || began.elapsed() > PATIENCE {
                return Err(failure);
            }
            self.out.note(format!("{}; asking again", failure.message));
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Whether it may be answered another time. A server that was never there is told at once.
    fn asks_again(&self, error: &ApiError) -> bool {
        let never = matches!(error, ApiError::Unreachable { sent: false, .. }) && !self.was_there.get();
        self.was_there.set(!never);
        error.status().map_or(!never, |status| matches!(status, 502..=504))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;

    #[test]
    fn a_server_that_was_there_once_is_waited_for() {
        let client = Client::new("http://127.0.0.1:1", None).expect("a client");
        let away = |sent| ApiError::Unreachable { url: String::new(), reason: "refused".to_owned(), sent };
        let sender = || Sender::new(&client, Out::new(Format::Table, true, true));
        assert!(!sender().asks_again(&away(false)), "nobody was ever there");
        // It answers no more, then nobody listens, for as long as it takes to start.
        let sender = sender();
        assert_eq!([true, false, false, false].map(|sent| sender.asks_again(&away(sent))), [true; 4]);
    }
}
