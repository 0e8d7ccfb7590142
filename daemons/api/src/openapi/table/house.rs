//! How the services and destinations are, and what keeps them going.

use super::{
    super::operation::{Operation, get, post, tagged},
    flag, text,
};
use http::StatusCode;
use serde_json::json;
use tfx_api::{
    Page,
    alerts::{AlertLogRow, AlertRetry, AlertRetryAnswer, AlertStateRow, AlertTest, AlertTestAnswer},
    audit::AuditEntry,
    erasure::{ErasureReceipt, ErasureRequest, ErasureStatus},
    geo::GeoStatus,
    health::{HealthEvent, HealthList, HealthRow},
    ingestion::{IngestionError, IngestionLag, ReplayAnswer, ReplayRequest},
    reconciliation::Reconciliation,
    retention::{Applied, ApplyRequest, GrowingKinds, PruneAnswer, PruneRequest, RetentionStatus},
    secrets::{ResealAnswer, ResealRequest, SecretsStatus},
    service::{EventStats, RefusedAnswer},
};
use tfx_domain::routing::Health;

pub(super) fn operations() -> Vec<Operation> {
    let no_log = "events go straight into the store: `EVENT_BROKERS` is not set";
    let health = [Health::Up, Health::Down, Health::Unknown].map(Health::as_str);
    tagged(
        "house",
        vec![
            get("/health", "list_health", "Tell how the destinations with a health check are")
                .words("state", "Only those that are so", health)
                .pages()
                .answers::<HealthList>("In the order of their slugs"),
            get(
                "/health/history",
                "list_health_changes",
                "List when destinations went down and came up, the newest first",
            )
            .query("destination", "Only this destination: its id or slug", text())
            .window()
            .pages()
            .answers::<Page<HealthEvent>>("A page")
            .finds("destination"),
            post("/destinations/{ref}/check", "check_destination", "Probe a destination now")
                .answers::<HealthRow>("How it is")
                .finds("destination")
                .refuses(StatusCode::CONFLICT, "no_health_check", "it has no health check")
                .refuses(StatusCode::TOO_MANY_REQUESTS, "too_many", "too many probes were asked for")
                .asks("traffic-service"),
            get(
                "/alerts/{ref}/states",
                "list_alert_states",
                "Tell how an alert stands in each of its groups",
            )
            .answers::<Page<AlertStateRow>>("On one page, what is not as it should be first")
            .finds("alert"),
            post(
                "/alerts/{ref}/test",
                "test_alert",
                "Look at an alert's groups now, and perhaps try its channels",
            )
            .takes::<AlertTest>(json!({ "send": false }))
            .answers::<AlertTestAnswer>("What a look finds now; nothing is kept of it")
            .finds("alert")
            .refuses(
                StatusCode::UNPROCESSABLE_ENTITY,
                "too_many_groups",
                "it has more than 1000 groups",
            ),
            post(
                "/alert-notices/retry",
                "retry_alert_notices",
                "Send again notices that were given up, and now those that wait",
            )
            .takes::<AlertRetry>(json!({ "dead": true }))
            .answers::<AlertRetryAnswer>("What is due, and what is not")
            .finds("alert, or no notice that waits or was given up goes by an id"),
            get("/alert-log", "list_alert_log", "List what happened to alerts, the newest first")
                .query("alert", "Only of this alert: its id or slug", text())
                .window()
                .pages()
                .answers::<Page<AlertLogRow>>("A page")
                .finds("alert"),
            get("/audit", "list_audit", "List who did what, the newest first")
                .query("id", "Only of the entity with this id", text())
                .pages()
                .answers::<Page<AuditEntry>>("A page"),
            get("/event-producer/stats", "read_event_stats", "Tell the counters of what the services record")
                .answers::<EventStats>("Of each service, or why it could not be asked"),
            get(
                "/reconciliation",
                "read_reconciliation",
                "Hold what the services accepted against what is stored",
            )
            .window()
            .query(
                "ids",
                "At most so many ids of each kind and fault",
                json!({ "type": "integer", "minimum": 0, "maximum": 1_000, "default": 10 }),
            )
            .query(
                "as_of",
                "What was accepted or changed since then may be on its way, and is not missing; now unless said otherwise",
                json!({ "$ref": "#/components/schemas/Moment" }),
            )
            .answers::<Reconciliation>("Each kind by the hour, with ids of what is missing or too many"),
            post("/event-producer/replay-refused", "replay_refused", "Record again what the sinks refused")
                .query("dry_run", "Only count it", flag())
                .answers::<RefusedAnswer>("Of each service, or why it could not be asked"),
            get(
                "/ingestion/errors",
                "list_ingestion_errors",
                "List messages that became no event, the newest first",
            )
            .query("since", "From this time on", json!({ "$ref": "#/components/schemas/Moment" }))
            .query("topic", "Only of this topic, by its whole name", text())
            .query("ascending", "The oldest first, with a `next` also at the present end: to follow", flag())
            .pages_of(100)
            .answers::<Page<IngestionError>>("A page")
            .refuses(StatusCode::CONFLICT, "no_event_log", no_log),
            get(
                "/ingestion/lag",
                "read_ingestion_lag",
                "Tell how far the analytics store is behind the event log",
            )
            .answers::<IngestionLag>("Over all partitions, and each")
            .refuses(StatusCode::NOT_FOUND, "not_found", "it has not begun to read")
            .refuses(StatusCode::CONFLICT, "no_event_log", no_log),
            post(
                "/ingestion/replay",
                "replay_ingestion",
                "Write messages that became no event to their topic again",
            )
            .takes::<ReplayRequest>(json!({ "since": "2026-01-31T14:00:00Z", "dry_run": true }))
            .answers::<ReplayAnswer>("How many were found and written")
            .refuses(StatusCode::BAD_REQUEST, "bad_cursor", "the cursor is not one of this list")
            .refuses(StatusCode::CONFLICT, "no_event_log", no_log),
            get("/retention", "read_retention", "Tell how long events are kept, and what room they take")
                .answers::<RetentionStatus>("With the deletion that goes on and the last one"),
            post("/retention/prune", "prune", "Delete old events")
                .takes::<PruneRequest>(json!({ "before": "2026-01-01T00:00:00Z", "dry_run": true }))
                .answers::<PruneAnswer>("How many there are; with `dry_run` alone")
                .also::<PruneAnswer>(StatusCode::ACCEPTED, "They are being deleted")
                .refuses(StatusCode::CONFLICT, "prune_running", "events are being deleted already"),
            get(
                "/retention/kinds",
                "list_growing_kinds",
                "Tell what grows with time, for how long it is kept, and what deletes it",
            )
            .answers::<GrowingKinds>("Store by store"),
            post("/retention/apply", "apply_retention", "Forget now what the services forget by themselves")
                .takes::<ApplyRequest>(json!({ "dry_run": true }))
                .answers::<Applied>("How much of each kind went, or would go"),
            get("/erasures", "read_erasures", "Tell how far an erasure is, and what the last one came to")
                .answers::<ErasureStatus>("The one that goes on and the last one"),
            post(
                "/erasures",
                "erase",
                "Erase a person from every store, for good, or count what there is of him",
            )
            .takes::<ErasureRequest>(
                json!({ "visitor": "00000000000000000000000000000000", "dry_run": true }),
            )
            .also::<ErasureReceipt>(StatusCode::ACCEPTED, "It goes on; `GET /erasures` shows its end")
            .refuses(StatusCode::CONFLICT, "erasure_running", "somebody is being erased already"),
            get("/secrets", "read_secrets", "Tell how the secrets of the configuration lie in its store")
                .answers::<SecretsStatus>("With which keys they are sealed"),
            post(
                "/secrets/reseal",
                "reseal_secrets",
                "Seal all secrets of the configuration with the first key",
            )
            .takes::<ResealRequest>(json!({}))
            .answers::<ResealAnswer>("How many entities changed"),
            get("/geo", "read_geo", "Tell which geo facts are known")
                .answers::<GeoStatus>("What the databases of traffic-service know")
                .asks("traffic-service"),
            get("/openapi.json", "read_openapi", "Show this description").answers_one(
                StatusCode::OK,
                "OpenAPI 3.1",
                |_| json!({ "type": "object" }),
            ),
        ],
    )
}
