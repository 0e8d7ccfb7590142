//! The endpoints of traffic-service, its readiness and its metrics.

use crate::{
    SERVICE,
    answer::{SECOND_PAGE, robots},
    click::{Clicks, click, second_page},
    explain::{cap_use, explain},
    geo::GeoState,
    memory::Restoring,
};
use axum::{
    Router,
    routing::{any, get, post},
};
use std::sync::Arc;
use tfx_domain::{
    entity::FilterRule,
    routing::{CampaignPlan, Snapshot},
};
use tfx_ports::analytics::Analytics;
use tfx_service::{
    events,
    health::{self, Detail, Readiness},
    internal, metrics,
};

/// Filters that hang on a geo database.
const GEO_FIELDS: [&str; 7] = ["country", "region", "city", "continent", "isp", "asn", "connection_type"];

/// All endpoints; those for operators behind `token`.
pub(crate) fn router(
    clicks: &Clicks,
    bare_slugs: bool,
    analytics: Arc<dyn Analytics>,
    restoring: Restoring,
    token: &str,
) -> Router {
    let traffic = Arc::clone(&clicks.traffic);
    let operators = Router::new()
        .route("/internal/explain", post(explain))
        .route("/internal/cap-use/{destination}", get(cap_use))
        .with_state(clicks.clone())
        .merge(events::routes(Arc::clone(&clicks.traffic.producer)))
        .merge(metrics::routes(SERVICE, move |out| {
            traffic.counted.write(out);
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
        .merge(internal::guard(operators, token))
        .merge(health::routes(readiness(clicks, analytics, restoring)))
}

fn readiness(clicks: &Clicks, analytics: Arc<dyn Analytics>, restoring: Restoring) -> Readiness {
    let of = || Arc::clone(&clicks.traffic);
    let (config, journal, geo, visitors) = (of(), of(), of(), of());
    Readiness::new()
        .required("config", move || {
            let checked = config.live.check();
            async move { checked }
        })
        .required("events", move || {
            let stats = journal.producer.stats();
            async move { Ok(events::detail(stats)) }
        })
        .optional("analytics", move || {
            let store = Arc::clone(&analytics);
            async move { store.ping().await.map(|()| Detail::ok()).map_err(|e| e.to_string()) }
        })
        .optional("geo", move || {
            let state = geo.geo.state();
            let asked = state == GeoState::None && geo.live.current().as_deref().is_some_and(asks_for_geo);
            async move {
                match state {
                    GeoState::Ready(what) => Ok(Detail::ok().text(what)),
                    GeoState::Problems(what) => Err(what),
                    GeoState::None if asked => Ok(Detail::degraded(
                        "no geo database, but filters ask for geo facts: they are unknown and no 'is' passes; set GEOIP_COUNTRY_DB or GEOIP_CITY_DB",
                    )),
                    GeoState::None => Ok(Detail::ok().text("no geo database: geo facts are unknown")),
                }
            }
        })
        .optional("visitors", move || {
            let detail = restoring.detail(visitors.memory.entries());
            async move { Ok(detail) }
        })
}

fn asks_for_geo(snapshot: &Snapshot) -> bool {
    let geo = |f: &FilterRule| GEO_FIELDS.contains(&f.field.as_str());
    snapshot.campaigns().flat_map(CampaignPlan::streams).any(|s| s.stream.spec.filters.iter().any(geo))
}
