//! The endpoints of traffic-service, its readiness and its metrics.

use crate::{
    SERVICE,
    answer::{SECOND_PAGE, robots},
    click::{Clicks, click, second_page},
    erase,
    explain::{cap_use, explain},
    health::Watch,
};
use axum::{
    Json, Router,
    extract::State,
    routing::{any, get, post},
};
use std::sync::Arc;
use tfx_api::geo::{self, GeoStatus};
use tfx_domain::{
    entity::FilterRule,
    routing::{CampaignPlan, Snapshot},
};
use tfx_memory::Restoring;
use tfx_ports::analytics::Analytics;
use tfx_service::{
    events,
    health::{self, Detail, Readiness},
    internal::{self, Inside},
    metrics, traces,
};
use tfx_visitor::{GeoState, lists};

/// Why nobody is served before the configuration store has answered once.
const NO_KEY: &str = "the configuration store has not told the key of visitors yet";

/// All endpoints; those for operators behind `inside`. `durable`: nobody is redirected whose event is not on disk.
pub(crate) fn router(
    clicks: &Clicks,
    bare_slugs: bool,
    analytics: Arc<dyn Analytics>,
    restoring: Restoring,
    inside: &Inside,
    durable: bool,
    watch: Watch,
) -> Router {
    let (traffic, watch) = (Arc::clone(&clicks.traffic), Arc::new(watch));
    let (manual, written) = (watch.manual.clone(), Arc::clone(&watch));
    let operators = Router::new()
        .route("/internal/explain", post(explain))
        .route("/internal/cap-use/{destination}", get(cap_use))
        .route("/internal/geo", get(geo_status))
        .route("/internal/stored-address", post(erase::stored_address))
        .route("/internal/visitors/forget", post(erase::forget))
        .with_state(clicks.clone())
        .merge(manual.routes())
        .merge(tfx_service::config::routes(Arc::clone(&clicks.traffic.live)))
        .merge(events::routes(Arc::clone(&clicks.traffic.producer)))
        .merge(metrics::routes(SERVICE, move |out| {
            traffic.counted.write(out);
            traffic.strangers.write(out);
            traces::write(&traffic.traces, out);
            written.write(out);
            let entries = traffic.memory.entries();
            out.gauge("tfx_visitor_memory_entries", "Entries about visitors in memory", &[], entries);
            let (caps, roi) = (&traffic.memory.cap_reads, &traffic.memory.roi_reads);
            for (name, help, value) in [
                ("tfx_cap_refreshes_total", "Refreshes of caps and limits", caps.done()),
                ("tfx_cap_refresh_failures_total", "Refreshes of caps and limits that failed", caps.failed()),
                ("tfx_roi_refreshes_total", "Refreshes of what destinations brought", roi.done()),
                (
                    "tfx_roi_refresh_failures_total",
                    "Refreshes of what destinations brought that failed",
                    roi.failed(),
                ),
            ] {
                out.counter(name, help, &[], value);
            }
            events::write(SERVICE, &traffic.producer.stats(), out);
        }));
    let mut public = Router::new().route("/c/{*slug}", any(click)).route("/c/", any(click));
    if bare_slugs {
        public = public.route("/{slug}", any(click)).route("/{slug}/", any(click));
    }
    public
        .route(SECOND_PAGE, get(second_page))
        .route("/robots.txt", get(robots))
        .with_state(clicks.clone())
        .merge(internal::guard(operators, inside))
        .merge(health::routes(readiness(clicks, analytics, restoring, durable, watch), inside.clone()))
}

fn readiness(
    clicks: &Clicks,
    analytics: Arc<dyn Analytics>,
    restoring: Restoring,
    durable: bool,
    watch: Arc<Watch>,
) -> Readiness {
    let of = || Arc::clone(&clicks.traffic);
    let (config, journal, geo, visitors) = (of(), of(), of(), of());
    Readiness::new()
        .required("config", move || {
            let checked = config.live.check();
            let known = config.identity.load().is_some();
            async move { if known { checked } else { checked.and(Err(NO_KEY.to_owned())) } }
        })
        .fresh()
        .required("events", move || events::check(Arc::clone(&journal.producer), durable))
        .optional("analytics", move || {
            let store = Arc::clone(&analytics);
            async move { store.ping().await.map(|()| Detail::ok()).map_err(|e| e.to_string()) }
        })
        .optional("geo", move || {
            let state = geo.geo.state();
            let known = geo.geo.known().names();
            let asked = geo.live.current().as_deref().map(geo_fields).unwrap_or_default();
            let missing: Vec<&str> = asked.into_iter().filter(|f| !known.contains(f)).collect();
            async move {
                match state {
                    GeoState::Problems(what) => Err(what),
                    GeoState::None if !missing.is_empty() => Ok(Detail::degraded(format!(
                        "no geo database, but filters ask for geo facts ({}): they are unknown and no 'is' passes; set GEOIP_COUNTRY_DB or GEOIP_CITY_DB, or put one into TFX_DATA_DIR",
                        missing.join(", ")
                    ))),
                    GeoState::Ready(what) if !missing.is_empty() => Ok(Detail::degraded(format!(
                        "{what}; no geo database knows {}, but filters ask for it: it is unknown and no 'is' passes",
                        missing.join(", ")
                    ))),
                    GeoState::Ready(what) => Ok(Detail::ok().text(what)),
                    GeoState::None => Ok(Detail::ok().text(
                        "no geo database: geo facts are unknown; GEOIP_COUNTRY_DB names one, or TFX_DATA_DIR holds it",
                    )),
                }
            }
        })
        .fresh()
        .optional("destinations", move || {
            let checked = watch.check();
            async move { checked }
        })
        .optional("agents", || async { Ok(Detail::ok().text(lists())) })
        .optional("visitors", move || {
            let told = restoring.tell(visitors.memory.entries());
            let detail = told.map_or_else(Detail::degraded, |text| Detail::ok().text(text));
            async move { Ok(detail) }
        })
        .fresh()
}

/// The geo facts that filters ask for.
fn geo_fields(snapshot: &Snapshot) -> Vec<&'static str> {
    let rules = || snapshot.campaigns().flat_map(CampaignPlan::streams).flat_map(|s| &s.stream.spec.filters);
    let asked = |field: &str| rules().any(|rule: &FilterRule| rule.field == field);
    geo::FIELDS.iter().map(|(field, _)| *field).filter(|field| asked(field)).collect()
}

async fn geo_status(State(clicks): State<Clicks>) -> Json<GeoStatus> {
    let geo = &clicks.traffic.geo;
    let problem = match geo.state() {
        GeoState::Problems(what) => Some(what),
        GeoState::None | GeoState::Ready(_) => None,
    };
    let known = geo.known().names().into_iter().map(str::to_owned).collect();
    Json(GeoStatus { known, problem, data_dir: geo.data_dir().display().to_string() })
}
