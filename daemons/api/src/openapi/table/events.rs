//! What happened: reports, clicks, conversions, and why a click goes where it goes.

use super::{
    super::operation::{Operation, get, post, tagged},
    flag, text,
};
use http::StatusCode;
use serde_json::{Value, json};
use tfx_api::{
    Labelled, Page,
    conversions::{PublishAnswer, PublishRequest},
    explain::{ExplainAnswer, ExplainRequest},
    imports::{ImportAnswer, ImportRequest},
    report::{ReportAnswer, ReportRequest},
    timeline::Timeline,
};
use tfx_domain::{
    event::{ClickEvent, TestTraffic},
    postback::Conversion,
    report::Dimension,
};

pub(super) fn operations() -> Vec<Operation> {
    tagged(
        "events",
        vec![
            post("/report", "report", "Count what happened")
                .takes::<ReportRequest>(json!({
                    "since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z", "dimensions": ["campaign", "country"],
                    "filters": [{ "dimension": "bot", "values": ["false"] }],
                    "metrics": ["clicks", "conversions", "revenue"], "sort": { "by": "revenue", "desc": true }, "limit": 100,
                }))
                .answers::<ReportAnswer>("The rows and their totals")
                .refuses(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "too_many_rows",
                    "it has more rows than `REPORT_MAX_GROUPS`: ask for a shorter time, or for fewer dimensions",
                )
                .note("Without `read:money` the usual figures are those that tell no money; to ask for others is 403."),
            listed(get("/clicks", "list_clicks", "List clicks, the newest first"))
                .query("campaign", "Only of this campaign: its id or slug", text())
                .query("visitor", "Only of this visitor", json!({ "type": "string", "pattern": "^[0-9A-Fa-f]{32}$" }))
                .query("unrouted", "Only those that no stream took; `false`: only those that one took", flag())
                .answers::<Page<ClickEvent>>("A page")
                .finds("campaign"),
            get("/clicks/{id}", "read_click", "Show a click")
                .answers::<Labelled<ClickEvent>>("The click")
                .finds("click")
                .refuses(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", "it is there and cannot be read"),
            get("/clicks/{id}/timeline", "read_timeline", "Tell what became of a click, the oldest first")
                .answers::<Labelled<Timeline>>("Its steps")
                .finds("click")
                .refuses(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", "it is there and cannot be read"),
            listed(get("/conversions", "list_conversions", "List conversions, the newest first"))
                .query("campaign", "Only of this campaign: its id or slug", text())
                .query("network", "Only of this network: its id or slug", text())
                .query("status", "Only with this status", json!({ "$ref": "#/components/schemas/ConversionStatus" }))
                .query("click", "Only of this click", json!({ "$ref": "#/components/schemas/ClickId" }))
                .answers::<Page<Conversion>>("A page")
                .finds("campaign or network"),
            get("/conversions/{id}", "read_conversion", "Show a conversion")
                .answers::<Labelled<Conversion>>("The conversion")
                .finds("conversion")
                .refuses(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", "it is there and cannot be read"),
            post("/conversions/publish", "publish_conversions", "Publish conversions once more, or count them")
                .takes::<PublishRequest>(json!({ "since": "2026-01-31T00:00:00Z", "dry_run": true }))
                .answers::<PublishAnswer>("How many were marked; services publish them within seconds")
                .note("For what reports lack after a restore. Each state counts once, however often it is published."),
            post("/conversions/import", "import_conversions", "Import conversions, or tell what would become of them")
                .takes::<ImportRequest>(json!({
                    "network": "adnet", "dry_run": true,
                    "rows": [{ "click_id": "01K5E7Q0000000000000000000", "status": "sale", "payout": "12.50", "at": "2026-01-31T00:00:00Z" }],
                }))
                .answers::<ImportAnswer>("What became of each row, in their order")
                .note("Each row is taken as what its network reports, and counts from `at`. The same row again is a duplicate.")
                .asks("postback-service"),
            post("/explain", "explain", "Tell where a click would go, and why")
                .takes::<ExplainRequest>(json!({ "slug": "summer", "country": "DE", "ip": "192.0.2.7" }))
                .answers::<ExplainAnswer>("What is decided, and why")
                .asks("traffic-service"),
            get("/explain/{click_id}", "explain_click", "Tell why a recorded click went where it went")
                .answers::<ExplainAnswer>("What was decided, and why")
                .finds("click")
                .refuses(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", "it is there and cannot be read"),
        ],
    )
}

/// What lists of events take.
fn listed(operation: Operation) -> Operation {
    operation
        .window()
        .words(
            "test",
            "Whether test traffic is among them; not said: it is not",
            TestTraffic::ALL.map(TestTraffic::as_str),
        )
        .query("where", "What must hold of each: all of them", conditions())
        .query(
            "timezone",
            "IANA name of the zone in which conditions on times are meant; not said: UTC",
            zone(),
        )
        .pages()
}

/// `FIELD=VALUE,VALUE` or `FIELD!=VALUE`.
fn conditions() -> Value {
    let words: Vec<&str> = Dimension::names().collect();
    let words = words.join("|");
    json!({
        "type": "array", "maxItems": 50,
        "items": { "type": "string", "pattern": format!("^({words}|sub([1-9]|1[0-9]|20))!?=") },
        "examples": [["country=US,CA"]],
    })
}

fn zone() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_+/-]*$", "examples": ["Europe/Berlin"] })
}
