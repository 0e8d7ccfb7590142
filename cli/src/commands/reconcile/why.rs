//! Cause something that was accepted is not stored, as far as that can be told, with what to do about it.

use crate::{pipeline::Producer, when};
use serde::Serialize;
use tfx_domain::Timestamp;

/// A reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Cause {
    /// What was found.
    pub(crate) found: String,
    /// What to do.
    pub(crate) next: String,
}

/// What stands on the way from the services to the reports.
#[derive(Debug, Default)]
pub(super) struct Obstacles {
    /// Each service that has counters, and these.
    pub(super) producers: Vec<(&'static str, Producer)>,
    /// Messages that wait in the event log.
    pub(super) lag: u64,
    /// Messages that became no event.
    pub(super) errors: usize,
}

impl Obstacles {
    /// What explains that something is missing or old since then; that nothing does is said too where something is `missing`.
    pub(super) fn explains(&self, since: Timestamp, missing: bool) -> Vec<Cause> {
        let mut all = Vec::new();
        let mut why = |found: String, next: &str| all.push(Cause { found, next: next.to_owned() });
        for (service, p) in &self.producers {
            if p.outbox_depth_events > 0 {
                let error = p.last_error.as_deref().filter(|_| p.degraded);
                let error = error.map(|e| format!(" ({e})")).unwrap_or_default();
                why(
                    format!("{} events wait in the outbox of {service}{error}", p.outbox_depth_events),
                    "they are delivered when the sink takes them: tfx events stats, tfx doctor --wrong",
                );
            }
            if p.refused_waiting > 0 {
                why(
                    format!("the sink refused {} events of {service}", p.refused_waiting),
                    "mend what refused.jsonl says of them, then tfx events replay-refused",
                );
            }
            if p.dropped_total > 0 {
                why(
                    format!(
                        "{service} dropped {} events since it started: its journal did not take them",
                        p.dropped_total
                    ),
                    "they are lost; tfx check disk, and EVENT_WRITE_FAILURE_POLICY=fail_closed loses none",
                );
            }
            if p.damaged_total > 0 {
                why(
                    format!("{} places of the journal of {service} could not be read", p.damaged_total),
                    "look into the .damaged files of its journal",
                );
            }
        }
        if self.lag > 0 {
            let found = format!("{} messages wait in the event log", self.lag);
            why(found, "ClickHouse has not read them yet: tfx ingest lag");
        }
        if self.errors > 0 {
            let found = format!("{} messages became no event", self.errors);
            let since = when::shown(&since.to_string());
            why(found, &format!("since {since}: tfx ingest errors tells why, then tfx ingest replay"));
        }
        if all.is_empty() && missing {
            all.push(Cause {
                found: "nothing on the way holds them up".to_owned(),
                next:
                    "was the reports' store restored from an older backup, or pruned? tfx audit tells who did; conversions come \
                     back by tfx conversion publish --since TIME"
                        .to_owned(),
            });
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_comes_with_what_to_do() {
        let producer = Producer {
            outbox_depth_events: 3,
            refused_waiting: 2,
            dropped_total: 1,
            damaged_total: 4,
            ..Producer::default()
        };
        let way = Obstacles { producers: vec![("traffic-service", producer)], lag: 5, errors: 6 };
        let all = way.explains(Timestamp::UNIX_EPOCH, true);
        let words =
            ["events stats", "replay-refused", "fail_closed", ".damaged", "ingest lag", "ingest replay"];
        assert_eq!(all.len(), words.len());
        for (why, word) in all.iter().zip(words) {
            assert!(why.next.contains(word), "{why:?}");
        }
        let none = |missing| Obstacles::default().explains(Timestamp::UNIX_EPOCH, missing).len();
        assert_eq!((none(true), none(false)), (1, 0));
    }
}
