//! What networks report, and what sources are told.

use super::{
    super::operation::{Operation, get, post, tagged},
    flag, text,
};
use http::StatusCode;
use serde_json::json;
use tfx_api::{
    Page,
    parked::{ParkedAnswer, ParkedChoice, ParkedList, ParkedPostback},
    postbacks::{
        Lint, PostbackRequest, PostbackRetry, PostbackRetryAnswer, PostbackTest, PostbackTestAnswer,
    },
    source_postbacks::{
        Directions, SigningKey, SourcePostbackQueue, SourcePostbackRetry, SourcePostbackRetryAnswer,
        SourceTest, SourceTestAnswer,
    },
};
use tfx_domain::event::{PostbackLogEvent, PostbackResult, TestTraffic};

const FIELDS: &str =
    "network|template|result|status|click|conversion|ip|test|direction|source|job|param:[^!=]+";

pub(super) fn operations() -> Vec<Operation> {
    tagged(
        "postbacks",
        vec![
            get("/postbacks", "list_postbacks", "List the postback log, the newest first")
                .window()
                .query("network", "Only to this network: its id, or a slug, known or not", text())
                .words("result", "Only with this result", PostbackResult::ALL.map(PostbackResult::as_str))
                .words("direction", "Which way they went; not said: those that came in, or those that the result is of", Directions::ALL.map(Directions::as_str))
                .words("test", "Whether test traffic is among them; not said: it is not", TestTraffic::ALL.map(TestTraffic::as_str))
                .query("where", "What must hold of each: all of them", json!({
                    "type": "array", "maxItems": 50, "items": { "type": "string", "pattern": format!("^({FIELDS})!?=") },
                    "examples": [["status=200"]],
                }))
                .pages()
                .answers::<Page<PostbackLogEvent>>("A page")
                .finds("network"),
            get("/postbacks/lint", "lint_postbacks", "Tell what networks send that their configuration does not fit")
                .window()
                .query("network", "Only this network: its id or slug", text())
                .query("most", "Read at most so many lines of the log, the newest", json!({ "type": "integer", "minimum": 0 }))
                .answers::<Lint>("What is to be mended, each with the command that does it")
                .finds("network"),
            get("/postbacks/queue", "read_queue", "Tell what sources are still to be told")
                .query("source", "Only this source: its id or slug", text())
                .query("dead", "Those that were given up, not those that wait", flag())
                .pages()
                .answers::<SourcePostbackQueue>("What waits, and what was given up")
                .finds("source"),
            post("/postbacks/queue/retry", "retry_queue", "Make due again what was given up, and now what waits")
                .takes::<SourcePostbackRetry>(json!({ "dead": true }))
                .answers::<SourcePostbackRetryAnswer>("What is due, and what is not")
                .finds("source, or nothing that waits or was given up goes by an id"),
            get("/postbacks/parked", "list_parked", "List postbacks that wait for their click, or were given up since it did not come")
                .query("network", "Only of this network: its id or slug", text())
                .query("click", "Only of this click", json!({ "$ref": "#/components/schemas/ClickId" }))
                .query("dead", "Those that were given up, not those that wait", flag())
                .pages()
                .answers::<ParkedList>("What waits, and how much was given up")
                .finds("network"),
            get("/postbacks/parked/{id}", "read_parked", "Tell what waits or was given up, by the id of its line in the log, its click or its job")
                .answers::<Vec<ParkedPostback>>("All that go by the id")
                .finds("parked postback"),
            post("/postbacks/parked/retry", "retry_parked", "Try now what waits for its click, and have wait again what was given up")
                .takes::<ParkedChoice>(json!({ "all": true }))
                .answers::<ParkedAnswer>("How many are tried, and why others are not")
                .finds("network, or nothing that waits or was given up goes by an id"),
            post("/postbacks/parked/drop", "drop_parked", "Drop postbacks that wait for their click or were given up")
                .takes::<ParkedChoice>(json!({ "all": true, "network": "adnet", "dry_run": true }))
                .answers::<ParkedAnswer>("How many are dropped, and why others are not")
                .finds("network, or nothing that waits or was given up goes by an id")
                .asks("postback-service"),
            post("/postbacks/test", "test_postback", "Tell what would become of a postback; nothing is stored")
                .takes::<PostbackTest>(json!({ "network": "adnet", "params": [["click_id", "01K5E7Q0000000000000000000"]] }))
                .answers::<PostbackTestAnswer>("What would become of it"),
            post("/postbacks/sign", "sign_postback", "Make the request that a network would send, with its secret and its signature; nothing is sent")
                .takes::<PostbackTest>(json!({ "network": "adnet", "params": [["click_id", "01K5E7Q0000000000000000000"]] }))
                .answers::<PostbackRequest>("The request"),
            post("/postbacks/retry", "retry_postbacks", "Take postbacks of the log again")
                .takes::<PostbackRetry>(json!({ "results": ["conflict"] }))
                .answers::<PostbackRetryAnswer>("What became of them")
                .finds("network")
                .asks("postback-service"),
            post("/sources/{ref}/test", "test_source", "Tell what a source would be told, or send it once")
                .takes::<SourceTest>(json!({ "status": "sale", "send": false }))
                .answers::<SourceTestAnswer>("What it would be told, and what it answered")
                .finds("source or click")
                .refuses(StatusCode::CONFLICT, "cannot_be_told", "it has no `postback_url`")
                .asks("postback-service"),
            get("/sources/{ref}/signing-key", "read_signing_key", "Tell the key that signs what a source is told")
                .answers::<SigningKey>("The key")
                .finds("source")
                .refuses(StatusCode::CONFLICT, "no_signing_key", "what it is told is not signed"),
        ],
    )
}
