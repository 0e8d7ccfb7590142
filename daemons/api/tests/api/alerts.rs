//! Alerts over the real stores and sockets: rules fire, are told in the form of each channel, pause, and are cleared.

use crate::{
    events::{click_id, deliver},
    server::{Server, answer, message, paths},
};
use axum::{Json, Router, extract::State, http::HeaderMap, http::Uri, response::IntoResponse};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tfx_api::audit::AuditQuery;
use tfx_domain::{Timestamp, entity::Kind, event::Event};
use tfx_ports::{clock, page::PageRequest, queue::JobKind};

/// What a server of others was sent: path, `webhook-id`, body.
type Sent = (String, String, Value);

/// A server of others that answers so in turn, the last from then on.
#[derive(Default)]
struct Others {
    answers: Mutex<Vec<u16>>,
    sent: Mutex<Vec<Sent>>,
}

async fn take(
    State(others): State<Arc<Others>>,
    uri: Uri,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> impl IntoResponse {
    let id = headers.get("webhook-id").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    others.sent.lock().expect("lock").push((uri.path().to_owned(), id, body));
    let mut answers = others.answers.lock().expect("lock");
    let status = if answers.len() > 1 { answers.remove(0) } else { answers.first().copied().unwrap_or(200) };
    (
        StatusCode::from_u16(status).expect("a status"),
        Json(json!({ "ok": status == 200, "description": "why" })),
    )
}

impl Others {
    async fn start(answers: &[u16]) -> (Arc<Self>, String) {
        let others = Arc::new(Self { answers: Mutex::new(answers.to_vec()), sent: Mutex::default() });
        let router = Router::new().fallback(take).with_state(Arc::clone(&others));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (others, url)
    }

    fn sent(&self) -> Vec<Sent> {
        self.sent.lock().expect("lock").clone()
    }

    /// What was sent to a path, by its text.
    fn texts(&self, path: &str, field: &str) -> Vec<String> {
        let sent = self.sent();
        let of = sent.iter().filter(|(to, ..)| to == path);
        of.map(|(_, _, body)| body[field].as_str().unwrap_or_default().to_owned()).collect()
    }
}

const QUICK: [(&str, &str); 3] =
    [("ALERT_INTERVAL_MS", "100"), ("ALERT_RETRY_BACKOFF_MS", "10"), ("OUTBOUND_ALLOW_PRIVATE", "true")];

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < end, "{what}: never");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until every rule was looked at once more, twice over.
async fn looked_again(s: &Server) {
    let version = async || {
        let states = s.stores.alerts.states(None).await.expect("states");
        states.iter().map(|s| s.state.version).min().unwrap_or_default()
    };
    let before = version().await;
    until("looks", async || version().await >= before + 2).await;
}

/// Clicks of a campaign, each of another person.
async fn clicks(s: &Server, first: u128, count: u128) {
    let id = |e: Value| e["id"].as_str().expect("an id").to_owned();
    let campaign = id(s.api.get(Kind::Campaign, "summer").await.expect("campaign"));
    let stream = id(s.api.get(Kind::Stream, "summer/main").await.expect("stream"));
    let destination = id(s.api.get(Kind::Destination, "offer").await.expect("destination"));
    let at: Timestamp = clock::now() - Duration::from_secs(5);
    let event = |n: u128| {
        let event = json!({
            "schema": 1, "click_id": click_id(at, n), "at": at, "campaign_id": campaign, "campaign_slug": "summer",
            "visitor_id": format!("{n:032x}"), "ip": "203.0.113.7", "country": "DE", "device_type": "mobile",
            "status": 302, "config_revision": 7, "cost": { "amount": "0.5", "currency": "USD" }, "stream_id": stream,
            "destination_id": destination, "final_url": "https://offer.example/",
        });
        Event::Click(Box::new(serde_json::from_value(event).expect("a click")))
    };
    deliver(s, (first..first + count).map(event).collect()).await;
}

async fn log(s: &Server, alert: &str) -> Vec<(String, String)> {
    let (_, page) = s.get(&format!("/alert-log?alert={alert}")).await;
    let rows = page["items"].as_array().cloned().unwrap_or_default();
    let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
    rows.iter().rev().map(|row| (text(row, "happened"), text(row, "text"))).collect()
}

async fn happened(s: &Server, alert: &str) -> Vec<String> {
    log(s, alert).await.into_iter().map(|(what, _)| what).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_channel_is_told_once_in_its_form_by_two_services_over_one_store() {
    each_channel_is_told_once(async |settings| Server::with(&settings).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_channel_is_told_once_by_two_services_over_mongodb() {
    each_channel_is_told_once(async |settings| Server::on_mongodb(&settings).await).await;
}

async fn each_channel_is_told_once(start: impl AsyncFn(Vec<(&str, &str)>) -> Server) {
    let (others, url) = Others::start(&[200]).await;
    let settings = [
        &QUICK[..],
        &[
            ("ALERT_TELEGRAM_TOKEN", "5:canary"),
            ("ALERT_TELEGRAM_API_URL", &url),
            ("AUTH_ADMIN_EMAIL", "admin@example.com"),
            ("AUTH_JWT_SECRET", "a-secret-of-more-than-32-bytes-0123456789"),
            ("AUTH_EMAIL_FROM", "TraffoFlex <login@example.com>"),
            ("AUTH_RESEND_API_KEY", "re_canary"),
            ("AUTH_RESEND_API_URL", &url),
        ],
    ]
    .concat();
    let s = start(settings.clone()).await;
    let beside = s.beside_with(&settings).await;
    s.summer().await;
    clicks(&s, 0, 3).await;
    let rule = json!({
        "when": "clicks > 2 and spend_today > 1", "by": ["campaign"], "clear_s": 0,
        "filters": [{ "dimension": "campaign", "values": ["summer"] }],
        "channels": [format!("webhook:{url}/hook"), format!("slack:{url}/slack"), "telegram:-100", "mail:anna@example.com"],
    });
    let created = s.create(Kind::Alert, rule).await;
    assert_eq!(
        created["slug"], "clicks-2-and-spend-today-1",
        "a rule without a name is called as its condition"
    );
    let paths = ["/hook", "/slack", "/bot5:canary/sendMessage", "/emails"];
    let told = async |n: usize| {
        until("told", async || paths.iter().all(|p| others.texts(p, "text").len() >= n)).await;
        looked_again(&s).await;
        for path in paths {
            assert_eq!(others.texts(path, "text").len(), n, "{path}");
        }
    };
    told(1).await;
    let of = |path: &str| others.sent().into_iter().rfind(|(to, ..)| to == path).expect("sent").2;
    let text = others.texts("/hook", "text")[0].clone();
    assert!(text.starts_with("FIRING clicks > 2 and spend_today > 1: campaign=summer\n"), "{text}");
    assert!(text.contains("\nclicks 3, cost_today 1.5\nsince "), "{text}");
    let hook = of("/hook");
    assert_eq!((&hook["told"], &hook["group"][0]["label"]), (&json!("firing"), &json!("summer")));
    let header = others.sent().into_iter().find(|(to, ..)| to == "/hook").expect("sent").1;
    assert_eq!(hook["id"], header, "its id is in the header too");
    assert_eq!(of("/slack"), json!({ "text": text.replace('>', "&gt;") }));
    let telegram = of(paths[2]);
    assert_eq!((&telegram["chat_id"], &telegram["text"]), (&json!("-100"), &json!(text)));
    let mail = of("/emails");
    assert_eq!((&mail["to"], &mail["text"]), (&json!(["anna@example.com"]), &json!(text)));
    // The state is shown, and the figures are those of the report.
    let (_, shown) = s.get("/alerts/clicks-2-and-spend-today-1").await;
    assert_eq!((&shown["now"]["text"], &shown["now"]["undelivered"]), (&json!("firing"), &json!(0)));
    assert!(shown["now"]["sent_at"].is_string());
    let (_, states) = s.get("/alerts/clicks-2-and-spend-today-1/states").await;
    assert_eq!(states["items"][0]["values"], "clicks 3, cost_today 1.5");
    // It is over.
    let patch = json!({ "when": "clicks > 100" });
    s.api.update(Kind::Alert, "clicks-2-and-spend-today-1", &patch, None).await.expect("changed");
    told(2).await;
    assert!(
        others.texts("/hook", "text")[1].starts_with("Cleared clicks > 2"),
        "{:?}",
        others.texts("/hook", "text")
    );
    let log = happened(&s, "clicks-2-and-spend-today-1").await;
    assert_eq!(log.iter().filter(|w| *w == "fired").count(), 1);
    assert_eq!(log.iter().filter(|w| *w == "sent").count(), 8);
    beside.stop_beside().await;
    s.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_down_is_tried_again_and_one_that_refuses_is_given_up_aloud() {
    let (down, down_url) = Others::start(&[503, 500, 200]).await;
    let (refuses, refuses_url) = Others::start(&[404]).await;
    let s = Server::with(&QUICK).await;
    let channels = json!([format!("webhook:{down_url}/a"), format!("slack:{refuses_url}/b")]);
    s.create(Kind::Alert, json!({ "slug": "none", "when": "clicks < 1", "channels": channels })).await;
    until("told", async || down.sent().len() == 3).await;
    let ids: Vec<String> = down.sent().into_iter().map(|(_, id, _)| id).collect();
    assert!(!ids[0].is_empty() && ids.iter().all(|id| *id == ids[0]), "each attempt bears one id: {ids:?}");
    until("given up", async || log(&s, "none").await.len() == 3).await;
    looked_again(&s).await;
    assert_eq!((down.sent().len(), refuses.sent().len()), (3, 1));
    let lines = log(&s, "none").await;
    let (_, why) = lines.iter().find(|(what, _)| what == "undelivered").expect("told");
    assert!(why.starts_with(&format!("slack:{refuses_url}/***: it answered 404: ")), "{why}");
    let (_, list) = s.get("/alerts").await;
    assert_eq!(
        (&list["items"][0]["now"]["undelivered"], &list["items"][0]["now"]["waiting"]),
        (&json!(1), &json!(0))
    );
    let (_, ready) = answer(s.bare(Method::GET, "/readyz")).await;
    let detail = ready["checks"]["alerts"].to_string() + &ready.to_string();
    assert!(
        detail.contains("1 notice or action was given up; tfx alert log tells why, tfx alert retry"),
        "{ready}"
    );
    let metrics = s.bare(Method::GET, "/metrics").bearer_auth(&s.internal_token);
    let metrics = metrics.send().await.expect("an answer").text().await.expect("a text");
    for want in [
        "tfx_alert_notices_total{result=\"again\"} 2",
        "tfx_alert_jobs{state=\"dead\"} 1",
        "tfx_alerts_firing 1",
    ] {
        assert!(metrics.contains(want), "{want}\n{metrics}");
    }
    s.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_sent_again_when_somebody_asks() {
    what_was_given_up_is_sent_again(Server::with(&QUICK).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_sent_again_over_mongodb() {
    what_was_given_up_is_sent_again(Server::on_mongodb(&QUICK).await).await;
}

/// A channel refuses twice, and is well then; another alert is given up too.
async fn what_was_given_up_is_sent_again(s: Server) {
    let (others, url) = Others::start(&[404, 404, 404, 200]).await;
    let retry = async |body: Value| s.post("/alert-notices/retry", body).await;
    let rule = |slug: &str| json!({ "slug": slug, "when": "clicks < 1", "channels": [format!("webhook:{url}/{slug}")] });
    let dead = async || s.stores.queue.counts(JobKind::Alert).await.expect("counts").dead;
    s.create(Kind::Alert, rule("one")).await;
    until("given up", async || dead().await == 1).await;
    s.create(Kind::Alert, rule("two")).await;
    until("given up", async || dead().await == 2).await;
    let (_, line) = log(&s, "one").await.into_iter().find(|(what, _)| what == "undelivered").expect("said");
    let id = others.sent()[0].1.clone();
    assert!(line.ends_with(&format!("given up after 1 attempt (notice {id})")), "{line}");
    for (body, path) in [
        (json!({}), "ids"),
        (json!({ "ids": [id], "dead": true }), "ids"),
        (json!({ "ids": vec![id.clone(); 101] }), "ids"),
        (json!({ "ids": [id], "alert": "one" }), "alert"),
        (json!({ "ids": [id], "before": clock::now() }), "before"),
        (json!({ "what": 1 }), "what"),
    ] {
        let (status, problem) = retry(body.clone()).await;
        assert_eq!((status, paths(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, vec![path]), "{body}");
    }
    for body in [json!({ "ids": [id, "nothing", ""] }), json!({ "dead": true, "alert": "three" })] {
        assert_eq!(retry(body.clone()).await.0, StatusCode::NOT_FOUND, "{body}");
    }
    assert_eq!(dead().await, 2, "what names something that is not there does nothing");

    // The first is refused once more, and given up again; then it is taken, and so is all that was given up.
    let due = |n: u64| json!({ "revived": n, "hurried": 0, "left": 0 });
    assert_eq!(retry(json!({ "ids": [id] })).await, (StatusCode::OK, due(1)));
    until("given up again", async || others.sent().len() == 3 && dead().await == 2).await;
    let sent_again = async |asked: Value, revived: u64| {
        let (status, mut answer) = retry(asked).await;
        answer.as_object_mut().expect("an object").remove("before");
        assert_eq!((status, answer), (StatusCode::OK, due(revived)));
    };
    sent_again(json!({ "dead": true, "alert": "one" }), 1).await;
    until("sent", async || dead().await == 1 && happened(&s, "one").await.contains(&"sent".to_owned())).await;
    assert_eq!(
        others.sent().iter().filter(|(to, of, _)| to == "/one" && *of == id).count(),
        3,
        "under one id"
    );
    sent_again(json!({ "dead": true }), 1).await;
    until("sent", async || dead().await == 0 && happened(&s, "two").await.contains(&"sent".to_owned())).await;
    sent_again(json!({ "dead": true }), 0).await;
    assert_eq!(retry(json!({ "ids": [id] })).await.0, StatusCode::NOT_FOUND, "it was sent");
    let log = s.api.audit(&AuditQuery::default()).await.expect("audit").items;
    let retried: Vec<_> =
        log.iter().filter(|line| line.action == "retry").map(|line| &line.changes).collect();
    let dead = json!({ "dead": [null, true] });
    assert_eq!(retried, [&dead, &dead, &json!({ "ids": [null, [id]] })]);
    s.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_next_try_is_tried_now() {
    let (others, url) = Others::start(&[503, 200]).await;
    let s = Server::with(&[&QUICK[..2], &[("ALERT_RETRY_BACKOFF_MS", "3600000"), QUICK[2]]].concat()).await;
    let channels = json!([format!("webhook:{url}/hook")]);
    s.create(Kind::Alert, json!({ "slug": "none", "when": "clicks < 1", "channels": channels })).await;
    let waits =
        async || s.stores.queue.waiting(JobKind::Alert, "", &PageRequest::first(9)).await.expect("jobs");
    until("put off", async || waits().await.items.iter().any(|job| !job.held && job.tries == 1)).await;
    let id = others.sent()[0].1.clone();
    let (status, answer) = s.post("/alert-notices/retry", json!({ "ids": [id] })).await;
    assert_eq!((status, &answer["hurried"]), (StatusCode::OK, &json!(1)), "{answer}");
    until("sent", async || happened(&s, "none").await.contains(&"sent".to_owned())).await;
    assert_eq!(others.sent().len(), 2);
    s.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_begins_dry_and_is_taken_back_only_if_nobody_has_touched_it() {
    let s = Server::with(&QUICK).await;
    s.summer().await;
    clicks(&s, 0, 3).await;
    let rule = json!({ "slug": "stop", "when": "clicks > 2", "by": ["stream"], "action": "pause_stream", "clear_s": 0 });
    let armed = json!({ "armed": true });
    let (status, problem) = s
        .post("/alerts", {
            let mut at_first = rule.clone();
            at_first["armed"] = json!(true);
            at_first
        })
        .await;
    assert_eq!((status, paths(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, vec!["armed"]));
    let created = s.create(Kind::Alert, rule).await;
    assert!(created["warnings"].to_string().contains("dry run"), "{created}");
    let main = async || s.api.get(Kind::Stream, "summer/main").await.expect("the stream");
    until("said", async || happened(&s, "stop").await.contains(&"would_pause".to_owned())).await;
    looked_again(&s).await;
    assert_eq!(main().await["status"], "active");
    // Armed, it does what it said.
    s.api.update(Kind::Alert, "stop", &armed, None).await.expect("armed");
    until("paused", async || main().await["status"] == "paused").await;
    until("written", async || happened(&s, "stop").await.contains(&"paused".to_owned())).await;
    let id = main().await["id"].as_str().expect("an id").to_owned();
    let (_, audit) = s.get(&format!("/audit?id={id}")).await;
    assert_eq!(
        (&audit["items"][0]["actor"], &audit["items"][0]["action"]),
        (&json!("alert:stop"), &json!("pause")),
        "{audit}"
    );
    // Another condition begins with a dry run; what was paused goes on when it is cleared.
    let other = json!({ "when": "clicks > 100" });
    let changed = s.api.update(Kind::Alert, "stop", &other, None).await.expect("changed");
    assert!(changed.get("armed").is_none_or(|a| a == false), "{changed}");
    until("returned", async || main().await["status"] == "active").await;
    until("written", async || happened(&s, "stop").await.contains(&"returned".to_owned())).await;
    // What somebody has touched stays as he left it.
    s.api.update(Kind::Alert, "stop", &json!({ "when": "clicks > 2" }), None).await.expect("changed");
    s.api.update(Kind::Alert, "stop", &armed, None).await.expect("armed");
    until("paused again", async || main().await["status"] == "paused").await;
    until("written", async || happened(&s, "stop").await.iter().filter(|w| *w == "paused").count() == 2)
        .await;
    s.api.update(Kind::Stream, "summer/main", &json!({ "name": "Mine" }), None).await.expect("touched");
    let (status, _) = s.post("/alerts/stop/archive", json!({})).await;
    assert_eq!(status, StatusCode::OK);
    until("left alone", async || happened(&s, "stop").await.last().is_some_and(|w| w == "left_alone")).await;
    assert_eq!(main().await["status"], "paused");
    let (_, why) = log(&s, "stop").await.pop().expect("a line");
    assert!(why.contains("has changed it since"), "{why}");
    s.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_that_hang_hold_up_no_pause() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let mut channels = Vec::new();
    for _ in 0..48 {
        let hanging = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        channels.push(format!("webhook:http://{}/", hanging.local_addr().expect("an address")));
        let taken = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((connection, _)) = hanging.accept().await {
                taken.lock().expect("lock").push(connection);
            }
        });
    }
    let s = Server::with(&QUICK).await;
    s.summer().await;
    clicks(&s, 0, 3).await;
    let rule = json!({ "slug": "stop", "when": "clicks > 2", "by": ["stream"], "action": "pause_stream" });
    s.create(Kind::Alert, rule).await;
    until("said", async || happened(&s, "stop").await.contains(&"would_pause".to_owned())).await;
    for (n, channels) in channels.chunks(8).enumerate() {
        let hangs = json!({ "slug": format!("r{n}"), "when": "clicks > 2", "channels": channels });
        s.create(Kind::Alert, hangs).await;
    }
    until("all places are taken", async || asked.lock().expect("lock").len() == 16).await;
    s.api.update(Kind::Alert, "stop", &json!({ "armed": true }), None).await.expect("armed");
    let main = async || s.api.get(Kind::Stream, "summer/main").await.expect("the stream");
    until("paused", async || main().await["status"] == "paused").await;
    assert_eq!(asked.lock().expect("lock").len(), 16, "no channel had to end first");
    s.stop().await;
}

#[tokio::test]
async fn who_pauses_what_cannot_go_on_by_itself_is_warned() {
    let s = Server::start().await;
    let rule = |when: &str, more: Value| {
        let mut rule = json!({ "name": when, "when": when, "by": ["stream"], "action": "pause_stream", "min_clicks": 0 });
        rule.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        rule
    };
    for (n, (when, more, warned)) in [
        ("cr < 1", json!({}), Some("return_after_s")),
        ("cr < 1", json!({ "return_after_s": 7200 }), None),
        ("clicks < 9", json!({ "return_after_s": 7200 }), Some("goes on to hold")),
        ("roi < -50 and clicks > 300", json!({}), None),
        ("clicks > 9", json!({ "min_clicks": 5 }), Some("return_after_s")),
        ("destination down", json!({ "by": ["destination"], "action": "pause_destination" }), None),
    ]
    .into_iter()
    .enumerate()
    {
        let mut rule = rule(when, more);
        rule["slug"] = json!(format!("r{n}"));
        let created = s.create(Kind::Alert, rule).await;
        let warnings = created["warnings"].to_string();
        assert_eq!(warnings.contains("stays paused"), warned.is_some(), "{when}: {warnings}");
        assert!(warnings.contains(warned.unwrap_or_default()), "{when}: {warnings}");
    }
    s.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_are_kept_and_what_has_no_data_is_not_fine() {
    let (others, url) = Others::start(&[200]).await;
    let s = Server::with(&QUICK).await;
    let rule = json!({
        "slug": "none", "when": "clicks < 1", "quiet": ["00:00-24:00"], "channels": [format!("webhook:{url}/a")],
    });
    s.create(Kind::Alert, rule).await;
    until("fired", async || happened(&s, "none").await == ["fired"]).await;
    looked_again(&s).await;
    assert!(others.sent().is_empty());
    s.api.update(Kind::Alert, "none", &json!({ "quiet": null }), None).await.expect("changed");
    until("told", async || others.sent().len() == 1).await;
    // There is nothing to divide by, no log and no postback.
    for (slug, when) in
        [("cr", "cr < 5"), ("log", "ingestion errors > 0"), ("silent", "postbacks silent for 2h")]
    {
        s.create(
            Kind::Alert,
            json!({ "slug": slug, "when": when, "channels": [format!("webhook:{url}/b")],
            "no_data_after_s": 0 }),
        )
        .await;
        until("said", async || {
            let (_, shown) = s.get(&format!("/alerts/{slug}")).await;
            shown["now"]["text"] == "no data" && shown["now"]["sent_at"].is_string()
        })
        .await;
    }
    let texts = others.texts("/b", "text");
    assert!(texts.len() == 3 && texts.iter().all(|t| t.starts_with("NO DATA ")), "{texts:?}");
    s.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_now_shows_what_would_be_told_and_can_be_sent() {
    let (others, url) = Others::start(&[200]).await;
    // Nobody looks by itself.
    let s = Server::with(&[("ALERT_INTERVAL_MS", "1800000"), ("OUTBOUND_ALLOW_PRIVATE", "true")]).await;
    s.summer().await;
    clicks(&s, 0, 3).await;
    let rule = json!({ "slug": "r", "when": "clicks > 2", "by": ["campaign", "country"], "min_clicks": 2,
        "channels": [format!("webhook:{url}/a"), "telegram:-1"], "action": "pause_destination", "destination": "offer" });
    let created = s.create(Kind::Alert, rule).await;
    assert!(created["warnings"].to_string().contains("ALERT_TELEGRAM_TOKEN is not set"), "{created}");
    let (status, test) = s.post("/alerts/r/test", json!({})).await;
    assert_eq!(status, StatusCode::OK, "{test}");
    let group = &test["groups"][0];
    assert_eq!((&group["holds"], &group["values"]), (&json!(true), &json!("clicks 3")));
    assert_eq!((&group["group"][0]["label"], &group["group"][1]["label"]), (&json!("summer"), &json!("DE")));
    assert_eq!(group["action"], "would pause the destination offer (dry run; tfx alert arm r lets it)");
    assert!(
        test["notice"]
            .as_str()
            .is_some_and(|n| n.starts_with("FIRING clicks > 2") || n.starts_with("FIRING r")),
        "{test}"
    );
    assert!(others.sent().is_empty());
    let (_, test) = s.post("/alerts/r/test", json!({ "send": true })).await;
    assert_eq!((&test["channels"][0]["sent"], &test["channels"][1]["sent"]), (&json!(true), &json!(false)));
    assert!(others.texts("/a", "text")[0].starts_with("Test "));
    s.stop().await;
}

#[tokio::test]
async fn what_a_rule_lacks_is_named() {
    let s = Server::start().await;
    let refused = async |rule: Value| {
        let (status, problem) = s.post("/alerts", rule.clone()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{rule}: {problem}");
        problem
    };
    let to = json!(["mail:anna@example.com"]);
    let problem = refused(json!({ "when": "cr < * 2", "channels": to })).await;
    assert!(message(&problem, "when").ends_with("\n  cr < * 2\n       ^"), "{problem}");
    let problem = refused(json!({ "when": "clicks > 1" })).await;
    assert!(message(&problem, "channels").contains("--to"), "{problem}");
    let table = [
        (
            json!({ "when": "clicks > 1", "channels": ["slack:hooks"], "for_s": 90_000 }),
            vec!["for_s", "channels[0]"],
        ),
        (json!({ "when": "clicks > 1", "action": "pause_stream" }), vec!["action"]),
        (
            json!({ "when": "clicks > 1", "channels": to, "armed": false, "return_after_s": 60 }),
            vec!["action"],
        ),
        (json!({ "when": "ingestion errors > 0", "by": ["campaign"], "channels": to }), vec!["by"]),
        (json!({ "when": "postbacks silent for 2h", "by": ["campaign"], "channels": to }), vec!["by"]),
        (json!({ "when": "clicks > 1", "by": ["day"], "channels": to }), vec!["by[0]"]),
        (
            json!({ "when": "clicks > 1", "quiet": ["never"], "timezone": "Mars", "channels": to }),
            vec!["timezone", "quiet[0]"],
        ),
        (json!({ "when": "clicks > 1", "channels": to, "stream": "summer/gone" }), vec!["stream"]),
        (
            json!({ "when": "clicks > 1", "channels": to, "filters": [{ "dimension": "campaign", "values": ["gone"] }] }),
            vec!["filters[0].values[0]"],
        ),
    ];
    for (rule, want) in table {
        let problem = refused(rule.clone()).await;
        for path in want {
            assert!(paths(&problem).contains(&path), "{rule}: {problem}");
        }
    }
    s.stop().await;
}

#[tokio::test]
async fn secrets_of_channels_are_shown_to_who_may_see_them_and_pausing_takes_its_scopes() {
    let s = Server::start().await;
    s.summer().await;
    let secret = "https://hooks.slack.example/services/T1/B1/Canary1Canary2Canary3";
    let rule = json!({ "slug": "r", "when": "clicks > 1", "channels": [format!("slack:{secret}"), "mail:a@example.com"] });
    s.create(Kind::Alert, rule).await;
    let token = async |scopes: &[&str]| {
        let asked = json!({ "name": format!("t{}", scopes.len()), "scopes": scopes });
        let (status, made) = s.post("/tokens", asked).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        made["token"].as_str().expect("a token").to_owned()
    };
    let writer = token(&["read", "read:money", "write:alerts"]).await;
    let ask = async |method: Method, path: &str, body: Option<Value>| {
        let mut request = s.bare(method, &format!("/api/v1{path}")).bearer_auth(&writer);
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request).await
    };
    let (_, shown) = ask(Method::GET, "/alerts/r", None).await;
    assert_eq!(shown["channels"], json!(["slack:https://hooks.slack.example/***", "mail:a@example.com"]));
    assert_eq!(s.api.get(Kind::Alert, "r").await.expect("r")["channels"][0], format!("slack:{secret}"));
    // What was shown stands for what was there, in any place.
    let back = json!({ "channels": [shown["channels"][1], shown["channels"][0]], "name": "R" });
    let (status, changed) = ask(Method::PATCH, "/alerts/r", Some(back)).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    assert_eq!(s.api.get(Kind::Alert, "r").await.expect("r")["channels"][1], format!("slack:{secret}"));
    let (status, problem) =
        ask(Method::PATCH, "/alerts/r", Some(json!({ "channels": ["slack:https://x.example/***"] }))).await;
    assert_eq!((status, paths(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, vec!["channels[0]"]));
    let (_, audit) = s.get("/audit").await;
    assert!(!audit.to_string().contains("services"), "{audit}");
    for body in
        [json!({ "action": "pause_stream" }), json!({ "armed": true }), json!({ "destination": "offer" })]
    {
        let (status, problem) = ask(Method::PATCH, "/alerts/r", Some(body.clone())).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{body}: {problem}");
        let item = json!({ "items": [{ "action": "update", "kind": "alert", "ref": "r", "spec": body }] });
        assert_eq!(ask(Method::POST, "/bulk", Some(item)).await.0, StatusCode::FORBIDDEN);
    }
    s.stop().await;
}
