//! `POST /internal/explain`: the event that a made-up click would leave. Nothing is recorded or used up.

use crate::{
    click::{Clicks, facts_of, unavailable, unknown},
    traffic::{Standings, Traffic},
};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, RawQuery, State},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::Value;
use smol_str::{SmolStr, StrExt as _};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};
use tfx_api::explain::ExplainRequest;
use tfx_domain::{
    Timestamp, country,
    event::ClickEvent,
    id::{CampaignId, DestinationId, StreamId, VisitorId},
    problem::Problems,
    routing::{CapState, CapUse, Counters, Geo, Health, Roi, Scope, caps},
};
use tfx_memory::Memory;
use tfx_ports::{clock, entropy};
use tfx_service::ProblemResponse;
use tfx_visitor::Request;

/// Answers with the event; with `?standings` also how the destinations stand of the streams that looked at theirs.
pub(crate) async fn explain(
    State(clicks): State<Clicks>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Json<Value>, ProblemResponse> {
    let request: ExplainRequest = serde_json::from_slice(&body).map_err(|e| {
        ProblemResponse::invalid(Problems::one("", format!("is not an explain request: {e}")))
    })?;
    let (event, standings) = supposed(&clicks.traffic, &request).await?;
    let internal = |e: serde_json::Error| ProblemResponse::internal(e.to_string());
    let mut answer = serde_json::to_value(event).map_err(internal)?;
    if query.as_deref() == Some("standings") {
        answer["standings"] = serde_json::to_value(standings).map_err(internal)?;
    }
    Ok(Json(answer))
}

/// `GET /internal/cap-use/{destination}`: what is used of its caps, as the next click would find it.
pub(crate) async fn cap_use(
    State(clicks): State<Clicks>,
    Path(id): Path<String>,
) -> Result<Json<Vec<CapState>>, ProblemResponse> {
    let traffic = &clicks.traffic;
    let snapshot = traffic.live.owned().ok_or_else(unknown)?;
    let plan = id.parse::<DestinationId>().ok().and_then(|id| snapshot.destination(&id));
    let plan =
        plan.ok_or_else(|| ProblemResponse::not_found("traffic-service does not know this destination yet"))?;
    Ok(Json(caps(plan, clock::now(), &*traffic.memory)))
}

async fn supposed(
    traffic: &Traffic,
    request: &ExplainRequest,
) -> Result<(ClickEvent, Standings), ProblemResponse> {
    let mut problems = Problems::default();
    let headers = headers(request, &mut problems);
    let counters = Supposed::new(&traffic.memory, request, &mut problems);
    let ip = request.ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)).to_canonical();
    let geo = geo(traffic, ip, request, &mut problems);
    problems.into_result(()).map_err(ProblemResponse::invalid)?;
    let known = traffic.known().ok_or_else(unknown)?;
    if known.snapshot.is_unavailable(&request.slug) {
        return Err(unavailable());
    }
    let header = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let asked = Request { head: false, query: "", header: &header, ip };
    let mut visitor = traffic.visitor(&facts_of(&headers), &asked, &known, geo).await;
    visitor.id = request.visitor.unwrap_or_else(|| VisitorId(entropy::random_u128()));
    visitor.params = request.params.iter().map(|(n, v)| (SmolStr::new(n), v.clone())).collect();
    visitor.hops = request.hops.unwrap_or(0);
    let at = request.at.unwrap_or_else(clock::now);
    Ok(traffic.suppose(&known, &request.slug, &visitor, at, &counters, request.seed))
}

fn headers(request: &ExplainRequest, problems: &mut Problems) -> HeaderMap {
    let mut map = HeaderMap::new();
    let named = [
        ("user_agent", "user-agent", &request.user_agent),
        ("language", "accept-language", &request.language),
        ("referrer", "referer", &request.referrer),
    ];
    let mut put = |path: String, name: &str, value: &str| match (
        name.to_ascii_lowercase().parse::<HeaderName>(),
        HeaderValue::from_str(value),
    ) {
        (Ok(name), Ok(value)) => {
            map.append(name, value);
        }
        (Err(_), _) => problems.add(path, format!("'{name}' is not the name of a header")),
        (_, Err(_)) => problems.add(path, "must be a text without line breaks"),
    };
    for (path, name, value) in named {
        if let Some(value) = value {
            put(path.to_owned(), name, value);
        }
    }
    for (i, (name, value)) in request.headers.iter().enumerate() {
        put(format!("headers[{i}]"), name, value);
    }
    map
}

/// What the databases say, with what the request says over it. In another country than theirs, their places are none.
fn geo(traffic: &Traffic, ip: IpAddr, request: &ExplainRequest, problems: &mut Problems) -> Arc<Geo> {
    let mut geo = (*traffic.geo.lookup(ip)).clone();
    let mut parsed = |path: &str, text: &Option<String>, parse: fn(&str) -> Result<SmolStr, String>| {
        let parsed = parse(text.as_ref()?.trim());
        parsed.map_err(|message| problems.add(path, message)).ok()
    };
    if let Some(code) = parsed("country", &request.country, country::parse) {
        if geo.country != code {
            let continent =
                country::find(&code).map(|c| SmolStr::new_static(c.continent)).unwrap_or_default();
            geo = Geo { region: SmolStr::default(), city: SmolStr::default(), continent, ..geo };
        }
        geo.country = code;
    }
    if let Some(continent) = parsed("continent", &request.continent, country::parse_continent) {
        geo.continent = continent;
    }
    if let Some(region) = &request.region {
        geo.region = region.to_ascii_uppercase_smolstr();
    }
    if let Some(city) = &request.city {
        geo.city = city.into();
    }
    if let Some(isp) = &request.isp {
        geo.isp = isp.into();
    }
    geo.asn = request.asn.or(geo.asn);
    if let Some(connection_type) = &request.connection_type {
        geo.connection_type = connection_type.to_lowercase_smolstr();
    }
    Arc::new(geo)
}

/// The memory, with what the request supposes over it.
struct Supposed<'m> {
    memory: &'m Memory,
    unhealthy: FxHashSet<DestinationId>,
    cap_used: FxHashMap<DestinationId, u64>,
}

impl<'m> Supposed<'m> {
    fn new(memory: &'m Memory, request: &ExplainRequest, problems: &mut Problems) -> Self {
        let mut supposed = Self { memory, unhealthy: FxHashSet::default(), cap_used: FxHashMap::default() };
        let mut id = |path: String, text: &str| {
            let id = text.parse::<DestinationId>();
            id.map_err(|_| problems.add(path, format!("'{text}' is not the id of a destination"))).ok()
        };
        for (i, text) in request.unhealthy.iter().enumerate() {
            supposed.unhealthy.extend(id(format!("unhealthy[{i}]"), text));
        }
        for (text, used) in &request.cap_used {
            supposed.cap_used.extend(id(format!("cap_used.{text}"), text).map(|id| (id, *used)));
        }
        supposed
    }
}

impl Counters for Supposed<'_> {
    fn bound_stream(&self, visitor: VisitorId, campaign: &CampaignId) -> Option<StreamId> {
        self.memory.bound_stream(visitor, campaign)
    }

    fn bound_destination(&self, visitor: VisitorId, stream: &StreamId) -> Option<DestinationId> {
        self.memory.bound_destination(visitor, stream)
    }

    fn last_seen(&self, visitor: VisitorId, scope: Scope<'_>) -> Option<Timestamp> {
        self.memory.last_seen(visitor, scope)
    }

    fn health(&self, destination: &DestinationId) -> Health {
        if self.unhealthy.contains(destination) { Health::Down } else { self.memory.health(destination) }
    }

    fn cap_use(&self, destination: &DestinationId, zone: &jiff::tz::TimeZone, now: Timestamp) -> CapUse {
        match self.cap_used.get(destination) {
            Some(&n) => {
                CapUse { clicks_daily: n, clicks_total: n, conversions_daily: n, conversions_total: n }
            }
            None => self.memory.cap_use(destination, zone, now),
        }
    }

    fn stream_clicks(&self, stream: &StreamId, since: Option<Timestamp>) -> u64 {
        self.memory.stream_clicks(stream, since)
    }

    fn roi(&self, destination: &DestinationId) -> Option<Roi> {
        self.memory.roi(destination)
    }
}
