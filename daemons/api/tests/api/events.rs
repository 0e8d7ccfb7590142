//! What happened, as the API tells it: clicks, conversions, postbacks, reports, explanations, tried postbacks.

use crate::server::{Server, message, paths};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tfx_api::{
    clicks::ClickQuery,
    conversions::ConversionQuery,
    explain::ExplainRequest,
    postbacks::{PostbackQuery, PostbackResult, PostbackTest},
    report::{Attribution, Dimension, Metric, ReportFilter, ReportRequest, Sort},
};
use tfx_domain::{
    Timestamp,
    entity::Kind,
    event::{ClickEvent, ConversionEvent, Event, PostbackLogEvent},
    id::{ClickId, ConversionId},
    postback::{Incoming, TransactionScope},
};
use tfx_ports::sink::Envelope;

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

pub(crate) fn click_id(at: Timestamp, n: u128) -> ClickId {
    ClickId::generate(at, n)
}

pub(crate) async fn deliver(s: &Server, events: Vec<Event>) {
    let envelope = |e: &Event| Envelope {
        topic: e.topic(),
        id: e.id(),
        key: e.key(),
        payload: e.to_json().expect("json").into(),
    };
    let batch: Vec<Envelope> = events.iter().map(envelope).collect();
    assert_eq!(s.stores.sink.deliver(&batch).await.expect("delivered"), []);
}

/// What the tests report on: ids of the entities, and three clicks (two routed, one not) with one conversion.
pub(crate) struct Past {
    pub(crate) campaign: String,
    pub(crate) stream: String,
    pub(crate) destination: String,
    pub(crate) routed: ClickId,
    pub(crate) bot: ClickId,
    pub(crate) unrouted: ClickId,
    pub(crate) conversion: ConversionId,
}

pub(crate) async fn past(s: &Server) -> Past {
    s.summer().await;
    let id = |e: Value| e["id"].as_str().expect("an id").to_owned();
    let campaign = id(s.api.get(Kind::Campaign, "summer").await.expect("campaign"));
    let stream = id(s.api.get(Kind::Stream, "summer/main").await.expect("stream"));
    let destination = id(s.api.get(Kind::Destination, "offer").await.expect("destination"));
    let network = id(s.api.get(Kind::Network, "adnet").await.expect("network"));
    let us = json!({ "campaign": "summer", "slug": "us", "filters": [{ "field": "country", "is": ["US"] }],
        "destinations": [{ "destination": "offer" }], "kind": "forced" });
    let us = id(s.create(Kind::Stream, us).await);
    let time = at("2026-01-31T10:00:00Z");
    let event = |n: u128, more: Value| -> ClickEvent {
        let mut event = json!({
            "schema": 1, "click_id": click_id(time, n), "at": time, "campaign_id": campaign, "campaign_slug": "summer",
            "visitor_id": format!("{n:032x}"), "ip": "203.0.113.7", "country": "DE", "device_type": "mobile",
            "status": 302, "config_revision": 7, "cost": { "amount": "0.5", "currency": "USD" },
        });
        event.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        serde_json::from_value(event).expect("a click")
    };
    let routed = event(
        1,
        json!({
            "stream_id": stream, "destination_id": destination, "network_id": network, "final_url": "https://offer.example/",
            "unique_campaign": true, "passed": [{ "stream_id": us, "reason": "filter[0] country" }],
        }),
    );
    let bot = event(
        2,
        json!({ "stream_id": stream, "destination_id": destination, "is_bot": true, "bot_reason": "ua" }),
    );
    let unrouted = event(3, json!({ "outcome": "not_found", "status": 404, "country": "US" }));
    let incoming = Incoming {
        new_id: ConversionId::generate(time, 9),
        network: network.parse().expect("an id"),
        scope: TransactionScope::Network,
        key: "tx:t1".to_owned(),
        transaction_id: Some("t1".to_owned()),
        click_id: routed.click_id,
        status: "sale".parse().expect("a status"),
        raw_status: None,
        unmapped: false,
        revenue: serde_json::from_value(json!({ "amount": "2.5", "currency": "USD" })).expect("money"),
        revenue_given: true,
        allow_upsell: false,
        at: at("2026-02-01T10:00:00Z"),
        click: routed.dims.clone(),
        cost_terms: tfx_domain::entity::Due::default(),
        tell: None,
        signed: None,
        waited: false,
        replaces: None,
    };
    let recorded = s.stores.conversions.record(&[incoming]).await.expect("recorded").remove(0).conversion;
    let log: PostbackLogEvent = serde_json::from_value(json!({
        "schema": 1, "id": click_id(at("2026-02-01T10:00:00Z"), 5), "at": "2026-02-01T10:00:00Z", "network": "adnet",
        "network_id": network, "remote_ip": "198.51.100.1", "method": "GET", "result": "recorded", "status": 200,
        "click_id": routed.click_id, "conversion_id": recorded.id,
    }))
    .expect("a log event");
    let past = Past {
        campaign,
        stream,
        destination,
        routed: routed.click_id,
        bot: bot.click_id,
        unrouted: unrouted.click_id,
        conversion: recorded.id.clone(),
    };
    deliver(
        s,
        vec![
            Event::Click(Box::new(routed)),
            Event::Click(Box::new(bot)),
            Event::Click(Box::new(unrouted)),
            Event::Conversion(Box::new(ConversionEvent::from(&recorded))),
            Event::PostbackLog(Box::new(log)),
        ],
    )
    .await;
    past
}

#[tokio::test]
async fn clicks_conversions_and_postbacks_are_listed_with_names() {
    let s = Server::start().await;
    let p = past(&s).await;
    let all = s.api.clicks(&ClickQuery::default()).await.expect("clicks");
    assert_eq!(all.items.iter().map(|c| c.click_id).collect::<Vec<_>>(), [p.unrouted, p.bot, p.routed]);
    assert_eq!(all.labels.get(&p.stream).map(String::as_str), Some("summer/main"));
    assert_eq!(all.labels.get(&p.destination).map(String::as_str), Some("offer"));

    let ids = |query: ClickQuery| {
        let api = s.api.clone();
        async move {
            api.clicks(&query).await.expect("clicks").items.iter().map(|c| c.click_id).collect::<Vec<_>>()
        }
    };
    assert_eq!(ids(ClickQuery { unrouted: Some(true), ..ClickQuery::default() }).await, [p.unrouted]);
    assert_eq!(
        ids(ClickQuery { visitor: "00000000000000000000000000000002".parse().ok(), ..ClickQuery::default() })
            .await,
        [p.bot]
    );
    assert_eq!(
        ids(ClickQuery { until: Some(at("2026-01-31T10:00:00Z")), ..ClickQuery::default() }).await,
        []
    );
    let by_campaign =
        ClickQuery { campaign: Some("summer".to_owned()), limit: Some(1), ..ClickQuery::default() };
    let first = s.api.clicks(&by_campaign).await.expect("a page");
    assert_eq!((first.items.len(), first.next.is_some()), (1, true));
    let second = s.api.clicks(&ClickQuery { cursor: first.next, ..by_campaign }).await.expect("a page");
    assert_eq!(second.items[0].click_id, p.bot);

    let one = s.api.click(p.routed).await.expect("one");
    assert_eq!((one.item.dims.country.as_str(), one.labels.len()), ("DE", 5));
    let missing = s.api.click(click_id(at("2026-01-01T00:00:00Z"), 1)).await.expect_err("unknown");
    assert_eq!(missing.status(), Some(404));
    assert_eq!(s.get("/clicks/nonsense").await.0, StatusCode::NOT_FOUND);

    let sales = ConversionQuery {
        status: "sale".parse().ok(),
        network: Some("adnet".into()),
        ..ConversionQuery::default()
    };
    let sales = s.api.conversions(&sales).await.expect("conversions");
    assert_eq!(sales.items.iter().map(|c| &c.id).collect::<Vec<_>>(), [&p.conversion]);
    let leads = ConversionQuery { status: "lead".parse().ok(), ..ConversionQuery::default() };
    assert!(s.api.conversions(&leads).await.expect("none").items.is_empty());
    assert_eq!(s.api.conversion(&p.conversion).await.expect("one").item.click_id, p.routed);

    let log = PostbackQuery {
        network: Some("adnet".into()),
        result: Some(PostbackResult::Recorded),
        ..PostbackQuery::default()
    };
    assert_eq!(s.api.postbacks(&log).await.expect("log").items.len(), 1);
    let none = PostbackQuery { result: Some(PostbackResult::Rejected), ..PostbackQuery::default() };
    assert!(s.api.postbacks(&none).await.expect("log").items.is_empty());

    for (path, wrong) in [
        (
            "/clicks?since=yesterday&until=x&visitor=1&unrouted=maybe",
            vec!["since", "until", "visitor", "unrouted"],
        ),
        ("/clicks?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", vec!["until"]),
        ("/conversions?click=x", vec!["click"]),
        ("/postbacks?result=lost", vec!["result"]),
    ] {
        let (status, problem) = s.get(path).await;
        assert_eq!((status, paths(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, wrong), "{path}");
    }
}

#[tokio::test]
async fn lists_take_conditions_on_every_field() {
    let s = Server::start().await;
    let p = past(&s).await;
    let clicks: &[(&[&str], &[ClickId])] = &[
        (&["country=de"], &[p.bot, p.routed]),
        (&["country!=de"], &[p.unrouted]),
        (&["country=US,DE", "bot=false"], &[p.unrouted, p.routed]),
        (&["destination=offer"], &[p.bot, p.routed]),
        (&["destination=", "campaign=summer"], &[p.unrouted]),
        (&["stream=summer/main", "network=adnet"], &[p.routed]),
        (&["device_type=MOBILE", "city=", "sub3!=x"], &[p.unrouted, p.bot, p.routed]),
        (&["country=FR"], &[]),
        (&["weekday=sat", "hour_of_day=10"], &[p.unrouted, p.bot, p.routed]),
        (&["weekday!=Saturday"], &[]),
        (
            &["day=2026-01-31", "month=2026-01", "week=2026-W05", "hour=2026-01-31T10:00+00:00"],
            &[p.unrouted, p.bot, p.routed],
        ),
        (&["hour_of_day=11"], &[]),
    ];
    for (conditions, want) in clicks {
        for limit in [None, Some(1)] {
            let filters = conditions.iter().map(|c| c.parse().expect("a condition")).collect();
            let mut query = ClickQuery { filters, limit, ..ClickQuery::default() };
            let mut found = Vec::new();
            loop {
                let page = s.api.clicks(&query).await.expect("clicks");
                found.extend(page.items.iter().map(|c| c.click_id));
                query.cursor = page.next;
                if query.cursor.is_none() {
                    break;
                }
            }
            assert_eq!(found, *want, "{conditions:?}");
        }
    }
    for (condition, many) in [
        ("country=DE", 1),
        ("country!=DE", 0),
        ("network=adnet", 1),
        ("status=SALE", 1),
        ("status=lead", 0),
        ("day=2026-02-01", 1),
    ] {
        let query = ConversionQuery {
            filters: vec![condition.parse().expect("a condition")],
            ..ConversionQuery::default()
        };
        assert_eq!(s.api.conversions(&query).await.expect("conversions").items.len(), many, "{condition}");
    }
    for (condition, many) in
        [("status=200", 1), ("ip!=198.51.100.1", 0), ("param:txid=", 1), ("result=parked,recorded", 1)]
    {
        let query = PostbackQuery {
            filters: vec![condition.parse().expect("a condition")],
            ..PostbackQuery::default()
        };
        assert_eq!(s.api.postbacks(&query).await.expect("the log").items.len(), many, "{condition}");
    }

    // The zone decides which hour it is.
    for (timezone, hour, many) in
        [(None, 10, 3), (Some("Asia/Kathmandu"), 15, 3), (Some("Asia/Kathmandu"), 10, 0)]
    {
        let filters = vec![format!("hour_of_day={hour}").parse().expect("a condition")];
        let query = ClickQuery { filters, timezone: timezone.map(str::to_owned), ..ClickQuery::default() };
        assert_eq!(s.api.clicks(&query).await.expect("clicks").items.len(), many, "{timezone:?} {hour}");
    }
    assert_eq!(paths(&s.get("/clicks?timezone=Nowhere").await.1), ["timezone"]);

    let wrong = "where=county=US&where=campaign=sumer&where=day=2026-01-32&where=bot=maybe&limit=0";
    let (status, problem) = s.get(&format!("/clicks?{wrong}")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        paths(&problem),
        ["limit", "where[0]", "where[1].values[0]", "where[2].values[0]", "where[3].values[0]"]
    );
    assert!(problem.to_string().contains("did you mean 'country'"), "{problem}");
    let (_, problem) = s.get("/postbacks?where=netwrok=a&where=status").await;
    assert_eq!(paths(&problem), ["where[0]", "where[1]"]);
}

#[tokio::test]
async fn a_rare_value_is_found_in_one_answer() {
    let s = Server::start().await;
    let first = at("2026-01-31T10:00:00Z");
    let event = |n: i64, keyword: &str| -> Event {
        let time = first + std::time::Duration::from_millis(n.unsigned_abs());
        let click = json!({
            "schema": 1, "click_id": click_id(time, 1), "at": time, "visitor_id": format!("{n:032x}"), "ip": "203.0.113.7",
            "device_type": "mobile", "keyword": keyword, "status": 302, "config_revision": 7,
        });
        Event::Click(Box::new(serde_json::from_value(click).expect("a click")))
    };
    let mut events = vec![event(0, "needle")];
    events.extend((1..25_000).map(|n| event(n, "hay")));
    for part in events.chunks(5_000) {
        deliver(&s, part.to_vec()).await;
    }
    for condition in ["keyword=needle", "keyword!=hay"] {
        let filters = vec![condition.parse().expect("a condition")];
        let page = s.api.clicks(&ClickQuery { filters, ..ClickQuery::default() }).await.expect("clicks");
        let found: Vec<_> = page.items.iter().map(|c| c.click_id).collect();
        assert_eq!((found, page.next), (vec![click_id(first, 1)], None), "{condition}");
    }
}

fn january() -> ReportRequest {
    ReportRequest {
        since: Some(at("2026-01-01T00:00:00Z")),
        until: Some(at("2026-03-01T00:00:00Z")),
        ..ReportRequest::default()
    }
}

#[tokio::test]
async fn a_report_adds_up_and_names_its_rows() {
    let s = Server::start().await;
    let p = past(&s).await;
    let request = ReportRequest {
        dimensions: vec![Dimension::Campaign, Dimension::Country],
        metrics: vec![
            Metric::Hits,
            Metric::Clicks,
            Metric::Bots,
            Metric::Sales,
            Metric::Revenue,
            Metric::Roi,
        ],
        sort: Some(Sort { by: "hits".into(), desc: true }),
        ..january()
    };
    let report = s.api.report(&request).await.expect("a report");
    assert_eq!(report.rows.len(), 2);
    let row = &report.rows[0];
    assert_eq!(
        (row.key[0].value.as_str(), row.key[0].label(), row.key[1].label()),
        (p.campaign.as_str(), "summer", "DE")
    );
    let figure = |m: Metric| row.figures.get(&m).map(ToString::to_string);
    assert_eq!(figure(Metric::Hits), Some("2".into()));
    assert_eq!(figure(Metric::Clicks), Some("1".into()));
    assert_eq!(figure(Metric::Bots), Some("1".into()));
    assert_eq!(figure(Metric::Sales), Some("1".into()));
    assert_eq!(figure(Metric::Revenue).map(|r| r.trim_end_matches('0').to_owned()), Some("2.5".into()));
    assert_eq!(row.figures.len(), 6, "only what was asked for");
    assert_eq!(report.totals[&Metric::Hits].to_string(), "3");

    let limited = s.api.report(&ReportRequest { limit: Some(1), ..request.clone() }).await.expect("a report");
    assert_eq!((limited.rows.len(), limited.row_count), (1, 2));
    assert_eq!(limited.totals, report.totals, "totals are those of all rows");

    let by_country =
        ReportRequest { sort: Some(Sort { by: "country".into(), desc: true }), ..request.clone() };
    let sorted = s.api.report(&by_country).await.expect("a report");
    assert_eq!(sorted.rows.iter().map(|r| r.key[1].label()).collect::<Vec<_>>(), ["US", "DE"]);

    for value in ["offer", p.destination.as_str()] {
        let filter =
            ReportFilter { dimension: Dimension::Destination, values: vec![value.to_owned()], negate: false };
        let filtered =
            s.api.report(&ReportRequest { filters: vec![filter], ..january() }).await.expect("a report");
        assert_eq!(filtered.totals[&Metric::Hits].to_string(), "2", "{value}");
        assert!(filtered.metrics.contains(&Metric::Roi), "the usual figures");
    }
    let days =
        ReportRequest { dimensions: vec![Dimension::Day], attribution: Attribution::Conversion, ..january() };
    let days =
        s.api.report(&ReportRequest { timezone: "Asia/Tokyo".into(), ..days }).await.expect("a report");
    assert_eq!(days.rows.iter().map(|r| r.key[0].label()).collect::<Vec<_>>(), ["2026-01-31", "2026-02-01"]);

    let other = ReportRequest { currency: "EUR".parse().ok(), ..january() };
    let other = s.api.report(&other).await.expect("a report");
    let left = other.unconverted.values().next().expect("USD");
    let (revenue, cost) = (left.revenue.to_string(), left.cost.to_string());
    assert_eq!((other.unconverted.len(), revenue.as_str()), (1, "2.5"), "{other:?}");
    let note = other.note.expect("a note");
    assert!(note.starts_with("there is no rate to EUR: revenue of 2.5 USD"), "{note}");
    assert_eq!(note.contains(&format!("cost of {cost} USD")), cost != "0", "{note}");
}

#[tokio::test]
async fn costs_that_could_not_be_read_are_counted_in_reports() {
    let s = Server::start().await;
    let p = past(&s).await;
    let mut click = s.api.click(p.routed).await.expect("a click").item;
    for (n, refused, bot) in
        [(11, "bid=abc", false), (12, "bid=-1", false), (13, "", false), (14, "bid=x", true)]
    {
        click.click_id = click_id(click.at, n);
        click.cost_refused = refused.into();
        click.dims.is_bot = bot;
        deliver(&s, vec![Event::Click(Box::new(click.clone()))]).await;
    }
    let refused = async |request| s.api.report(&request).await.expect("a report").costs_refused;
    assert_eq!(refused(january()).await, 2, "of people");
    let elsewhere =
        ReportFilter { dimension: Dimension::Country, values: vec!["FR".to_owned()], negate: false };
    assert_eq!(refused(ReportRequest { filters: vec![elsewhere], ..january() }).await, 0);
}

#[tokio::test]
async fn everything_wrong_with_a_report_is_told_at_once() {
    let s = Server::start().await;
    s.summer().await;
    let (status, problem) = s
        .post(
            "/report",
            json!({
                "since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z", "timezone": "Mars/Olympus",
                "dimensions": ["day", "day"], "sort": { "by": "height" }, "limit": 0, "currency": "ZZZ",
                "filters": [
                    { "dimension": "campaign", "values": ["summer", "winter"] },
                    { "dimension": "hour", "values": ["x"] },
                    { "dimension": "bot", "values": ["perhaps"] },
                    { "dimension": "os", "values": [] },
                ],
            }),
        )
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let mut found = paths(&problem);
    found.sort_unstable();
    let want = [
        "currency",
        "dimensions[1]",
        "filters[0].values[1]",
        "filters[1].values[0]",
        "filters[2].values[0]",
        "filters[3].values",
        "limit",
        "sort.by",
        "timezone",
        "until",
    ];
    assert_eq!(found, want, "{problem}");
    assert_eq!(message(&problem, "filters[0].values[1]"), "no campaign has the slug or id 'winter'");
    let (status, problem) = s.post("/report", json!({ "currency": "ZZZ" })).await;
    assert_eq!((status, paths(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, vec!["currency"]));
    let told = "'ZZZ' is no currency of ISO 4217, such as USD, and nothing here is in it";
    assert_eq!(message(&problem, "currency"), told);
    let seven = json!({ "dimensions": ["day", "country", "city", "os", "browser", "isp", "bot"] });
    assert_eq!(paths(&s.post("/report", seven).await.1), ["dimensions"]);
    let (_, problem) = s.post("/report", json!({ "metrics": ["clicks", "luck"], "since": 5 })).await;
    assert_eq!(
        {
            let mut p = paths(&problem);
            p.sort_unstable();
            p
        },
        ["metrics[1]", "since"]
    );
    // Nothing is needed: today, in UTC, in one row.
    let (status, today) = s.post("/report", json!({})).await;
    assert_eq!((status, &today["rows"].as_array().map(Vec::len)), (StatusCode::OK, &Some(1)), "{today}");
}

#[tokio::test]
async fn a_stored_click_explains_itself() {
    let s = Server::start().await;
    let p = past(&s).await;
    let told = s.api.explain_click(p.routed).await.expect("told");
    let asked: Vec<_> = told
        .asked
        .iter()
        .map(|a| (a.campaign.as_str(), a.slug.as_str(), a.taken, a.reason.as_str()))
        .collect();
    assert_eq!(asked, [("summer", "us", false, "filter[0] country"), ("summer", "main", true, "")]);
    assert!(told.asked[0].detail.contains("country was DE"), "{:?}", told.asked[0]);
    assert_eq!(told.destination.map(|d| d.slug), Some("offer".to_owned()));
    assert_eq!((told.url.as_str(), told.status, told.config_revision), ("https://offer.example/", 302, 7));
    let told = s.api.explain_click(p.bot).await.expect("told");
    assert_eq!(told.visitor.bot.as_deref(), Some("ua"));
}

/// A traffic-service of one answer; it keeps what it was asked and with which bearer token.
type SeenRequests = Arc<Mutex<Vec<(String, String)>>>;

async fn stand_in(status: u16, media_type: &'static str, body: Value) -> (String, SeenRequests) {
    let seen = SeenRequests::default();
    let keep = Arc::clone(&seen);
    let handler = move |headers: axum::http::HeaderMap, asked: String| async move {
        let bearer = headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
        keep.lock().expect("no panic").push((bearer, asked));
        (
            axum::http::StatusCode::from_u16(status).expect("a status"),
            [("content-type", media_type)],
            body.to_string(),
        )
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = axum::Router::new().fallback(handler);
    tokio::spawn(tfx_service_free(listener, router));
    (url, seen)
}

async fn tfx_service_free(listener: tokio::net::TcpListener, router: axum::Router) {
    let settings =
        tfx_settings::Settings::read(&tfx_settings::SettingsSource::of([("TFX_DATA_DIR", "/nonexistent")]))
            .expect("settings");
    let (_never, shutdown) = tfx_service::Shutdown::new();
    tfx_service::serve("traffic", listener, router, &settings.http, shutdown).await.expect("served");
}

#[tokio::test]
async fn explaining_asks_traffic_service_with_ids_and_the_internal_token() {
    let s = Server::start().await;
    s.summer().await;
    let campaign = s.api.get(Kind::Campaign, "summer").await.expect("campaign")["id"].clone();
    let stream = s.api.get(Kind::Stream, "summer/main").await.expect("stream")["id"].clone();
    let event = json!({ "schema": 1, "click_id": "01KYKZ6QK0ABCDEFGHJKMNPQRS", "at": "2026-07-28T10:00:00Z",
        "outcome": "not_found", "campaign_id": campaign, "campaign_slug": "summer", "visitor_id": "0".repeat(32),
        "status": 404, "config_revision": 3, "country": "DE",
        "passed": [{ "stream_id": stream, "reason": "filter[0] country" }] });
    let (url, seen) = stand_in(200, "application/json", event).await;
    let s = s.again(&[("TRAFFIC_SERVICE_URL", &url)]).await;
    let request = ExplainRequest {
        slug: campaign.as_str().expect("id").to_owned(),
        unhealthy: vec!["offer".into()],
        cap_used: [("offer".to_owned(), 5)].into(),
        ..ExplainRequest::default()
    };
    let told = s.api.explain(&request).await.expect("told");
    assert_eq!((told.status, told.config_revision, told.click_id), (404, 3, None));
    let asked = &told.asked[0];
    assert_eq!((asked.slug.as_str(), asked.reason.as_str()), ("main", "filter[0] country"));
    assert!(asked.detail.contains("country was DE"), "{asked:?}");
    let (bearer, asked) = seen.lock().expect("no panic").remove(0);
    assert_eq!(bearer, format!("Bearer {}", s.internal_token));
    let asked: ExplainRequest = serde_json::from_str(&asked).expect("a request");
    assert_eq!(asked.slug, "summer");
    assert!(asked.unhealthy[0].starts_with("dst_") && asked.cap_used.keys().all(|k| k.starts_with("dst_")));
    let stats = s.api.event_stats().await.expect("stats");
    assert!(
        stats.traffic.stats.is_some()
            && stats.postback.error.is_some_and(|e| e.contains("POSTBACK_SERVICE_URL"))
    );
    let (_, problem) = s.post("/explain", json!({ "unhealthy": ["nowhere"], "country": 5, "what": 1 })).await;
    assert_eq!(paths(&problem), ["country", "what"]);
    let (_, problem) = s.post("/explain", json!({ "unhealthy": ["nowhere"], "cap_used": { "x": 1 } })).await;
    assert_eq!(paths(&problem), ["slug", "unhealthy[0]", "cap_used.x"]);
}

#[tokio::test]
async fn a_service_that_hangs_is_told_before_a_check_of_monitors_gives_up() {
    let hanging = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", hanging.local_addr().expect("an address"));
    let s = Server::with(&[("TRAFFIC_SERVICE_URL", &url)]).await;
    let begun = Instant::now();
    let (status, told) = s.get("/event-producer/stats").await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let why = told["traffic"]["error"].as_str().expect("why");
    assert!(why.contains("traffic-service does not answer"), "{why}");
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    s.stop().await;
}

#[tokio::test]
async fn who_asks_for_places_that_no_database_knows_is_warned() {
    let knows = json!({ "known": ["asn"], "data_dir": "/data" });
    let (url, _) = stand_in(200, "application/json", knows.clone()).await;
    let s = Server::with(&[("TRAFFIC_SERVICE_URL", &url)]).await;
    s.summer().await;
    let warnings = |answer: &Value| answer["warnings"].to_string();
    let stream = |slug: &str, field: &str, value: &str| {
        json!({ "campaign": "summer", "slug": slug, "filters": [{ "field": field, "is": [value] }],
            "destinations": [{ "destination": "offer" }] })
    };
    let made = s.create(Kind::Stream, stream("de", "country", "DE")).await;
    for part in ["knows country", "GEOIP_COUNTRY_DB", "/data", "npm pack", "tar -xzf"] {
        assert!(warnings(&made).contains(part), "{part}: {made}");
    }
    // What was shown can be sent back, and warnings are not kept.
    let again = s.api.update(Kind::Stream, "summer/de", &made, None).await.expect("saved");
    assert!(warnings(&again).contains("knows country"), "{again}");
    let shown = s.api.get(Kind::Stream, "summer/de").await.expect("a stream");
    assert_eq!(shown.get("warnings"), None);
    for (slug, field, value) in [("as", "asn", "AS3320"), ("phones", "device_type", "mobile")] {
        assert_eq!(s.create(Kind::Stream, stream(slug, field, value)).await.get("warnings"), None, "{field}");
    }
    let (_, report) = s.post("/report", json!({ "dimensions": ["country", "city"] })).await;
    assert!(warnings(&report).contains("knows country, city"), "{report}");
    let (_, report) = s.post("/report", json!({ "dimensions": ["campaign"] })).await;
    assert_eq!(report.get("warnings"), None);
    assert_eq!(s.get("/geo").await, (StatusCode::OK, knows));
    // One that is away keeps nobody from saving.
    let s = s.again(&[]).await;
    assert_eq!(s.create(Kind::Stream, stream("fr", "country", "FR")).await.get("warnings"), None);
}

#[tokio::test]
async fn a_traffic_service_that_is_away_or_strange_is_told_clearly() {
    let s = Server::start().await;
    let ask = json!({ "slug": "x" });
    let (status, problem) = s.post("/explain", ask.clone()).await;
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("service_unreachable")));
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|d| d.contains("TRAFFIC_SERVICE_URL") && d.contains("127.0.0.1:1"))
    );

    let its_own = json!({ "type": "about:blank", "title": "x", "status": 422, "code": "invalid", "detail": "no such zone" });
    let table = [
        (200, "application/json", json!({ "strange": true }), 502, "cannot be read"),
        (403, "application/problem+json", json!({}), 502, "INTERNAL_TOKEN"),
        (500, "text/plain", json!({}), 502, "500"),
        (404, "text/plain", json!({}), 502, "no such endpoint"),
        (422, "application/problem+json", its_own, 422, "no such zone"),
        (503, "application/problem+json", json!({}), 503, "not ready"),
    ];
    for (theirs, media_type, body, ours, told) in table {
        let (url, _) = stand_in(theirs, media_type, body).await;
        let s = Server::with(&[("TRAFFIC_SERVICE_URL", &url)]).await;
        let (status, problem) = s.ask(Method::POST, "/explain", Some(&ask)).await;
        assert_eq!(status.as_u16(), ours, "{theirs}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|d| d.contains(told)), "{theirs}: {problem}");
    }
}

#[tokio::test]
async fn a_tried_postback_says_what_would_happen_and_stores_nothing() {
    let s = Server::start().await;
    let p = past(&s).await;
    let ignoring =
        json!({ "network": "adnet", "slug": "v2", "ignore": ["ping"], "statuses": { "lead": ["hold"] } });
    s.create(Kind::Template, ignoring).await;
    let (click, unknown) = (p.bot.to_string(), click_id(at("2026-01-31T10:00:00Z"), 77).to_string());
    let sold = p.routed.to_string();
    let table: &[(&str, Option<&str>, &[(&str, &str)], PostbackResult, u16)] = &[
        ("new", None, &[("subid", &click), ("txid", "t2"), ("payout", "3")], PostbackResult::Recorded, 200),
        (
            "known just so",
            None,
            &[("click_id", &sold), ("tid", "t1"), ("payout", "2.5")],
            PostbackResult::Duplicate,
            200,
        ),
        (
            "another payout",
            None,
            &[("click_id", &sold), ("tid", "t1"), ("payout", "9")],
            PostbackResult::Updated,
            200,
        ),
        (
            "taken back",
            None,
            &[("click_id", &sold), ("tid", "t1"), ("status", "rejected")],
            PostbackResult::Updated,
            200,
        ),
        (
            "backwards",
            None,
            &[("click_id", &sold), ("tid", "t1"), ("status", "lead")],
            PostbackResult::Stale,
            200,
        ),
        ("a second sale", None, &[("click_id", &sold), ("tid", "t9")], PostbackResult::Duplicate, 200),
        ("ignored", Some("v2"), &[("click_id", &click), ("status", "ping")], PostbackResult::Ignored, 200),
        ("unknown click", None, &[("click_id", &unknown)], PostbackResult::Parked, 200),
        ("no click", None, &[("payout", "3")], PostbackResult::Rejected, 400),
        ("bad payout", None, &[("click_id", &click), ("payout", "lots")], PostbackResult::Rejected, 400),
    ];
    for (what, template, params, result, status) in table {
        let test = PostbackTest {
            network: "adnet".to_owned(),
            template: template.map(str::to_owned),
            params: params.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        };
        let told = s.api.postback_test(&test).await.expect(what);
        assert_eq!((told.result, told.status), (*result, *status), "{what}: {told:?}");
        assert!(!told.reason.is_empty(), "{what}");
        assert_eq!(told.parameter.is_some(), *status == 400, "{what}: {told:?}");
    }
    let default_payout = PostbackTest {
        network: "adnet".into(),
        template: None,
        params: vec![("click_id".into(), click.clone())],
    };
    let told = s.api.postback_test(&default_payout).await.expect("told").understood.expect("understood");
    assert_eq!(
        told.revenue.map(|m| m.amount.to_string()),
        Some("2.5".to_owned()),
        "the destination's payout"
    );

    assert_eq!(s.api.conversions(&ConversionQuery::default()).await.expect("list").items.len(), 1);
    assert_eq!(s.api.postbacks(&PostbackQuery::default()).await.expect("log").items.len(), 1);
    assert_eq!(
        s.stores.queue.counts(tfx_ports::queue::JobKind::ParkedPostback).await.expect("count").waiting,
        0
    );

    let (_, problem) = s.post("/postbacks/test", json!({ "network": "nobody" })).await;
    assert_eq!(paths(&problem), ["network"]);
    let (_, problem) = s.post("/postbacks/test", json!({ "network": "adnet", "template": "v9" })).await;
    assert_eq!(paths(&problem), ["template"]);
}
