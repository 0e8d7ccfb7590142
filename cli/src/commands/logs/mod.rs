//! `tfx logs`: what the services logged, to be read by people. Where it comes from is in [`source`], what a line is in
//! [`mod@line`].

mod all;
mod line;
mod source;

pub(crate) use all::all;
pub(crate) use line::Line;
#[cfg(test)]
pub(crate) use line::Origin;
pub(crate) use source::SERVICES;

use crate::{
    context::Context,
    exit::Failure,
    input,
    output::{Format, nobody_listens},
    when::{self, When},
};
use clap::{Args, ValueEnum};
use line::{Filter, Level};
use serde_json::Value;
use source::{Source, Wanted};
use std::{
    collections::{HashSet, VecDeque},
    path::PathBuf,
    time::Duration,
};
use tfx_domain::id::ClickId;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// What is shown unless more is asked for.
const LINES: usize = 1_000;
/// And where it is said which.
const CHOSEN: usize = 100_000;
/// While lines are followed, what came within this is put into the order of time.
const TOGETHER: Duration = Duration::from_millis(300);
/// Lines that wait to be taken from their sources.
const WAITING: usize = 1_024;
/// So many lines are remembered that may belong to a request which names the click later.
const REMEMBERED: usize = 10_000;

/// Show what the services logged, in the order of time.
///
/// Their lines come from the journal of systemd where there is one, else from Docker Compose, else from the files that are
/// named. What is no JSON of the services is shown as it is; control characters are not.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx logs --level warn --since 1h\n  \
    tfx logs --request-id ec4e982e00000093        one request, over all services\n  \
    tfx up 2>&1 >/dev/null | tfx logs --file - --follow")]
pub(crate) struct Logs {
    /// Only of this one: traffic-service, postback-service, api-service (or traffic, postback, api), tfx.
    #[arg(value_name = "SERVICE", value_parser = service)]
    service: Option<String>,
    /// Go on with what is to come, until Ctrl-C. Without --since: only that.
    #[arg(short, long)]
    follow: bool,
    /// Logged from then on: 15m, 2h, 7d (ago), today, 2026-01-31, RFC 3339.
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Only what is so bad, or worse. A line that does not say how bad it is, is shown.
    #[arg(long, value_enum, ignore_case = true)]
    level: Option<Level>,
    /// Only of this request.
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Only of requests in whose lines this click stands.
    #[arg(long, value_name = "ID")]
    click: Option<ClickId>,
    /// Only the newest so many [default: 1000, or 100000 of those that are chosen].
    #[arg(short = 'n', long, value_name = "N", value_parser = input::within::<usize>(1, 10_000_000), conflicts_with = "follow")]
    lines: Option<usize>,
    /// Read this file; may be said more than once, - is standard input.
    #[arg(long, value_name = "PATH", conflicts_with = "from")]
    file: Vec<PathBuf>,
    /// Where the lines come from.
    #[arg(long, value_enum)]
    from: Option<From>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// The journal of systemd: units traffoflex@SERVICE.
    Journald,
    /// docker compose logs.
    Compose,
}

/// The whole name of a service.
fn service(text: &str) -> Result<String, String> {
    let all = SERVICES.iter().find(|name| **name == text || name.strip_suffix("-service") == Some(text));
    match all {
        Some(name) => Ok((*name).to_owned()),
        None if text == "tfx" => Ok(text.to_owned()),
        None => Err(format!("must be one of {}, tfx", SERVICES.join(", "))),
    }
}

impl Logs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let format = context.out.format;
        if matches!(format, Format::Yaml | Format::Csv | Format::Name)
            || self.follow && format == Format::Json
        {
            let message = "a log is lines: --output table, jsonl, or json without --follow";
            return Err(Failure::usage(message));
        }
        let since = self.since.map(|at| at.start(when::local())).transpose();
        let since = since.map_err(|e| Failure::usage(format!("--since {e}")))?;
        let filter = Filter {
            service: self.service.clone(),
            since,
            level: self.level,
            request_id: self.request_id.clone(),
            click: self.click.map(|id| id.to_string()),
        };
        let sources = match (self.from, self.file.as_slice()) {
            (Some(From::Journald), _) => vec![Source::Journald],
            (Some(From::Compose), _) => vec![Source::Compose],
            (None, []) => vec![Source::here()?],
            (None, files) => files
                .iter()
                .map(|path| if path.as_os_str() == "-" { Source::Stdin } else { Source::File(path.clone()) })
                .collect(),
        };
        let (sender, lines) = mpsc::channel(WAITING);
        let mut reading = JoinSet::new();
        let wanted = Wanted { service: self.service.clone(), since, follow: self.follow };
        for source in sources {
            reading.spawn(source.read(wanted.clone(), sender.clone()));
        }
        drop(sender);
        let chosen = Chosen::new(filter);
        if self.follow {
            follow(context, chosen, lines).await?;
        } else {
            let most = self.lines.unwrap_or(if chosen.filter.is_narrow() { CHOSEN } else { LINES });
            gather(context, chosen, lines, most).await?;
        }
        // Who is still reading is not waited for: nobody takes what it reads.
        let mut failures = Vec::new();
        while let Some(ended) = if self.follow { reading.try_join_next() } else { reading.join_next().await }
        {
            failures.extend(ended.map_err(Failure::failed)?.err());
        }
        failures.into_iter().next().map_or(Ok(()), Err)
    }
}

/// Chooses lines. Those of a click are those of the requests in whose lines it stands, also the lines before.
struct Chosen {
    filter: Filter,
    /// Requests that name the click.
    requests: HashSet<String>,
    /// Lines of requests that have not named it.
    before: VecDeque<Line>,
}

impl Chosen {
    fn new(filter: Filter) -> Self {
        Self { filter, requests: HashSet::new(), before: VecDeque::new() }
    }

    /// What is shown now that this line came.
    fn of(&mut self, line: Line) -> Vec<Line> {
        if !self.filter.takes(&line) {
            return Vec::new();
        }
        if self.filter.click.is_none() {
            return vec![line];
        }
        let known = line.request_id.as_ref().is_some_and(|id| self.requests.contains(id));
        if known {
            return vec![line];
        }
        if !self.filter.names_click(&line) {
            if line.request_id.is_some() {
                self.before.push_back(line);
                if self.before.len() > REMEMBERED {
                    self.before.pop_front();
                }
            }
            return Vec::new();
        }
        let Some(id) = line.request_id.clone() else { return vec![line] };
        let (mut shown, rest): (Vec<Line>, Vec<Line>) =
            self.before.drain(..).partition(|before| before.request_id.as_ref() == Some(&id));
        self.before.extend(rest);
        self.requests.insert(id);
        shown.push(line);
        shown
    }
}

/// All there is, the newest at the end.
async fn gather(
    context: &Context,
    mut chosen: Chosen,
    mut lines: mpsc::Receiver<Line>,
    most: usize,
) -> Result<(), Failure> {
    let (mut all, mut cut) = (Vec::new(), false);
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            _ = tokio::signal::ctrl_c() => return Err(Failure::interrupted()),
        };
        let Some(line) = line else { break };
        all.extend(chosen.of(line));
        if all.len() >= most.saturating_mul(2) {
            cut |= newest(&mut all, most);
        }
    }
    cut |= newest(&mut all, most);
    print(context, &all)?;
    if let Some(id) = chosen.filter.click.as_ref().filter(|_| all.is_empty()) {
        context.out.note(format!(
            "no line names the click {id}: it is older than the log or --since, of another service, or LOG_LEVEL leaves lines \
             of requests out; tfx click show {id} --timeline tells what became of it, tfx explain --click {id} why"
        ));
    }
    if cut {
        context.out.note(format!("older lines than these {most} are left out: --lines N shows more"));
    }
    Ok(())
}

/// In the order of time, without the oldest beyond `most`. True if some went.
fn newest(all: &mut Vec<Line>, most: usize) -> bool {
    // What has no time comes before what has one; the order within a source stays.
    all.sort_by_key(|line| line.at);
    let more = all.len().saturating_sub(most);
    all.drain(..more);
    more > 0
}

/// What comes, as it comes.
async fn follow(
    context: &Context,
    mut chosen: Chosen,
    mut lines: mpsc::Receiver<Line>,
) -> Result<(), Failure> {
    let (mut together, mut due) = (Vec::new(), None);
    let end = nobody_listens();
    tokio::pin!(end);
    loop {
        let print_at = due.unwrap_or_else(|| Instant::now() + TOGETHER);
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) => {
                    together.extend(chosen.of(line));
                    if due.is_none() && !together.is_empty() {
                        due = Some(Instant::now() + TOGETHER);
                    }
                    if together.len() < WAITING {
                        continue;
                    }
                }
                None => {
                    newest(&mut together, usize::MAX);
                    return print(context, &together);
                }
            },
            () = sleep_until(print_at), if due.is_some() => {}
            () = &mut end => {
                newest(&mut together, usize::MAX);
                return print(context, &together);
            }
        }
        newest(&mut together, usize::MAX);
        print(context, &together)?;
        together.clear();
        due = None;
    }
}

fn print(context: &Context, lines: &[Line]) -> Result<(), Failure> {
    match context.out.format {
        Format::Json => {
            let all = lines.iter().map(Line::json).collect();
            context.out.item(&Value::Array(all), &[], "")
        }
        Format::Jsonl => context.out.lines(lines.iter().map(|line| line.json().to_string())),
        _ => {
            let color = context.out.color;
            context.out.lines(lines.iter().map(|line| line.shown(color)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{line::Origin, *};

    fn line(second: u32, id: &str, message: &str) -> Line {
        let text = format!(
            r#"{{"timestamp":"2026-11-25T02:30:{second:02}Z","level":"INFO","service":"s","message":"{message}","request_id":"{id}"}}"#
        );
        Line::of(text.as_bytes(), Origin::default())
    }

    #[test]
    fn a_click_shows_the_whole_request_that_names_it() {
        let filter = Filter { click: Some("01CLICK".to_owned()), ..Filter::default() };
        let mut chosen = Chosen::new(filter);
        assert_eq!(chosen.of(line(1, "a", "begin")), []);
        assert_eq!(chosen.of(line(2, "b", "begin")), []);
        let shown = chosen.of(line(3, "a", "took 01click"));
        assert_eq!(shown, [line(1, "a", "begin"), line(3, "a", "took 01click")]);
        assert_eq!(chosen.of(line(4, "a", "end")).len(), 1);
        assert_eq!(chosen.of(line(5, "b", "end")), []);
    }

    #[test]
    fn the_newest_lines_stay_in_the_order_of_time() {
        let mut all = vec![line(3, "a", "x"), line(1, "b", "x"), line(2, "c", "x")];
        assert!(newest(&mut all, 2));
        assert_eq!(all, [line(2, "c", "x"), line(3, "a", "x")]);
        assert!(!newest(&mut all, 2));
    }

    #[test]
    fn a_service_is_named_short_or_whole() {
        assert_eq!(service("traffic").as_deref(), Ok("traffic-service"));
        assert_eq!(service("api-service").as_deref(), Ok("api-service"));
        assert!(service("nginx").is_err());
    }
}
