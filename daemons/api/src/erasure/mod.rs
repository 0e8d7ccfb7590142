//! Erasing a person from everything the installation keeps (`docs/decisions/0047-erasing-a-person.md`). One at a time, behind
//! the answer: whoever asked looks how far it is.

mod alerts;
mod reach;
mod work;

use crate::{
    access::Keyed,
    apart,
    app::App,
    failure::Failure,
    input::{Body, Query, read},
    reply::json,
};
use axum::{Extension, Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use serde_json::json;
use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tfx_api::erasure::{ErasureOf, ErasureReceipt, ErasureRefused, ErasureRequest, ErasureStatus};
use tfx_domain::{
    id::{ClickId, VisitorId},
    problem::Problems,
};
use tfx_ports::{
    StoreError,
    audit::{AuditEntry, Caller},
    clock,
};
use tracing::Instrument as _;

/// Who is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Visitor(VisitorId),
    Click(ClickId),
    Ip(IpAddr),
    Again,
}

impl Asked {
    fn of(request: &ErasureRequest) -> Result<Self, Problems> {
        let ErasureRequest { visitor, click, ip, again, whole_range, .. } = request;
        let given = [visitor.is_some(), click.is_some(), ip.is_some(), *again];
        if given.into_iter().filter(|given| *given).count() != 1 {
            return Err(Problems::one("", "needs one of visitor, click, ip and again"));
        }
        if *whole_range && ip.is_none() {
            return Err(Problems::one("whole_range", "goes with ip"));
        }
        if let Some(text) = visitor {
            return text.parse().map(Self::Visitor).map_err(|e| Problems::one("visitor", e.to_string()));
        }
        if let Some(text) = click {
            return text.parse().map(Self::Click).map_err(|e| Problems::one("click", e.to_string()));
        }
        if let Some(text) = ip {
            let address = text.parse::<IpAddr>().map(|ip| Self::Ip(ip.to_canonical()));
            return address
                .map_err(|_| Problems::one("ip", "is no address, such as 203.0.113.9 or 2001:db8::1"));
        }
        Ok(Self::Again)
    }

    const fn kind(self) -> ErasureOf {
        match self {
            Self::Visitor(_) => ErasureOf::Visitor,
            Self::Click(_) => ErasureOf::Click,
            Self::Ip(_) => ErasureOf::Ip,
            Self::Again => ErasureOf::Again,
        }
    }

    /// What is hashed: two requests about the same one are the same.
    fn text(self) -> String {
        match self {
            Self::Visitor(visitor) => visitor.to_string(),
            Self::Click(click) => click.to_string(),
            Self::Ip(ip) => ip.to_string(),
            Self::Again => String::new(),
        }
    }
}

/// The erasure that goes on, and the last one.
#[derive(Default)]
pub(crate) struct Erasing {
    status: Mutex<ErasureStatus>,
    keyed: Keyed,
}

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/erasures", get(status).post(erase))
}

async fn status(State(app): State<Arc<App>>, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let status = app.erasing.status().clone();
    Ok(json(StatusCode::OK, &status))
}

async fn erase(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let request: ErasureRequest = read(input)?;
    let asked = Asked::of(&request)?;
    let kind = asked.kind();
    let hash = app.erasing.keyed.digest(&*app.stores.keys, kind.as_str(), &asked.text()).await?;
    let receipt = ErasureReceipt {
        id: caller.request_id.clone(),
        by: caller.name.clone(),
        of: kind,
        hash: hash.chars().take(32).collect(),
        dry_run: request.dry_run,
        asked_at: clock::now(),
        ended_at: None,
        range: None,
        visitors: 0,
        rows: Vec::new(),
        complete: false,
        missing: Vec::new(),
        topics: Vec::new(),
        left: Vec::new(),
        refused: None,
    };
    if !app.erasing.begin(&receipt) {
        let detail =
            "somebody is being erased already; GET /erasures shows it, ask again when that has ended";
        return Err(Failure::new(StatusCode::CONFLICT, "erasure_running", detail));
    }
    // What nobody could read about afterwards is not done.
    if !request.dry_run
        && let Err(e) = told(&app, &caller, &receipt, "erase").await
    {
        app.erasing.end(receipt);
        return Err(e.into());
    }
    let (begun, run) = (receipt.clone(), Arc::clone(&app));
    let work = async move {
        let mut receipt = done(&run, (asked, request.whole_range), receipt).await;
        receipt.ended_at = Some(clock::now());
        if !receipt.dry_run {
            if let Err(e) = told(&run, &caller, &receipt, "erased").await {
                receipt.missing.push(format!("the audit log does not have its end: {e}"));
            }
            let (rows, complete) = (receipt.total(), receipt.complete);
            tracing::info!(hash = receipt.hash, rows, complete, "a person was erased");
        }
        run.erasing.end(receipt);
    };
    tokio::spawn(work.in_current_span());
    Ok(json(StatusCode::ACCEPTED, &begun))
}

/// Erases, and says what it came to; also where it breaks off.
async fn done(app: &Arc<App>, (asked, whole_range): (Asked, bool), begun: ErasureReceipt) -> ErasureReceipt {
    let (run, mut receipt) = (Arc::clone(app), begun.clone());
    let work = async move {
        match work::run(&run, asked, whole_range, &mut receipt).await {
            Ok(()) => receipt.complete = receipt.missing.is_empty() && receipt.refused.is_none(),
            Err(e) => receipt.refused = Some(refused(&e)),
        }
        receipt
    };
    match apart::run(work).await {
        Ok(receipt) => receipt,
        Err(why) => {
            let detail = format!("erasing {why}; what was erased so far stays so, ask again");
            let refused = Some(ErasureRefused { code: "broke_off".to_owned(), detail });
            ErasureReceipt { refused, ..begun }
        }
    }
}

/// A line of the audit log that names nobody.
async fn told(app: &App, caller: &Caller, receipt: &ErasureReceipt, action: &str) -> Result<(), StoreError> {
    let changes = match receipt.ended_at {
        None => json!({ "of": [null, receipt.of.as_str()] }),
        Some(_) => json!({
            "of": [null, receipt.of.as_str()], "rows": [null, receipt.total()], "complete": [null, receipt.complete],
        }),
    };
    let entry = AuditEntry {
        at: clock::now(),
        caller: caller.clone(),
        action: action.to_owned(),
        kind: "person".to_owned(),
        id: receipt.hash.clone(),
        version: 0,
        changes,
    };
    app.stores.config.append(entry).await
}

fn refused(e: &StoreError) -> ErasureRefused {
    let (code, detail) = match e {
        StoreError::NotFound => (
            "not_found",
            "no such click is known: it was never stored, or has left by age and brought nothing".to_owned(),
        ),
        StoreError::TooMuch { what } => ("too_much", what.clone()),
        e => ("unavailable", format!("{e}; what was erased so far stays so, ask again when that is mended")),
    };
    ErasureRefused { code: code.to_owned(), detail }
}

impl Erasing {
    fn status(&self) -> MutexGuard<'_, ErasureStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False if there is one already.
    fn begin(&self, receipt: &ErasureReceipt) -> bool {
        let mut status = self.status();
        let free = status.running.is_none();
        if free {
            status.running = Some(receipt.clone());
        }
        free
    }

    fn end(&self, receipt: ErasureReceipt) {
        let mut status = self.status();
        status.running = None;
        status.last = Some(receipt);
    }
}
