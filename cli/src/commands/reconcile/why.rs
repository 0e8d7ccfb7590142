//! Cause something that was accepted is not stored, as far as that can be told, with what to do about it.

use crate::when;
use serde::Serialize;
use tfx_api::reconciliation::ReconciledInstance;
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
    /// Who accepts events, and what waits there.
    pub(super) instances: Vec<ReconciledInstance>,
    /// Messages that wait in the event log.
    pub(super) lag: u64,
    /// Messages that became no event.
    pub(super) errors: usize,
}

impl Obstacles {
    /// An instance by its service, and where there are several by its name too.
    fn named(&self, instance: &ReconciledInstance) -> String {
        match self.instances.iter().filter(|i| i.service == instance.service).count() {
            1 => instance.service.clone(),
            _ => format!("{} ({})", instance.service, instance.id),
        }
    }

    /// What explains that something is missing or old since then; that nothing does is said too where something is `missing`.
    pub(super) fn explains(&self, since: Timestamp, missing: bool) -> Vec<Cause> {
        let mut all = Vec::new();
        let mut why = |found: String, next: &str| all.push(Cause { found, next: next.to_owned() });
        for instance in &self.instances {
            let (who, Some(outbox)) = (self.named(instance), &instance.outbox) else { continue };
            let told = when::shown(&instance.at.to_string());
            if outbox.waiting > 0 {
                let error = outbox.error.as_deref().map(|e| format!(" ({e})")).unwrap_or_default();
                let found = format!("{} events wait in the outbox of {who}{error}", outbox.waiting);
                match (instance.ended, instance.silent) {
                    (true, _) => why(
                        format!("{found}, which was stopped at {told}"),
                        "start it again: it delivers them then",
                    ),
                    (_, true) => why(
                        format!("{found}, as it told last at {told}"),
                        "it died, or is cut off from the configuration store: they are in its journal still, tfx doctor --wrong",
                    ),
                    _ => why(
                        found,
                        "they are delivered when the sink takes them: tfx events stats, tfx doctor --wrong",
                    ),
                }
            }
            if outbox.refused > 0 {
                why(
                    format!("the sink refused {} events of {who}", outbox.refused),
                    "mend what refused.jsonl says of them, then tfx events replay-refused",
                );
            }
            if outbox.dropped > 0 {
                why(
                    format!(
                        "{who} dropped {} events since it started: its journal did not take them",
                        outbox.dropped
                    ),
                    "they are lost; tfx check disk, and EVENT_WRITE_FAILURE_POLICY=fail_closed loses none",
                );
            }
            if outbox.damaged > 0 {
                why(
                    format!("{} places of the journal of {who} could not be read", outbox.damaged),
                    "look into the .damaged files of its journal",
                );
            }
        }
        let untold = self.instances.iter().filter(|i| i.outbox.is_none()).count();
        if untold > 0 || self.instances.is_empty() {
            why(
                format!("{untold} instances are of a version that does not tell what waits in its outbox"),
                "tfx events stats, asked of each of them",
            );
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
    use tfx_domain::ledger::Outbox;

    #[test]
    fn each_reason_comes_with_what_to_do() {
        let outbox =
            Outbox { waiting: 3, refused: 2, dropped: 1, damaged: 4, error: Some("no broker".into()) };
        let instance = ReconciledInstance {
            service: "traffic-service".to_owned(),
            id: "a".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            ended: false,
            silent: false,
            outbox: Some(outbox.clone()),
        };
        let way = Obstacles { instances: vec![instance.clone()], lag: 5, errors: 6 };
        let all = way.explains(Timestamp::UNIX_EPOCH, true);
        let words =
            ["events stats", "replay-refused", "fail_closed", ".damaged", "ingest lag", "ingest replay"];
        assert_eq!(all.len(), words.len());
        for (why, word) in all.iter().zip(words) {
            assert!(why.next.contains(word), "{why:?}");
        }
        // Of several each is named, whichever of them answers for the service.
        let well =
            ReconciledInstance { id: "b".to_owned(), outbox: Some(Outbox::default()), ..instance.clone() };
        let away = ReconciledInstance { silent: true, ..instance.clone() };
        let stopped = ReconciledInstance { ended: true, ..instance.clone() };
        for (one, words) in [
            (instance, ["3 events wait in the outbox of traffic-service (a) (no broker)", "events stats"]),
            (away, ["as it told last", "cut off"]),
            (stopped, ["which was stopped", "start it again"]),
        ] {
            let way = Obstacles { instances: vec![one, well.clone()], ..Obstacles::default() };
            let why = &way.explains(Timestamp::UNIX_EPOCH, true)[0];
            assert!(why.found.contains(words[0]) && why.next.contains(words[1]), "{why:?}");
        }
        let untold = ReconciledInstance { outbox: None, ..well.clone() };
        let way = Obstacles { instances: vec![untold], ..Obstacles::default() };
        let why = way.explains(Timestamp::UNIX_EPOCH, true);
        assert!(why.len() == 1 && why[0].found.contains("does not tell"), "{why:?}");
        let well = || Obstacles { instances: vec![well.clone()], ..Obstacles::default() };
        let none = |missing| well().explains(Timestamp::UNIX_EPOCH, missing).len();
        assert_eq!((none(true), none(false)), (1, 0));
    }
}
