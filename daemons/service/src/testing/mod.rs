//! What the tests of several daemons share: stores that stop answering on demand, entities straight into a store,
//! bytes on a socket, waiting for a condition. Only with the feature `testing`, which is for dev-dependencies.

pub mod exposition;
mod faults;

pub use faults::{Faults, Switch};

use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tfx_domain::entity::{Entity, Spec};
use tfx_ports::{
    audit::{AuditEntry, Caller},
    clock,
    config::{ConfigStore, Record},
    entropy,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Creates an entity as api-service would.
///
/// # Panics
/// It is not valid, or the store refuses it.
pub async fn create<S: Spec>(store: &dyn ConfigStore, spec: Value) -> Entity<S> {
    let now = clock::now();
    let id = S::new_id(now, entropy::random_u128());
    let entity = Entity { id, version: 1, created_at: now, updated_at: now, spec: valid(spec) };
    let (record, audit) = written(&entity, "create");
    store.create(record, audit).await.expect("created");
    entity
}

/// Changes an entity; it has its next version afterwards.
///
/// # Panics
/// It is not valid, or the store refuses it.
pub async fn update<S: Spec>(
    store: &dyn ConfigStore,
    entity: &mut Entity<S>,
    change: impl FnOnce(&mut Value),
) {
    let mut spec = serde_json::to_value(&entity.spec).expect("JSON");
    change(&mut spec);
    entity.spec = valid(spec);
    entity.version += 1;
    entity.updated_at = clock::now();
    let (record, audit) = written(entity, "update");
    store.update(record, audit).await.expect("updated");
}

/// Saves an entity as a newer program might, so that this one cannot read it; [`update`] mends it.
///
/// # Panics
/// The store refuses it.
pub async fn save_as_newer<S: Spec>(store: &dyn ConfigStore, entity: &mut Entity<S>) {
    entity.version += 1;
    let (mut record, audit) = written(entity, "update");
    record.spec["of_a_newer_program"] = json!(true);
    store.update(record, audit).await.expect("updated");
}

fn valid<S: Spec>(spec: Value) -> S {
    let spec: S = serde_json::from_value(spec).expect("spec");
    assert!(spec.validate().is_empty(), "{}", spec.validate());
    spec
}

fn written<S: Spec>(entity: &Entity<S>, action: &str) -> (Record, AuditEntry) {
    let record = Record::from_entity(entity).expect("record");
    let audit = AuditEntry {
        at: entity.updated_at,
        caller: Caller::named("test"),
        action: action.to_owned(),
        kind: S::KIND.noun().to_owned(),
        id: record.id.clone(),
        version: entity.version,
        changes: json!({}),
    };
    (record, audit)
}

/// Waits until the condition holds.
///
/// # Panics
/// It does not within [`PATIENCE`].
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "gave up waiting until {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Sends bytes on a connection of their own, and reads what comes back until the server closes it.
///
/// # Panics
/// There is no connection, or it is not closed within [`PATIENCE`].
pub async fn exchange(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).await.expect("connect");
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut out = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut out)).await.expect("the server hangs");
    out
}

/// The status in the first line of an answer; none if there is no answer.
pub fn status_of(answer: &[u8]) -> Option<u16> {
    let rest = answer.strip_prefix(b"HTTP/1.1 ").or_else(|| answer.strip_prefix(b"HTTP/1.0 "))?;
    std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()
}
