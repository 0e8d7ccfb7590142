//! `--bundle`: what helps others to find out what is wrong, in one file that can be sent to them. It is made field by field
//! of what [`let_in`] names; what is not named stays out. Before it is written, every secret that this installation knows is
//! looked for in it all the same.

mod archive;
mod let_in;

use super::{Finding, api::Api, secrets};
use crate::{
    commands::{
        backup::Where,
        logs::{self, SERVICES},
    },
    context::Context,
    exit::Failure,
    input,
    pipeline::{self, Producer},
    services,
};
pub(super) use archive::Place;

use archive::Entry;
use clap::Args;
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::{fs, path::PathBuf, time::Duration};
use tfx_api::reconciliation::ReconciliationQuery;
use tfx_domain::event;
use tfx_ops::{
    clock, migrate,
    probe::{self, Probe},
};
use tfx_settings::{Settings, vars};
use tokio::time::timeout;

/// So long the engines are waited for.
const WITHIN: Duration = Duration::from_secs(15);

/// Where to, and how much of the logs.
#[derive(Debug, Args)]
pub(super) struct Bundle {
    /// Put it all into this tar.gz, to be sent to who helps: no secret and nothing of a visitor is in it. FILE may be
    /// s3://BUCKET/NAME.
    #[arg(long, value_name = "FILE")]
    bundle: Option<Where>,
    /// Replace FILE if it is there.
    #[arg(long, requires = "bundle")]
    force: bool,
    /// So many of the newest log lines of each service.
    #[arg(long, value_name = "N", default_value = "500", value_parser = input::within::<usize>(0, 100_000), requires = "bundle")]
    log_lines: usize,
    /// Read the services' log from this file; may be said more than once [default: journal or compose, if there is one].
    #[arg(long, value_name = "PATH", requires = "bundle")]
    log_file: Vec<PathBuf>,
}

/// What is put together.
#[derive(Default)]
struct Parts {
    entries: Vec<Entry>,
    /// What could not be had, each in a sentence of ours.
    missing: Vec<String>,
}

impl Parts {
    fn json(&mut self, name: &str, value: &Value) {
        self.text(name, &format!("{value:#}\n"));
    }

    fn text(&mut self, name: &str, text: &str) {
        self.entries.push(Entry { name: name.to_owned(), bytes: text.as_bytes().to_vec() });
    }

    fn missing(&mut self, what: impl Into<String>) {
        self.missing.push(what.into());
    }
}

impl Bundle {
    /// Where it is written, if it was asked for: that it can be is seen before anything is looked at.
    ///
    /// # Errors
    /// It is there already; its folder or bucket is not.
    pub(super) fn place(&self, context: &Context) -> Result<Option<Place>, Failure> {
        let Some(at) = &self.bundle else { return Ok(None) };
        let place = Place::of(context, at, self.force)?;
        place.free()?;
        Ok(Some(place))
    }

    /// Writes it.
    ///
    /// # Errors
    /// It would hold a secret; it cannot be written; a log file that was named cannot be read.
    pub(super) async fn write(
        &self,
        context: &Context,
        place: &Place,
        api: &Api<'_>,
        found: &[Finding],
    ) -> Result<(), Failure> {
        let mut parts = Parts::default();
        parts.json("findings.json", &found.iter().map(bundled).collect());
        parts.json("settings.json", &of_settings(context));
        let settings = context.settings().ok();
        match &settings {
            Some(settings) => {
                of_services(&mut parts, settings).await?;
                of_engines(&mut parts, settings).await;
            }
            None => parts.missing("services and engines were not asked: some settings are not valid"),
        }
        of_events(&mut parts, api).await;
        self.of_logs(&mut parts).await?;
        let about = json!({
            "tfx": env!("CARGO_PKG_VERSION"), "made_at": clock::now(), "event_schema": event::SCHEMA,
            "system": std::env::consts::OS, "processor": std::env::consts::ARCH, "missing": parts.missing,
        });
        parts.json("about.json", &about);
        parts.text("README.txt", README);
        if let Some(name) =
            archive::betrays(&parts.entries, &known_secrets(context, api, settings.as_ref()).await)
        {
            return Err(Failure::failed(format!(
                "the bundle is not written: a secret of this installation would stand in {name}"
            ))
            .hint("this is a fault of tfx: please report it, with the name of that file alone"));
        }
        place.write(&parts.entries)?;
        let out = context.out;
        out.note(format!(
            "{place} holds {} files; look through them before you send it",
            parts.entries.len()
        ));
        parts.missing.iter().for_each(|what| out.note(format!("  not in it: {what}")));
        Ok(())
    }

    async fn of_logs(&self, parts: &mut Parts) -> Result<(), Failure> {
        if self.log_lines == 0 {
            return Ok(());
        }
        let lines = match logs::all(&self.log_file).await {
            Ok(lines) => lines,
            Err(failure) if !self.log_file.is_empty() => return Err(failure),
            Err(_) => {
                parts.missing("logs: neither systemd nor Docker Compose tells what the services logged; --log-file PATH reads a file");
                return Ok(());
            }
        };
        let mut requests = let_in::Requests::default();
        for service in SERVICES {
            let of = lines.iter().filter(|line| line.service() == Some(service));
            let mut kept: Vec<Value> = of.filter_map(|line| let_in::log_line(line, &mut requests)).collect();
            kept.drain(..kept.len().saturating_sub(self.log_lines));
            let text: String = kept.iter().map(|line| format!("{line}\n")).collect();
            parts.text(&format!("logs/{service}.jsonl"), &text);
        }
        let foreign = lines.iter().filter(|line| line.fields().is_none()).count();
        if foreign > 0 {
            parts.missing(format!("log lines that are no lines of a service: {foreign}"));
        }
        Ok(())
    }
}

const README: &str = "\
Made by tfx doctor --bundle, to be sent to who helps. Only what is named here is in it.

about.json      versions, when it was made, what could not be had
findings.json   what tfx doctor found: of what kind, how bad; no names, no texts of engines or strangers
settings.json   every setting: figures and words as they are, of any other only that it is set; secrets never
services.json   how each service is, and what it depends on
metrics/        the metrics of each service
producers.json  counters of the event producers; recorded.json: events accepted and stored by hour; ingestion.json: what waits for the reports
schema.json     versions of the engines, and the steps of tfx migrate
logs/           the newest lines of each service: time, level, message, route, status, latency; no path, no query, no
                address, no user agent, no text of an error. left_out names the fields that stayed behind; requests are
                numbered anew
";

/// A finding, as far as it may be told.
fn bundled(finding: &Finding) -> Value {
    json!({ "state": finding.state.word(), "of": let_in::subject(&finding.of), "found": finding.told })
}

/// Every setting, as far as it may be told.
fn of_settings(context: &Context) -> Value {
    let one = |var: &vars::Var| {
        let value = context.source.get(var.name).filter(|v| !v.trim().is_empty()).unwrap_or(var.default);
        json!({ "name": var.name, "value": let_in::setting(var, value), "from": context.origin(var.name) })
    };
    vars::GROUPS.iter().flat_map(|(_, vars)| vars.iter()).map(one).collect()
}

/// How the services are, and their metrics.
async fn of_services(parts: &mut Parts, settings: &Settings) -> Result<(), Failure> {
    let asked = services::ask(settings, probe::WITHIN).await?;
    let one = |service: &services::Service| {
        let Ok(report) = &service.told else { return json!({ "name": service.name, "state": "silent" }) };
        let of = report.dependencies.iter().map(|d| {
            json!({ "name": let_in::word(&d.name), "required": d.required, "state": let_in::word(&d.state),
                "latency_ms": d.latency_ms, "age_ms": d.age_ms })
        });
        json!({ "name": service.name, "state": let_in::word(&report.status), "latency_ms": service.took_ms,
            "version": report.version.as_deref().and_then(let_in::version),
            "clock_ahead_s": service.ahead.map(|ahead| ahead.as_secs()), "dependencies": of.collect::<Value>() })
    };
    parts.json("services.json", &asked.iter().map(one).collect());
    let probe = Probe::new().map_err(Failure::failed)?;
    let token = services::internal_token(settings);
    let pages = join_all(asked.iter().map(|s| probe.metrics(&s.url, token.as_deref()))).await;
    for (service, page) in asked.iter().zip(pages) {
        match page {
            Ok(text) => {
                let lines: String =
                    text.lines().filter(|l| let_in::metric(l)).map(|l| format!("{l}\n")).collect();
                parts.text(&format!("metrics/{}.txt", service.name), &lines);
            }
            Err(_) => parts.missing(format!(
                "metrics of {}: it does not answer, or not to this machine with this internal token",
                service.name
            )),
        }
    }
    Ok(())
}

/// The engines' versions, and how the steps of `tfx migrate` stand there.
async fn of_engines(parts: &mut Parts, settings: &Settings) {
    let asked = async {
        let engines = tfx_wiring::migrations(settings).await.ok()?;
        let mut all = Vec::new();
        for engine in &engines {
            let version = engine.engine().await.ok().flatten().and_then(|v| let_in::version(&v));
            let rows =
                migrate::status(&engines, &[engine.target()]).await.map(|(rows, _)| rows).unwrap_or_default();
            let steps =
                rows.iter().map(|row| json!({ "step": row.step, "state": row.state, "due": row.due }));
            all.push(
                json!({ "engine": engine.target(), "version": version, "steps": steps.collect::<Value>() }),
            );
        }
        Some(all)
    };
    match timeout(WITHIN, asked).await.ok().flatten() {
        Some(all) => parts.json("schema.json", &json!({ "events": event::SCHEMA, "engines": all })),
        None => parts.missing("engines: they do not answer"),
    }
}

/// What api-service tells of the way of events.
async fn of_events(parts: &mut Parts, api: &Api<'_>) {
    const SILENT: &str = "counters of the event producers: api-service does not answer, or not to this token";
    let stats = api.ask(async |client| Ok(client.event_stats().await?)).await;
    let Ok(stats) = stats else { return parts.missing(SILENT) };
    let counters = [("traffic-service", &stats.traffic), ("postback-service", &stats.postback)]
        .into_iter()
        .map(|(service, stats)| json!({ "service": service, "counters": Producer::of(stats).ok().map(|p| counters(&p)) }));
    parts.json("producers.json", &counters.collect());
    let query = ReconciliationQuery { ids: Some(0), ..ReconciliationQuery::default() };
    if let Ok(found) = api.ask(async |client| Ok(client.reconciliation(&query).await?)).await {
        let kinds =
            found.kinds.iter().map(|k| json!({ "kind": k.kind, "hours": k.hours })).collect::<Value>();
        parts.json("recorded.json", &json!({ "counted_until": found.counted_until, "kinds": kinds }));
    }
    let now = clock::now();
    let day_ago = now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(now);
    let lag = api.ask(async |client| Ok(pipeline::lag(client).await?)).await;
    let lag = lag.ok().flatten().map(|lag| lag.messages);
    let errors = api.ask(async |client| Ok(pipeline::errors(client, day_ago).await?)).await.ok().flatten();
    parts.json("ingestion.json", &json!({ "messages_waiting": lag, "errors_within_a_day": errors }));
}

/// The figures of a producer; its last error is a text of an engine.
fn counters(p: &Producer) -> Value {
    json!({
        "write_failure_total": p.write_failure_total, "dropped_total": p.dropped_total,
        "unwritten_events": p.unwritten_events, "refused_waiting": p.refused_waiting, "damaged_total": p.damaged_total,
        "bytes_written_total": p.bytes_written_total, "outbox_depth_events": p.outbox_depth_events,
        "outbox_depth_bytes": p.outbox_depth_bytes, "oldest_undelivered_age_ms": p.oldest_undelivered_age_ms,
        "degraded": p.degraded, "last_success_at": p.last_success_at, "last_failure_at": p.last_failure_at,
    })
}

/// Every secret that this program can find out: of the settings, of the files beside them, of the networks. But for those that
/// are guessed soon: words that stand in any text.
async fn known_secrets(context: &Context, api: &Api<'_>, settings: Option<&Settings>) -> Vec<String> {
    let mut all = Vec::new();
    for var in vars::GROUPS.iter().flat_map(|(_, vars)| vars.iter()).filter(|var| var.secret) {
        let value = context.source.get(var.name).unwrap_or_default();
        all.extend(secrets::parts(var.name, value));
        all.push(value.to_owned());
    }
    if let Some(settings) = settings {
        let files = ["admin.token", "internal.token"].map(|name| settings.data_dir.join(name));
        let files = files.into_iter().chain(settings.access.token_file.clone());
        let files = files.chain([settings.data_dir.join("secrets.key")]).chain(settings.sealing.file.clone());
        let texts = files.filter_map(|path| fs::read_to_string(path).ok());
        all.extend(texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()));
    }
    let of_networks = api.ask(secrets::networks).await.unwrap_or_default();
    all.extend(of_networks.into_iter().map(|(_, secret)| secret));
    all.into_iter().map(|s| s.trim().to_owned()).filter(|s| secrets::weak(s).is_none()).collect()
}
