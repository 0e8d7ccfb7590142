//! A job as it is stored.

use mongodb::bson::{DateTime, Document, deserialize_from_document, doc};
use serde::Deserialize;
use tfx_domain::Timestamp;
use tfx_ports::{
    StoreError,
    left_out::LeftOut,
    queue::{DeadJob, Job, JobKind, NewJob, WaitingJob},
};

/// The `_id` of a job.
pub(super) fn id(kind: JobKind, key: &str) -> String {
    format!("{}/{key}", kind.as_str())
}

/// The `_id` of a lane.
pub(super) fn lane_id(kind: JobKind, lane: &str) -> String {
    format!("{}/{lane}", kind.as_str())
}

/// A document of `jobs`.
#[derive(Deserialize)]
pub(super) struct JobDocument {
    key: String,
    came: DateTime,
    payload: String,
    #[serde(default)]
    why: String,
    #[serde(default)]
    revived: bool,
    died: Option<DateTime>,
}

/// The document of a new job.
pub(super) fn document(job: &NewJob) -> Document {
    doc! {
        "_id": id(job.kind, &job.key),
        "kind": job.kind.as_str(),
        "key": &job.key,
        "lane": lane_id(job.kind, &job.lane()),
        "came": DateTime::from_millis(job.came.as_millisecond()),
        "payload": &job.payload,
    }
}

impl JobDocument {
    /// What a document holds, left out if it cannot be read.
    pub(super) fn read(document: Document, left_out: &LeftOut) -> Result<Self, StoreError> {
        let id = document.get_str("_id").unwrap_or("without an id").to_owned();
        let stored = deserialize_from_document::<Self>(document)
            .map_err(|e| StoreError::broken(format!("stored job {id}"), e));
        left_out.noted(&id, stored)
    }

    /// As the holder of its lane has it.
    pub(super) fn job(self, kind: JobKind, lane: String, tries: u32, fence: u64) -> Job {
        let came = Timestamp::from_millisecond(self.came.timestamp_millis()).unwrap_or(Timestamp::UNIX_EPOCH);
        let Self { key, payload, revived, .. } = self;
        Job { kind, key, came, payload, tries, revived, lane, fence }
    }

    /// As people see it; `due` in milliseconds.
    pub(super) fn waiting(self, due: Option<i64>, held: bool, tries: u32) -> WaitingJob {
        let time = |ms| Timestamp::from_millisecond(ms).ok();
        let came = time(self.came.timestamp_millis()).unwrap_or(Timestamp::UNIX_EPOCH);
        let due = due.and_then(time);
        WaitingJob { key: self.key, came, payload: self.payload, due, held, tries }
    }

    pub(super) fn dead(self) -> DeadJob {
        let died = self.died.and_then(|at| Timestamp::from_millisecond(at.timestamp_millis()).ok());
        DeadJob {
            key: self.key,
            payload: self.payload,
            why: self.why,
            died: died.unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}
