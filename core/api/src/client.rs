//! The HTTP client of api-service: one request, one answer; [`Client::patient`] asks again where that is of use. The token
//! goes into a header marked as sensitive and is in no message and no `Debug`.

mod accounts;
mod alerts;
mod parked;
mod patience;
mod postbacks;
mod revisions;
mod sets;
mod source_postbacks;
mod transport;

pub use transport::Client;

use crate::{
    audit::{AuditEntry, AuditQuery},
    bulk::{Bulk, BulkAnswer},
    clicks::{ClickEvent, ClickQuery},
    conversions::{Conversion, ConversionQuery, PublishAnswer, PublishRequest},
    entities::{EntityQuery, Link, SecretRotation, Verb},
    erasure::{ErasureReceipt, ErasureRequest, ErasureStatus},
    error::ApiError,
    explain::{ExplainAnswer, ExplainRequest},
    geo::GeoStatus,
    health::{Health, HealthEvent, HealthList, HealthQuery, HealthRow},
    imports::{ImportAnswer, ImportRequest},
    ingestion::{IngestionError, IngestionLag, IngestionQuery, ReplayAnswer, ReplayRequest},
    page::{Labelled, Page},
    rates::{RatesAnswer, RatesQuery, RemoveRate, SetRate, SetRates},
    reconciliation::{Reconciliation, ReconciliationQuery},
    report::{ReportAnswer, ReportRequest},
    retention::{Applied, ApplyRequest, GrowingKinds, PruneAnswer, PruneRequest, RetentionStatus},
    secrets::{ResealAnswer, ResealRequest, SecretsStatus},
    service::{EventStats, RefusedAnswer},
    timeline::Timeline,
};
use reqwest::Method;
use serde_json::Value;
use tfx_domain::{
    entity::Kind,
    id::{ClickId, ConversionId},
    routing::CapState,
};
use transport::Call;

impl Client {
    /// Creates an entity from its spec; references may be slugs. A network comes with its `postback_secret`.
    ///
    /// # Errors
    /// [`ApiError`]; `slug_taken` (409) names who has the slug, `invalid` (422) every problem.
    pub async fn create(&self, kind: Kind, spec: &Value) -> Result<Value, ApiError> {
        self.call(Call::create(&[kind.plural()], spec)).await
    }

    /// Makes many changes, all or none.
    ///
    /// # Errors
    /// [`ApiError`]; `bulk_refused` (422) with the problems of every item that cannot be done.
    pub async fn bulk(&self, bulk: &Bulk) -> Result<BulkAnswer, ApiError> {
        self.create_at(&["bulk"], bulk).await
    }

    /// One entity by id, slug or `parent/slug`.
    ///
    /// # Errors
    /// [`ApiError`]; `not_found` (404).
    pub async fn get(&self, kind: Kind, reference: &str) -> Result<Value, ApiError> {
        self.call(Call::get(&[kind.plural(), reference])).await
    }

    /// A page of entities.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn list(&self, kind: Kind, query: &EntityQuery) -> Result<Page<Value>, ApiError> {
        let statuses: Vec<&str> = query.status.iter().map(|s| s.as_str()).collect();
        let path = [kind.plural()];
        let call = Call::get(&path)
            .with("status", (!statuses.is_empty()).then(|| statuses.join(",")))
            .with(kind.parent().map_or("parent", Kind::noun), query.parent.as_ref());
        self.call(call.page(query.limit, query.cursor.as_ref())).await
    }

    /// Changes an entity by a JSON merge patch (RFC 7396) on its spec; with `if_match` only if it is at that
    /// version.
    ///
    /// # Errors
    /// [`ApiError`]; `version_mismatch` (412) with the current version, `invalid` (422).
    pub async fn update(
        &self,
        kind: Kind,
        reference: &str,
        patch: &Value,
        if_match: Option<u64>,
    ) -> Result<Value, ApiError> {
        let path = [kind.plural(), reference];
        self.call(Call { method: Method::PATCH, body: Some(patch), if_match, ..Call::get(&path) }).await
    }

    /// The same, and links with the slug it had before end.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub async fn update_dropping_slug(
        &self,
        kind: Kind,
        reference: &str,
        patch: &Value,
        if_match: Option<u64>,
    ) -> Result<Value, ApiError> {
        let path = [kind.plural(), reference];
        let call = Call { method: Method::PATCH, body: Some(patch), if_match, ..Call::get(&path) };
        self.call(call.with("drop_old_slug", Some(true))).await
    }

    /// Pauses, resumes or archives an entity. `force` archives what active entities still refer to.
    ///
    /// # Errors
    /// [`ApiError`]; `in_use` (409) names who refers to it.
    pub async fn lifecycle(
        &self,
        kind: Kind,
        reference: &str,
        verb: Verb,
        force: bool,
        if_match: Option<u64>,
    ) -> Result<Value, ApiError> {
        let path = [kind.plural(), reference, verb.as_str()];
        self.call(Call { if_match, ..Call::post(&path).with("force", force.then_some(true)) }).await
    }

    /// Gives a network another secret, beside which the present one works for a while. `force` ends what works beside the
    /// present one.
    ///
    /// # Errors
    /// [`ApiError`]; `former_secret_works` (409), `version_mismatch` (412).
    pub async fn rotate_secret(
        &self,
        network: &str,
        rotation: &SecretRotation,
        force: bool,
        if_match: Option<u64>,
    ) -> Result<Value, ApiError> {
        let (path, body) = ([Kind::Network.plural(), network, "rotate-secret"], self.json(rotation)?);
        let call = Call { if_match, ..Call::create(&path, &body) };
        self.call(call.with("force", force.then_some(true))).await
    }

    /// How the secrets of the configuration lie in its store.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn secrets(&self) -> Result<SecretsStatus, ApiError> {
        self.call(Call::get(&["secrets"])).await
    }

    /// Seals all of them with the first key.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn reseal(&self) -> Result<ResealAnswer, ApiError> {
        self.post(&["secrets", "reseal"], &ResealRequest {}).await
    }

    /// The tracking link of a campaign, with the tokens of a source; none: its own.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn campaign_link(&self, reference: &str, source: Option<&str>) -> Result<Link, ApiError> {
        self.call(Call::get(&[Kind::Campaign.plural(), reference, "link"]).with("source", source)).await
    }

    /// What is used of a destination's caps, as traffic-service knows it.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn cap_use(&self, destination: &str) -> Result<Page<CapState>, ApiError> {
        self.call(Call::get(&[Kind::Destination.plural(), destination, "cap-use"])).await
    }

    /// The URL to give to a network, with its secret.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn postback_url(&self, network: &str, template: Option<&str>) -> Result<Link, ApiError> {
        self.call(Call::get(&[Kind::Network.plural(), network, "postback-url"]).with("template", template))
            .await
    }

    /// What the geo databases know.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn geo(&self) -> Result<GeoStatus, ApiError> {
        self.call(Call::get(&["geo"])).await
    }

    /// A report.
    ///
    /// # Errors
    /// [`ApiError`]; `invalid` (422) with every problem.
    pub async fn report(&self, request: &ReportRequest) -> Result<ReportAnswer, ApiError> {
        self.post(&["report"], request).await
    }

    /// A page of clicks, newest first.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn clicks(&self, q: &ClickQuery) -> Result<Page<ClickEvent>, ApiError> {
        let call = Call::get(&["clicks"]).with("since", q.since).with("until", q.until);
        let call = call.with("campaign", q.campaign.as_ref()).with("visitor", q.visitor);
        let call = call.with("unrouted", q.unrouted).with("test", q.test);
        let call = call.each("where", &q.filters).with("timezone", q.timezone.as_ref());
        self.call(call.page(q.limit, q.cursor.as_ref())).await
    }

    /// One click.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn click(&self, id: ClickId) -> Result<Labelled<ClickEvent>, ApiError> {
        self.call(Call::get(&["clicks", &id.to_string()])).await
    }

    /// What became of a click, in the order of time.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn click_timeline(&self, id: ClickId) -> Result<Labelled<Timeline>, ApiError> {
        self.call(Call::get(&["clicks", &id.to_string(), "timeline"])).await
    }

    /// A page of conversions, newest first.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn conversions(&self, q: &ConversionQuery) -> Result<Page<Conversion>, ApiError> {
        let call = Call::get(&["conversions"]).with("since", q.since).with("until", q.until);
        let call = call.with("campaign", q.campaign.as_ref()).with("network", q.network.as_ref());
        let call = call.with("status", q.status.as_ref()).with("click", q.click).with("test", q.test);
        let call = call.each("where", &q.filters).with("timezone", q.timezone.as_ref());
        self.call(call.page(q.limit, q.cursor.as_ref())).await
    }

    /// One conversion.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn conversion(&self, id: &ConversionId) -> Result<Labelled<Conversion>, ApiError> {
        self.call(Call::get(&["conversions", id.as_str()])).await
    }

    /// How destinations are, all or those with a state: every page.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn health(&self, state: Option<Health>) -> Result<HealthList, ApiError> {
        let mut all = self.health_page(state, Some(1_000), None).await?;
        while let Some(next) = all.next.take() {
            let more = self.health_page(state, Some(1_000), Some(&next)).await?;
            all.items.extend(more.items);
            all.next = more.next;
        }
        Ok(all)
    }

    /// One page of them.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn health_page(
        &self,
        state: Option<Health>,
        limit: Option<usize>,
        cursor: Option<&String>,
    ) -> Result<HealthList, ApiError> {
        let call = Call::get(&["health"]).with("state", state.map(Health::as_str));
        self.call(call.page(limit, cursor)).await
    }

    /// A page of the changes of health, newest first.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn health_history(&self, q: &HealthQuery) -> Result<Page<HealthEvent>, ApiError> {
        let call = Call::get(&["health", "history"]).with("since", q.since).with("until", q.until);
        let call = call.with("destination", q.destination.as_ref());
        self.call(call.with("limit", q.limit).with("cursor", q.cursor.as_ref())).await
    }

    /// Probes a destination now.
    ///
    /// # Errors
    /// [`ApiError`]; `no_health_check` (409), and 429 when too many are asked for at once.
    pub async fn check_destination(&self, reference: &str) -> Result<HealthRow, ApiError> {
        self.call(Call::post(&[Kind::Destination.plural(), reference, "check"])).await
    }

    /// A page of the audit log, newest first.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn audit(&self, q: &AuditQuery) -> Result<Page<AuditEntry>, ApiError> {
        let call = Call::get(&["audit"]).with("id", q.id.as_ref());
        self.call(call.page(q.limit, q.cursor.as_ref())).await
    }

    /// Decides a click without recording it.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn explain(&self, request: &ExplainRequest) -> Result<ExplainAnswer, ApiError> {
        self.post(&["explain"], request).await
    }

    /// Why a stored click went where it went.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn explain_click(&self, id: ClickId) -> Result<ExplainAnswer, ApiError> {
        self.call(Call::get(&["explain", &id.to_string()])).await
    }

    /// The counters of the event producers.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn event_stats(&self) -> Result<EventStats, ApiError> {
        self.call(Call::get(&["event-producer", "stats"])).await
    }

    /// What the services accepted, held against what is stored.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn reconciliation(&self, q: &ReconciliationQuery) -> Result<Reconciliation, ApiError> {
        let call = Call::get(&["reconciliation"]).with("since", q.since).with("until", q.until);
        self.call(call.with("ids", q.ids).with("as_of", q.as_of)).await
    }

    /// Gives the events that sinks refused to the journals again; `dry_run`: only counts them.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn replay_refused(&self, dry_run: bool) -> Result<RefusedAnswer, ApiError> {
        let call = Call::post(&["event-producer", "replay-refused"]);
        self.call(call.with("dry_run", dry_run.then_some(true))).await
    }

    /// How long events are kept, and what was deleted.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn retention(&self) -> Result<RetentionStatus, ApiError> {
        self.call(Call::get(&["retention"])).await
    }

    /// A page of rates of currencies, by pair and day.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn rates(&self, q: &RatesQuery) -> Result<Page<SetRate>, ApiError> {
        let call = Call::get(&["rates"]).with("from", q.from.as_ref()).with("to", q.to.as_ref());
        self.call(call.page(q.limit, q.cursor.as_ref())).await
    }

    /// Sets rates of currencies, all or none, or says what that would come to.
    ///
    /// # Errors
    /// [`ApiError`]; `invalid` (422).
    pub async fn set_rates(&self, request: &SetRates) -> Result<RatesAnswer, ApiError> {
        self.post(&["rates"], request).await
    }

    /// Removes a rate.
    ///
    /// # Errors
    /// [`ApiError`]; `not_found` (404).
    pub async fn remove_rate(&self, request: &RemoveRate) -> Result<RatesAnswer, ApiError> {
        self.post(&["rates", "remove"], request).await
    }

    /// Begins to delete old events, or counts them.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn prune(&self, request: &PruneRequest) -> Result<PruneAnswer, ApiError> {
        self.post(&["retention", "prune"], request).await
    }

    /// What grows with time, and for how long it is kept.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn growing(&self) -> Result<GrowingKinds, ApiError> {
        self.call(Call::get(&["retention", "kinds"])).await
    }

    /// Forgets now what is forgotten by itself, or counts it.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn apply_retention(&self, dry_run: bool) -> Result<Applied, ApiError> {
        self.post(&["retention", "apply"], &ApplyRequest { dry_run }).await
    }

    /// Has conversions published once more, or counts them.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn publish_conversions(&self, request: &PublishRequest) -> Result<PublishAnswer, ApiError> {
        self.post(&["conversions", "publish"], request).await
    }

    /// Imports conversions, or says what would become of them.
    ///
    /// # Errors
    /// [`ApiError`]; 503 where none of them was taken for now: asked again, those that were taken count once.
    pub async fn import_conversions(&self, request: &ImportRequest) -> Result<ImportAnswer, ApiError> {
        self.post(&["conversions", "import"], request).await
    }

    /// Begins to erase a person, or to count what there is of him: [`erasures`](Self::erasures) shows its end.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn erase(&self, request: &ErasureRequest) -> Result<ErasureReceipt, ApiError> {
        self.post(&["erasures"], request).await
    }

    /// The erasure that goes on, and the last one.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn erasures(&self) -> Result<ErasureStatus, ApiError> {
        self.call(Call::get(&["erasures"])).await
    }

    /// A page of the messages that became no event.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn ingestion_errors(&self, q: &IngestionQuery) -> Result<Page<IngestionError>, ApiError> {
        let call = Call::get(&["ingestion", "errors"]).with("since", q.since).with("topic", q.topic.as_ref());
        let call = call.with("ascending", q.ascending.then_some(true));
        self.call(call.page(q.limit, q.cursor.as_ref())).await
    }

    /// How far behind the analytics store is.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn ingestion_lag(&self) -> Result<IngestionLag, ApiError> {
        self.call(Call::get(&["ingestion", "lag"])).await
    }

    /// Puts broken messages into the event log again.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn ingestion_replay(&self, request: &ReplayRequest) -> Result<ReplayAnswer, ApiError> {
        self.post(&["ingestion", "replay"], request).await
    }
}
