//! How everything is, in lines of 80 columns: what is well close together, what is not in a line of its own.

use super::look::{DependencyStatus, ServiceStatus, Status};
use crate::{
    output::{line, printable},
    room, when,
};
use dialoguer::console::{measure_text_width, truncate_str};

/// As wide as any terminal.
const WIDTH: usize = 80;
/// Where what is said of something begins.
const BEHIND: usize = 18;
/// So many destinations are named.
const NAMED: usize = 5;

/// The lines; on a narrow terminal none is longer than that.
pub(super) fn lines(status: &Status, width: Option<u16>) -> Vec<String> {
    let width = width.map_or(WIDTH, |columns| usize::from(columns).clamp(20, WIDTH));
    let mut lines = vec![head(status, width)];
    for service in &status.services {
        lines.extend(of_service(service, width));
    }
    let said = |name: &str, text: String| wrapped(&format!("{name:BEHIND$}"), &[text], width);
    if let Some(e) = &status.events {
        let mut text = format!("{} events wait in the outbox", e.outbox_events);
        if e.outbox_events > 0 {
            let (size, oldest) = (room::shown(e.outbox_bytes), span(e.oldest_age_ms));
            text.push_str(&format!(" ({size}), the oldest for {oldest}"));
        }
        text.push_str(&format!("; {} refused, {} dropped", e.refused, e.dropped));
        lines.extend(said("events", text));
    }
    if let Some(log) = &status.event_log {
        let more = if log.more_errors { " or more" } else { "" };
        let text = if log.used {
            let known = |figure: Option<u64>| figure.map_or_else(|| "?".to_owned(), |n| n.to_string());
            let (lag, errors) = (known(log.lag), known(log.errors));
            format!("{lag} messages wait; {errors}{more} became no event within the hour")
        } else {
            "none: events go straight into the store".to_owned()
        };
        lines.extend(said("event log", text));
    }
    if let Some(d) = &status.destinations {
        let mut text = format!("{} of {} down", d.down, d.watched);
        if !d.names.is_empty() {
            text.push_str(&format!(": {}", d.names[..d.names.len().min(NAMED)].join(", ")));
        }
        if d.names.len() > NAMED {
            text.push_str(&format!(" and {} more", d.names.len() - NAMED));
        }
        if d.unknown > 0 {
            text.push_str(&format!("; {} never probed", d.unknown));
        }
        lines.extend(said("destinations", text));
    }
    for unknown in &status.unknown {
        lines.extend(said("not known", printable(unknown)));
    }
    // Services tell what they like of themselves: it stays in its line.
    lines.iter().map(|text| line(text)).collect()
}

/// The verdict, and when it was found.
fn head(status: &Status, width: usize) -> String {
    let verdict = if status.is_ready() { "ready" } else { "NOT READY" };
    let at = when::shown(&status.at.to_string());
    let head = format!("{verdict} {at:>pad$}", pad = width.saturating_sub(verdict.len() + 1));
    truncate_str(&head, width, "…").into_owned()
}

fn of_service(service: &ServiceStatus, width: usize) -> Vec<String> {
    let ServiceStatus { name, url, state, latency_ms, error, dependencies, .. } = service;
    let head = format!("{name:BEHIND$}{state:10}{:>8}  {}", ms(*latency_ms), printable(url));
    let mut lines = vec![truncate_str(&head, width, "…").into_owned()];
    if let Some(error) = error {
        let error = error.strip_prefix(&format!("{name}: ")).unwrap_or(error);
        lines.extend(wrapped("  ", &[printable(error)], width));
    }
    let well: Vec<String> = dependencies.iter().filter(|d| d.state == "ok").map(short).collect();
    lines.extend(wrapped("  ", &well, width));
    for d in dependencies.iter().filter(|d| d.state != "ok") {
        let needed = if d.required { " (needed)" } else { "" };
        let detail = printable(d.detail.as_deref().unwrap_or_default());
        lines.extend(wrapped("  ", &[format!("{} {}{needed}: {detail}", d.name, d.state)], width));
    }
    if dependencies.is_empty() && error.is_none() {
        lines.push("  tells strangers nothing of what it depends on".to_owned());
    }
    lines
}

/// `config 0.1 ms`, with its age where it has one.
fn short(d: &DependencyStatus) -> String {
    let age = d.age_ms.filter(|age| *age > 0).map(|age| format!(" of {} ago", span(age))).unwrap_or_default();
    format!("{} {}{age}", d.name, ms(d.latency_ms))
}

fn ms(ms: f64) -> String {
    if ms < 9.95 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

fn span(ms: u64) -> String {
    match ms / 1_000 {
        s if s < 120 => format!("{s} s"),
        s if s < 7_200 => format!("{} min", s / 60),
        s if s < 172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

/// Pieces with commas between, behind `before`; broken between words, and further lines as far in.
fn wrapped(before: &str, pieces: &[String], width: usize) -> Vec<String> {
    let text = pieces.join(", ");
    if text.is_empty() {
        return Vec::new();
    }
    let indent = " ".repeat(measure_text_width(before));
    let (mut lines, mut now, mut empty) = (Vec::new(), before.to_owned(), true);
    for word in text.split_whitespace() {
        if !empty && measure_text_width(&now) + 1 + measure_text_width(word) > width {
            lines.push(std::mem::replace(&mut now, indent.clone()));
            empty = true;
        }
        if !empty {
            now.push(' ');
        }
        now.push_str(word);
        empty = false;
    }
    lines.push(now);
    lines.into_iter().map(|line| truncate_str(&line, width, "…").into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::look::{Destinations, EventLog, Events},
        *,
    };
    use tfx_domain::Timestamp;

    #[test]
    fn no_line_is_longer_than_the_screen_and_what_is_not_well_stands_alone() {
        let dependency = |name: &str, state: &str, detail: &str| DependencyStatus {
            name: name.to_owned(),
            required: false,
            state: state.to_owned(),
            latency_ms: 0.123,
            age_ms: Some(65_000),
            detail: Some(detail.to_owned()),
        };
        let service = |state: &str, dependencies| ServiceStatus {
            name: "postback-service",
            url: format!("http://{}.example:8082", "long".repeat(20)),
            state: state.to_owned(),
            version: None,
            latency_ms: 12.4,
            error: None,
            dependencies,
        };
        let many = (0..9).map(|n| dependency(&format!("dependency{n}"), "ok", "")).collect();
        let bad = vec![dependency("geo", "degraded", &"word \u{1b}[31m".repeat(30))];
        let mut status = Status {
            ready: false,
            at: Timestamp::UNIX_EPOCH,
            services: vec![service("ok", many), service("failed", bad)],
            events: Some(Events {
                outbox_events: 7,
                outbox_bytes: 2_048,
                oldest_age_ms: 65_000,
                dropped: 0,
                refused: 1,
            }),
            event_log: Some(EventLog { used: true, lag: Some(5), errors: Some(1_000), more_errors: true }),
            destinations: Some(Destinations {
                watched: 9,
                down: 7,
                unknown: 1,
                names: (0..7).map(|n| format!("offer-{n}")).collect(),
            }),
            unknown: vec!["x".repeat(200)],
        };
        for width in [None, Some(80), Some(30), Some(5)] {
            let most = width.map_or(80, |w: u16| usize::from(w).clamp(20, 80));
            for line in lines(&status, width) {
                assert!(measure_text_width(&line) <= most, "{width:?}: {line}");
                assert!(!line.contains('\u{1b}'), "{line}");
            }
        }
        let text = lines(&status, None).join("\n");
        for part in [
            "NOT READY",
            "\n  geo degraded: word",
            "7 events wait in the outbox (2.00 KiB), the oldest for 65 s; 1 refused, 0 dropped",
            "5 messages wait; 1000 or more became no event",
            "offer-4 and 2 more; 1 never probed",
        ] {
            let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.contains(part) || flat.contains(part), "{part}: {text}");
        }
        status.ready = true;
        assert!(lines(&status, None)[0].starts_with("ready "));
    }
}
