//! Each service: whether it answers, in which version, by which clock, and what it depends on.

use super::{Finding, State};
use crate::{
    exit::Failure,
    services::{self, Service},
};
use jiff::SignedDuration;
use std::{io, net::TcpListener};
use tfx_ops::probe::{Dependency, Report, WITHIN};
use tfx_settings::Settings;

/// A clock that is off by more is told. Seconds.
const OFF: i64 = 2;
/// And is wrong if it is off by more than this. Seconds.
const FAR_OFF: i64 = 60;

/// Each service and what it depends on; and whether api-service answers.
pub(super) async fn look(settings: &Settings) -> Result<(Vec<Finding>, bool), Failure> {
    let asked = services::ask(settings, WITHIN).await?;
    let answers = asked.iter().any(|service| service.name == "api-service" && service.told.is_ok());
    Ok((asked.iter().flat_map(of_service).collect(), answers))
}

fn of_service(service: &Service) -> Vec<Finding> {
    let Service { name, url, listens, told, ahead, .. } = service;
    let report = match told {
        Ok(report) => report,
        Err(why) => {
            let silent = Finding::new(State::Wrong, *name, why)
                .told("it does not answer")
                .next(unanswered(name, url, listens));
            return std::iter::once(silent).chain(port(name, listens)).collect();
        }
    };
    let mut found = Vec::new();
    if report.dependencies.is_empty() {
        let told = "it tells strangers nothing of what it depends on";
        let what = format!("{url}/readyz tells strangers nothing of what it depends on");
        let next = "ask from a machine of INTERNAL_CIDRS, or past the proxy";
        found.push(Finding::new(State::Warning, *name, what).told(told).next(next));
    }
    found.extend(version(name, report));
    found.extend(ahead.map(|ahead| clock(name, ahead)));
    found.extend(report.dependencies.iter().map(|d| of_dependency(name, d)));
    found
}

/// All programs are of one version.
fn version(service: &str, report: &Report) -> Option<Finding> {
    let (of, ours) = (format!("{service} version"), env!("CARGO_PKG_VERSION"));
    Some(match report.version.as_deref()? {
        same if same == ours => Finding::new(State::Ok, of, same).plain(),
        other => Finding::new(State::Warning, of, format!("{other}, and this tfx is of {ours}"))
            .told(format!("another one than that of this tfx, {ours}"))
            .next("install the same version of all programs, then start the services again"),
    })
}

/// Times of events, of sessions and of caps come from the clocks of the services.
fn clock(service: &str, ahead: SignedDuration) -> Finding {
    let (of, seconds) = (format!("{service} clock"), ahead.as_secs());
    let state = match seconds.abs() {
        s if s > FAR_OFF => State::Wrong,
        s if s > OFF => State::Warning,
        _ => return Finding::new(State::Ok, of, "agrees with that of this machine").plain(),
    };
    let way = if seconds > 0 { "ahead of" } else { "behind" };
    let what = format!("{} s {way} that of this machine", seconds.abs());
    Finding::new(state, of, what)
        .plain()
        .next("let both follow the same time server (timedatectl, chronyc tracking)")
}

/// Why a service that does not answer may not be able to listen.
fn port(service: &str, listens: &str) -> Option<Finding> {
    let of = format!("{service} port");
    let (name, what) = (variable(service), |e: &io::Error| format!("{listens} cannot be listened at: {e}"));
    match TcpListener::bind(listens) {
        Ok(_) => Some(Finding::new(State::Ok, of, format!("{listens} is free")).told("it is free")),
        Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
            Some(Finding::new(State::Wrong, of, what(&e)).told("something has it").next(format!(
                "what listens there and does not answer may be {service} itself: look at it (ss -ltnp, its log) and start it \
                 again; if it is another program, end that one, or set {name}_ADDR and {name}_URL"
            )))
        }
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Some(
            Finding::new(State::Wrong, of, what(&e))
                .next(format!("take a port above 1023 ({name}_ADDR), or let the program have lower ones")),
        ),
        // An address of another machine: it runs there.
        Err(_) => None,
    }
}

/// What to do about a service that does not answer at `url`. One that was told to listen elsewhere is not looked for
/// there by itself.
fn unanswered(service: &str, url: &str, listens: &str) -> String {
    let name = variable(service);
    let port = |address: &str| address.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    match port(listens).filter(|p| *p != 0 && Some(*p) != port(url)) {
        Some(_) => format!(
            "start it (tfx up, or {service}); {name}_ADDR lets it listen at {listens}: {name}_URL must say so too"
        ),
        None => format!("start it (tfx up, or {service}); {name}_URL says where it is"),
    }
}

/// `TRAFFIC_SERVICE`.
fn variable(service: &str) -> String {
    service.to_ascii_uppercase().replace('-', "_")
}

fn of_dependency(service: &str, dependency: &Dependency) -> Finding {
    let state = match dependency.state.as_str() {
        "ok" => State::Ok,
        "failed" if dependency.required => State::Wrong,
        _ => State::Warning,
    };
    let what = dependency.detail.as_deref().unwrap_or(&dependency.state);
    let told = if dependency.required { "required" } else { "not required" };
    Finding::new(state, format!("{service} {}", dependency.name), what).told(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_listens_elsewhere_is_to_be_looked_for_there() {
        let elsewhere = unanswered("traffic-service", "http://127.0.0.1:8081", "0.0.0.0:9000");
        assert!(elsewhere.contains("TRAFFIC_SERVICE_ADDR lets it listen at 0.0.0.0:9000"), "{elsewhere}");
        for listens in ["127.0.0.1:8081", "127.0.0.1:0"] {
            let there = unanswered("traffic-service", "http://127.0.0.1:8081", listens);
            assert!(there.contains("TRAFFIC_SERVICE_URL says"), "{there}");
        }
    }

    #[test]
    fn what_a_service_cannot_do_without_is_wrong_and_the_rest_is_told() {
        for (state, required, want) in [
            ("ok", true, State::Ok),
            ("ok", false, State::Ok),
            ("degraded", true, State::Warning),
            ("failed", false, State::Warning),
            ("failed", true, State::Wrong),
        ] {
            let dependency = Dependency {
                name: "analytics".into(),
                required,
                state: state.into(),
                latency_ms: 0.0,
                age_ms: None,
                detail: None,
            };
            let found = of_dependency("traffic-service", &dependency);
            assert_eq!(
                (found.state, found.of.as_str()),
                (want, "traffic-service analytics"),
                "{state} {required}"
            );
        }
    }

    #[test]
    fn a_clock_is_wrong_from_a_minute_on() {
        for (seconds, state) in [(0, State::Ok), (-2, State::Ok), (3, State::Warning), (-61, State::Wrong)] {
            let found = clock("api-service", SignedDuration::from_secs(seconds));
            assert_eq!((found.state, found.next.is_empty()), (state, state == State::Ok), "{found:?}");
        }
        assert!(clock("x", SignedDuration::from_secs(-9)).what.contains("9 s behind"));
    }

    #[test]
    fn another_version_and_a_taken_port_are_told() {
        let of = |version: Option<&str>| version.map(str::to_owned);
        let report = |version| Report { version: of(version), ..Report::default() };
        let told = |version| version_state(&report(version));
        assert_eq!(told(None), None);
        assert_eq!(told(Some(env!("CARGO_PKG_VERSION"))), Some(State::Ok));
        assert_eq!(told(Some("0.0.1")), Some(State::Warning));
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = taken.local_addr().expect("its address").to_string();
        let found = port("api-service", &address).expect("told");
        assert!(found.state == State::Wrong && found.next.contains("API_SERVICE_ADDR"), "{found:?}");
        assert!(found.next.contains("may be api-service itself"), "{found:?}");
        drop(taken);
        assert_eq!(port("api-service", &address).map(|f| f.state), Some(State::Ok));
        assert!(port("api-service", "192.0.2.1:80").is_none());
    }

    fn version_state(report: &Report) -> Option<State> {
        version("api-service", report).map(|f| f.state)
    }
}
