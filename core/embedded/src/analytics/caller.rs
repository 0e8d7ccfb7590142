//! Whether whoever asked for a report or a list still waits for it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};
use tfx_ports::StoreError;

/// How many rows are read between two looks at who waits: a millisecond or so.
const ROWS_BETWEEN: u32 = 2_048;

/// Held by the one who waits, in his future, and dropped with it: who has left is worked for no longer.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Arc<AtomicBool>);

/// Held by the one who works.
#[derive(Debug)]
pub(crate) struct CallerWatch {
    gone: Arc<AtomicBool>,
    rows: u32,
}

impl Waiting {
    pub(crate) fn caller(&self) -> CallerWatch {
        CallerWatch { gone: Arc::clone(&self.0), rows: 0 }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl CallerWatch {
    /// A row was read.
    ///
    /// # Errors
    /// Nobody waits any more: the work ends.
    pub(crate) fn still_there(&mut self) -> Result<(), StoreError> {
        self.rows = self.rows.wrapping_add(1);
        if self.rows.is_multiple_of(ROWS_BETWEEN) && self.gone.load(Relaxed) {
            return Err(StoreError::Unavailable { what: "whoever asked has gone".to_owned(), source: None });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Embedded;
    use rusqlite::Connection;
    use tfx_domain::{
        Timestamp,
        event::{Event, TestTraffic},
        report::{Attribution, Dimension, ReportQuery},
    };
    use tfx_ports::{conformance::sample::Sample, sink::Envelope};

    /// A folder with so many clicks, each of a zone of its own.
    async fn filled(clicks: i64) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let sink = Embedded::open(folder.path()).expect("opens").sink();
        let mut sample = Sample::new(1);
        let events = (0..clicks).map(|n| {
            let mut click = sample.click(Timestamp::from_millisecond(1_790_000_000_000 + n).expect("a time"));
            click.dims.subs = vec![format!("zone {n}").into()];
            let event = Event::Click(Box::new(click));
            let payload = event.to_json().expect("JSON").into();
            Envelope { topic: event.topic(), id: event.id(), key: event.key(), payload }
        });
        let events: Vec<_> = events.collect();
        for batch in events.chunks(5_000) {
            assert_eq!(sink.deliver(batch).await.expect("stores"), []);
        }
        folder
    }

    fn by_sub(max_groups: usize) -> ReportQuery {
        ReportQuery {
            since: Timestamp::UNIX_EPOCH,
            until: Timestamp::MAX,
            timezone: "UTC".to_owned(),
            dimensions: vec![Dimension::Sub(1)],
            filters: Vec::new(),
            attribution: Attribution::Click,
            test: TestTraffic::Exclude,
            max_groups,
            apart: std::collections::BTreeMap::new(),
        }
    }

    #[tokio::test]
    async fn a_report_that_nobody_waits_for_and_one_of_too_many_rows_end_early() {
        let clicks = 3 * i64::from(ROWS_BETWEEN);
        let folder = filled(clicks).await;
        let conn = Connection::open(folder.path().join("events.db")).expect("opens");
        let waiting = Waiting::default();
        let all =
            crate::analytics::report::report(&conn, &by_sub(10_000), waiting.caller()).expect("a report");
        assert_eq!(i64::try_from(all.len()), Ok(clicks));
        let refused = crate::analytics::report::report(&conn, &by_sub(100), waiting.caller());
        let refused = refused.expect_err("too many rows");
        assert!(matches!(refused, StoreError::TooMuch { .. }), "{refused:?}");
        assert_eq!(refused.to_string(), "the report has more than 100 rows");
        let caller = waiting.caller();
        drop(waiting);
        let left =
            crate::analytics::report::report(&conn, &by_sub(10_000), caller).expect_err("nobody waits");
        assert!(left.to_string().contains("has gone"), "{left}");
    }
}
