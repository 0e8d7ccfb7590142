//! What a smoke check runs against: started for it, or found running.

use super::super::{stack::failed, up::Stack};
use crate::{context::Context, exit::Failure};
use std::{env, path::Path};
use tempfile::TempDir;
use tfx_api::Client;
use tfx_domain::event::Topic;
use tfx_ops::{
    migrate,
    smoke::{EventLog, Target},
    stack::{self, Engine},
};
use tfx_settings::{Settings, SettingsSource};

/// The brokers of the containers, with the ports by which they are reached from outside.
const BROKERS: [(&str, u16); 3] = [("redpanda-0", 19092), ("redpanda-1", 29092), ("redpanda-2", 39092)];

/// What was started for the check.
#[derive(Default)]
pub(super) struct Stand {
    services: Option<Stack>,
    engines: Option<stack::Stack>,
    folder: Option<TempDir>,
}

impl Stand {
    /// All services on a new embedded store.
    pub(super) async fn embedded() -> Result<(Self, Target), Failure> {
        let mut stand = Self::default();
        let folder = temporary()?;
        let target = tokio::select! {
            started = stand.start(services_in(folder.path())) => started?,
            _ = tokio::signal::ctrl_c() => return Err(Failure::interrupted()),
        };
        stand.folder = Some(folder);
        Ok((stand, target))
    }

    /// All services on new engines.
    pub(super) async fn local(context: &Context) -> Result<(Self, Target), Failure> {
        let folder = temporary()?;
        let engines = stack::Stack::find(Engine::Local, &env::current_dir().map_err(Failure::failed)?);
        let engines = engines.map_err(failed)?.in_folder(&folder.path().join("engines"));
        let mut stand = Self { services: None, engines: Some(engines), folder: Some(folder) };
        let started = tokio::select! {
            started = stand.start_on_engines(context) => started,
            _ = tokio::signal::ctrl_c() => Err(Failure::interrupted()),
        };
        match started {
            Ok(target) => Ok((stand, target)),
            Err(failure) => {
                // The first failure is the one to tell.
                let _ = stand.end(context, false).await;
                Err(failure)
            }
        }
    }

    async fn start_on_engines(&mut self, context: &Context) -> Result<Target, Failure> {
        let Self { engines: Some(engines), folder: Some(folder), .. } = &*self else {
            return Err(Failure::failed("there are no engines"));
        };
        engines.up().await.map_err(failed)?;
        let mut source = services_in(&folder.path().join("services"));
        for (name, value) in engines.settings().await.map_err(failed)? {
            source.set(&name, value);
        }
        // One broker.
        source.set("EVENT_TOPIC_REPLICATION", "1");
        let settings = Settings::read(&source).map_err(Failure::failed)?;
        let migrations = tfx_wiring::migrations(&settings).await.map_err(Failure::failed)?;
        let out = context.out;
        let applied = migrate::up(&migrations, &[], move |target, step| {
            out.note(format!("applied {target} {}", step.id));
        });
        applied.await.map_err(Failure::failed)?;
        self.start(source).await
    }

    /// The containers, with the ports that the file publishes on this machine.
    pub(super) async fn compose(context: &Context) -> Result<(Self, Target), Failure> {
        let engines = stack::Stack::find(Engine::Compose, &env::current_dir().map_err(Failure::failed)?);
        // In a project of its own: what is purged in the end is what this check made.
        let engines = engines.map_err(failed)?.as_project("tfx-smoke");
        let stand = Self { engines: Some(engines), ..Self::default() };
        let started = tokio::select! {
            started = stand.composed(context) => started,
            _ = tokio::signal::ctrl_c() => Err(Failure::interrupted()),
        };
        match started {
            Ok(target) => Ok((stand, target)),
            Err(failure) => {
                let _ = stand.end(context, false).await;
                Err(failure)
            }
        }
    }

    async fn composed(&self, context: &Context) -> Result<Target, Failure> {
        let Some(engines) = &self.engines else { return Err(Failure::failed("there are no containers")) };
        engines.up().await.map_err(failed)?;
        let token = engines.exec("api-service", &["cat", "/data/admin.token"]).await.map_err(failed)?;
        let at = async |service, port| {
            let address = engines.published(service, port).await.map_err(failed)?;
            Ok::<_, Failure>(format!("http://{address}"))
        };
        let mut brokers = Vec::new();
        for (service, port) in BROKERS {
            brokers.push(engines.published(service, port).await.map_err(failed)?);
        }
        // The names of the topics and the brokers' options are those that the containers were given.
        let mut source = context.source.clone();
        source.set("EVENT_BROKERS", brokers.join(","));
        source.set("CLICKHOUSE_HTTP_URL", at("clickhouse", 8123).await?);
        let settings = Settings::read(&source).map_err(Failure::failed)?;
        Ok(Target {
            api: Client::new(&at("api-service", 8080).await?, Some(&token))?,
            traffic_url: at("traffic-service", 8081).await?,
            postback_url: at("postback-service", 8082).await?,
            log: event_log(&settings)?,
        })
    }

    /// What runs already.
    pub(super) fn attach(context: &Context) -> Result<(Self, Target), Failure> {
        let settings = context.settings()?;
        let target = Target {
            api: context.client()?,
            traffic_url: settings.addresses.traffic_url.clone(),
            postback_url: settings.addresses.postback_url.clone(),
            log: event_log(&settings)?,
        };
        Ok((Self::default(), target))
    }

    async fn start(&mut self, source: SettingsSource) -> Result<Target, Failure> {
        let settings = Settings::read(&source).map_err(Failure::failed)?;
        let log = event_log(&settings)?;
        let services = Stack::start(&source, settings).await?;
        let target = Target {
            api: services.client()?,
            traffic_url: services.traffic_url.clone(),
            postback_url: services.postback_url.clone(),
            log,
        };
        self.services = Some(services);
        Ok(target)
    }

    /// Stops what was started; with `keep` the engines and folders stay.
    pub(super) async fn end(self, context: &Context, keep: bool) -> Result<(), Failure> {
        let services = match self.services {
            Some(services) => services.stop().await,
            None => Ok(()),
        };
        if keep {
            if let Some(folder) = self.folder {
                context.out.note(format!("kept: {}", folder.keep().display()));
            }
            return services;
        }
        if let Some(engines) = self.engines {
            engines.down(true).await.map_err(failed)?;
        }
        services
    }
}

fn temporary() -> Result<TempDir, Failure> {
    tempfile::Builder::new().prefix("tfx-smoke-").tempdir().map_err(Failure::failed)
}

/// Services on free ports, with their data in this folder.
fn services_in(folder: &Path) -> SettingsSource {
    let mut source = SettingsSource::of([("TFX_DATA_DIR", folder.display().to_string())]);
    for name in ["API_SERVICE_ADDR", "TRAFFIC_SERVICE_ADDR", "POSTBACK_SERVICE_ADDR"] {
        source.set(name, "127.0.0.1:0");
    }
    source
}

/// The event log of these settings, to put a broken message into.
fn event_log(settings: &Settings) -> Result<Option<EventLog>, Failure> {
    let Some((log, _)) = &settings.engines.events else { return Ok(None) };
    let topic = log.topic(Topic::ClickEvents).to_owned();
    let port = tfx_wiring::event_log(settings).map_err(Failure::failed)?;
    Ok(port.map(|port| EventLog { port, topic }))
}
