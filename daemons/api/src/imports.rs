//! `POST /conversions/import`: rows of a file, which postback-service takes as what their network reports. Who may is said
//! here, and so is who did: once for a file, however many requests it comes in.

use crate::{
    app::App,
    entities::refs,
    failure::Failure,
    input::{Body, Query, read},
    links::template_record,
    reply::json,
};
use axum::{Extension, Router, extract::State, response::Response, routing::post};
use http::{Method, StatusCode};
use serde_json::json;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tfx_api::imports::{ImportAnswer, ImportRequest, MOST_ROWS};
use tfx_domain::{entity::Kind, problem::Problems};
use tfx_ports::{
    audit::{AuditEntry, Caller},
    clock,
};
use tfx_service::ProblemResponse;

/// A file that goes on after so long is audited once more.
const ONE_IMPORT: Duration = Duration::from_secs(3_600);
/// Imports that are remembered.
const REMEMBERED: usize = 1_000;
const LONGEST_NAME: usize = 200;

/// Whose imports of what are in the audit log, and until when nobody needs to read of them again.
#[derive(Debug, Default)]
pub(crate) struct Audited(Mutex<HashMap<String, Instant>>);

impl Audited {
    /// Whether it is not in the log yet, or was long ago.
    fn is_new(&self, import: &str) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(import).is_none_or(|last| last.elapsed() > ONE_IMPORT)
    }

    fn note(&self, import: String) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(import, Instant::now());
    }
}

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/conversions/import", post(import))
}

async fn import(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let mut asked: ImportRequest = read(input)?;
    check(&app, &mut asked).await?;
    if !asked.dry_run {
        audit(&app, caller, &asked).await?;
    }
    let body = serde_json::to_value(&asked).map_err(|e| ProblemResponse::internal(e.to_string()))?;
    let peer = &app.peers.postback;
    let answer = peer.call(Method::POST, "/internal/conversions/import", Some(&body)).await?;
    let answer: ImportAnswer = serde_json::from_value(answer).map_err(|e| peer.unreadable(&e))?;
    Ok(json(StatusCode::OK, &answer))
}

/// What is named is there. Networks that single rows name are told row by row.
async fn check(app: &App, asked: &mut ImportRequest) -> Result<(), Failure> {
    let config = app.stores.config.as_ref();
    let mut problems = Problems::default();
    let rows = asked.rows.len();
    problems.require((1..=MOST_ROWS).contains(&rows), "rows", &format!("must be 1 to {MOST_ROWS}"));
    let short = asked.file.chars().count() <= LONGEST_NAME;
    problems.require(short, "file", &format!("must be at most {LONGEST_NAME} characters"));
    problems.require(!asked.ours || asked.template.is_none(), "template", "reads nothing with ours: true");
    if let Some(text) = &asked.network {
        match (refs::find(config, Kind::Network, text).await?, &asked.template) {
            (None, _) => problems.add("network", refs::unknown(config, Kind::Network, text).await),
            (Some(network), Some(template)) => match template_record(app, &network.id, template).await? {
                Some(found) => asked.template = Some(found.slug),
                None => problems
                    .add("template", format!("the network {} has no template '{template}'", network.slug)),
            },
            (Some(_), None) => {}
        }
    } else {
        let named = asked.rows.iter().all(|row| row.network.is_some());
        problems.require(named, "network", "is needed where a row names none");
    }
    Ok(problems.into_result(())?)
}

async fn audit(app: &App, caller: Caller, asked: &ImportRequest) -> Result<(), Failure> {
    let network = asked.network.as_deref().unwrap_or_default();
    let import = format!("{}\0{network}\0{}", caller.name, asked.file);
    if !app.imports.is_new(&import) {
        return Ok(());
    }
    let entry = AuditEntry {
        at: clock::now(),
        caller,
        action: "import".to_owned(),
        kind: "conversions".to_owned(),
        id: String::new(),
        version: 0,
        changes: json!({
            "file": [null, asked.file], "network": [null, asked.network], "tell_sources": [null, asked.tell_sources],
        }),
    };
    // What nobody could read about afterwards is not done.
    app.stores.config.append(entry).await?;
    app.imports.note(import);
    Ok(())
}
