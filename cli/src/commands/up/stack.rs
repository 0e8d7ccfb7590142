//! The three services in this process.

use crate::exit::{Failure, Kind};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tfx_api::Client;
use tfx_domain::problem::Problems;
use tfx_service::shutdown::{Shutdown, Trigger};
use tfx_settings::{Addresses, Secret, Settings, SettingsSource};
use tfx_wiring::{DataDir, FolderLock, Stores};
use tokio::{net::TcpListener, task::JoinSet, time};

/// All services, running.
pub(crate) struct Stack {
    pub(crate) data_dir: Arc<DataDir>,
    pub(crate) api_url: String,
    pub(crate) traffic_url: String,
    pub(crate) postback_url: String,
    pub(crate) ready_ms: u128,
    /// Made just now; shown once.
    pub(crate) new_token: Option<Secret>,
    token: Secret,
    trigger: Trigger,
    services: JoinSet<(&'static str, Result<(), String>)>,
    api_url_set: bool,
}

impl Stack {
    /// Starts all services and waits until each is ready.
    ///
    /// # Errors
    /// The data folder is in use or unusable, a port is busy, a service does not come up.
    pub(crate) async fn start(source: &SettingsSource, mut settings: Settings) -> Result<Self, Failure> {
        let begun = Instant::now();
        let data_dir = DataDir::open(&settings.data_dir, FolderLock::Exclusive).map_err(Failure::failed)?;
        let data_dir = Arc::new(data_dir);
        let stores = tfx_wiring::open(&settings, &data_dir).await.map_err(Failure::failed)?;
        usable(&stores).await?;
        let [api, traffic, postback] = bind(&settings.addresses).await?;
        // Last, since it is shown the first time only: a start that fails has shown nothing.
        let (token, made) = data_dir.admin_token().map_err(Failure::failed)?;
        // Where a service is found follows from where it listens, unless the user says otherwise.
        let found = |name: &str, listener: &TcpListener, url: &mut String| -> Result<bool, Failure> {
            let set = source.get(name).is_some_and(|v| !v.is_empty());
            if !set {
                *url = format!("http://{}", listener.local_addr().map_err(Failure::failed)?);
            }
            Ok(set)
        };
        let addresses = &mut settings.addresses;
        let api_url_set = found("API_SERVICE_URL", &api, &mut addresses.api_url)?;
        found("TRAFFIC_SERVICE_URL", &traffic, &mut addresses.traffic_url)?;
        found("POSTBACK_SERVICE_URL", &postback, &mut addresses.postback_url)?;
        let mut local = Vec::new();
        for listener in [&api, &traffic, &postback] {
            local.push(format!("http://{}", listener.local_addr().map_err(Failure::failed)?));
        }
        let settings = Arc::new(settings);
        let (trigger, shutdown) = Shutdown::new();
        let mut services = JoinSet::new();
        macro_rules! spawn {
            ($name:literal, $krate:ident, $listener:ident) => {
                let run = $krate::run(
                    settings.clone(),
                    data_dir.clone(),
                    stores.clone(),
                    $listener,
                    shutdown.clone(),
                );
                let run = tfx_service::logs::within($name, run);
                services.spawn(async move { ($name, run.await.map_err(|e| format!("{e:#}"))) });
            };
        }
        spawn!("traffic-service", tfx_traffic, traffic);
        spawn!("postback-service", tfx_postback, postback);
        spawn!("api-service", tfx_api_service, api);
        let mut stack = Self {
            data_dir,
            api_url: settings.addresses.api_url.clone(),
            traffic_url: settings.addresses.traffic_url.clone(),
            postback_url: settings.addresses.postback_url.clone(),
            ready_ms: 0,
            new_token: made.then(|| token.clone()),
            token,
            trigger,
            services,
            api_url_set,
        };
        stack.wait_ready(&local).await?;
        stack.ready_ms = begun.elapsed().as_millis();
        Ok(stack)
    }

    /// A client of this stack.
    ///
    /// # Errors
    /// The address it was given is not a URL.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Ok(Client::new(&self.api_url, Some(self.token.expose()))?)
    }

    /// What other commands need to be told to find this stack, if it is not at the default address.
    pub(crate) fn custom_api_url(&self) -> Option<&str> {
        (!self.api_url_set && self.api_url != "http://127.0.0.1:8080").then_some(&self.api_url)
    }

    /// Runs until `stop`, then drains. A service that ends by itself ends all.
    ///
    /// # Errors
    /// What a service ended with.
    pub(crate) async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<(), Failure> {
        tokio::select! {
            () = stop => {}
            Some(ended) = self.services.join_next() => {
                let (name, why) = flat(ended);
                self.trigger.fire();
                while self.services.join_next().await.is_some() {}
                let why = why.err().unwrap_or_else(|| "it ended by itself".to_owned());
                return Err(Failure::failed(format!("{name}: {why}")));
            }
        }
        self.stop().await
    }

    /// Drains and stops.
    ///
    /// # Errors
    /// What a service ended with.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        self.trigger.fire();
        let mut first = Ok(());
        while let Some(ended) = self.services.join_next().await {
            let (name, result) = flat(ended);
            if let (Err(why), Ok(())) = (result, &first) {
                first = Err(Failure::failed(format!("{name} did not stop cleanly: {why}")));
            }
        }
        first
    }

    /// `/readyz` of a service answers 200 as soon as it can do its job.
    async fn wait_ready(&mut self, local: &[String]) -> Result<(), Failure> {
        let limit = Instant::now() + Duration::from_secs(30);
        let http = tfx_ops::probe::Probe::new().map_err(Failure::failed)?;
        for url in local {
            let mut pause = Duration::from_millis(5);
            while let Err(why) = http.ready(url).await {
                if let Some(ended) = self.services.try_join_next() {
                    let (name, result) = flat(ended);
                    let why = result.err().unwrap_or_else(|| "it ended by itself".to_owned());
                    return Err(Failure::failed(format!("{name} did not start: {why}")));
                }
                if Instant::now() > limit {
                    return Err(Failure::new(
                        Kind::TimedOut,
                        format!("{url} is not ready after 30 s: {why}"),
                    ));
                }
                time::sleep(pause).await;
                // A service that takes long is not asked, and does not log, a thousand times.
                pause = pause.mul_f64(1.3).min(Duration::from_secs(1));
            }
        }
        Ok(())
    }
}

/// What waiting does not mend is said at once: refused credentials, a schema that is not there. Engines that do not answer
/// yet are waited for.
async fn usable(stores: &Stores) -> Result<(), Failure> {
    let Stores { config, conversions, analytics, .. } = stores;
    let (config, conversions, analytics) = tokio::join!(config.ping(), conversions.ping(), analytics.ping());
    match [config, conversions, analytics]
        .into_iter()
        .find_map(|seen| seen.err().filter(|e| !e.is_retryable()))
    {
        Some(e) => Err(Failure::failed(e)),
        None => Ok(()),
    }
}

type Ended = Result<(&'static str, Result<(), String>), tokio::task::JoinError>;

fn flat(ended: Ended) -> (&'static str, Result<(), String>) {
    ended.unwrap_or_else(|e| ("a service", Err(e.to_string())))
}

/// Listens for all three, or tells of every address that cannot be listened on.
async fn bind(addresses: &Addresses) -> Result<[TcpListener; 3], Failure> {
    let bind = |setting: &'static str, addr: &str| {
        let addr = addr.to_owned();
        async move { tfx_service::bind(setting, &addr).await.map_err(|e| (setting, e)) }
    };
    let all = tokio::join!(
        bind("API_SERVICE_ADDR", &addresses.api),
        bind("TRAFFIC_SERVICE_ADDR", &addresses.traffic),
        bind("POSTBACK_SERVICE_ADDR", &addresses.postback),
    );
    let failed: Vec<_> = match all {
        (Ok(api), Ok(traffic), Ok(postback)) => return Ok([api, traffic, postback]),
        (api, traffic, postback) => {
            [api.err(), traffic.err(), postback.err()].into_iter().flatten().collect()
        }
    };
    let free: Vec<String> = failed.iter().map(|(setting, _)| format!("{setting}=127.0.0.1:0")).collect();
    let hint = match failed.len() {
        1 => format!("{} tfx up takes a free port", free.join(" ")),
        _ => format!("{} tfx up takes free ports", free.join(" ")),
    };
    if let [(_, only)] = &failed[..] {
        return Err(Failure::failed(only).hint(hint));
    }
    let mut problems = Problems::default();
    failed.iter().for_each(|(setting, e)| problems.add(*setting, e.to_string()));
    Err(Failure::failed("some addresses cannot be listened on").with(problems).hint(hint))
}
