//! `tfx top`: what goes on, on a screen that lives. What is asked is in [`look`], what it means in [`figures`], the state with
//! its keys in [`state`], the drawing in [`screen`], the lines for pipes in [`record`].

mod figures;
mod look;
mod record;
mod screen;
mod state;
mod terminal;

use crate::{
    context::Context,
    exit::{Failure, Kind},
    input,
    output::{Format, nobody_listens},
};
use clap::Args;
use look::Looker;
use state::{Effect, Event, Question, Top};
use std::{
    fs::File,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};
use terminal::Screen;
use tfx_domain::money::Currency;
use tfx_ops::{clock, files};
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};

/// The screen is drawn anew so often, for the age of what it shows.
const DRAWN: Duration = Duration::from_secs(1);
/// So long it is waited for whether this token may ask, before there is a screen.
const AT_ONCE: Duration = Duration::from_secs(2);
/// The same where nobody waits for a screen.
const ONCE: Duration = Duration::from_secs(5);
/// The size of a screen that goes into a pipe.
const SIZE: (u16, u16) = (80, 24);

/// Watch clicks, money and the services on a live screen.
///
/// Asks api-service for reports, and the services at TRAFFIC_SERVICE_URL, POSTBACK_SERVICE_URL and API_SERVICE_URL how they are; who
/// has the internal token sees answers by kind and their times as well. It changes nothing. What cannot be had is shown with
/// its age, never as nought.
#[derive(Debug, Args)]
#[command(after_help = "Keys: q quits, ? lists the others.\n\n\
    Examples:\n  \
    tfx top\n  \
    tfx top --once\n  \
    tfx top --every 10 --record - | jq '.per_second.clicks'")]
pub(crate) struct TopCommand {
    /// How many seconds between looks.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = input::within::<u64>(1, 3_600))]
    every: u64,
    /// Print one screen after two looks, and end; with --output json an object.
    #[arg(long, conflicts_with = "record")]
    once: bool,
    /// Append an object for each look to this file; -: to standard output, without a screen.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Of all amounts [default: USD].
    #[arg(long, value_name = "CODE", value_parser = Currency::stored)]
    currency: Option<Currency>,
}

impl TopCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let is_object =
            self.once && matches!(context.out.format, Format::Json | Format::Yaml | Format::Jsonl);
        if context.out.format != Format::Table && !is_object {
            return Err(Failure::usage(
                "top is a screen; --once goes with --output json, jsonl or yaml, --record writes lines",
            ));
        }
        // Notes would stand in the midst of the screen; what is away is shown there.
        let quiet = context.silent();
        // Whoever may not ask is told so at once; who is away is shown on the screen.
        let client = quiet.client()?;
        let within = if self.once { ONCE } else { AT_ONCE };
        let away = match timeout(within, client.whoami()).await.map(|told| told.map_err(Failure::from)) {
            Ok(Ok(_)) => None,
            Ok(Err(refused)) if refused.kind == Kind::Denied => return Err(refused),
            Ok(Err(away)) => Some(away),
            Err(_) => {
                let message = format!("api-service does not answer within {} s", within.as_secs());
                Some(Failure::new(Kind::Unreachable, message).hint("tfx doctor --wrong tells what to do"))
            }
        };
        let looker = Looker::new(&quiet, self.currency);
        let top = Top::new(quiet.api_url()?, self.every);
        if self.once {
            return self.once(context, looker, top, away).await;
        }
        match &self.record {
            Some(path) if path.as_os_str() == "-" => {
                return self.lines(looker, &top.question, &mut io::stdout()).await;
            }
            Some(path) if !io::stdout().is_terminal() => {
                let mut file = appended(path)?;
                return self.lines(looker, &top.question, &mut file).await;
            }
            None if !io::stdout().is_terminal() || !io::stdin().is_terminal() => {
                return Err(Failure::usage("top needs a terminal").hint(
                    "--once prints one screen, --record FILE an object for each look (- is standard output)",
                ));
            }
            _ => {}
        }
        let record = self.record.as_deref().map(appended).transpose()?;
        live(self.every, context.out.color, looker, top, record).await
    }

    /// Two looks, and what they saw. Of who is `away` one look tells as much, and that is no success.
    async fn once(
        &self,
        context: &Context,
        mut looker: Looker<'_>,
        mut top: Top,
        away: Option<Failure>,
    ) -> Result<(), Failure> {
        let ended = || away.clone().map_or(Ok(()), Err);
        for again in [true, false] {
            if again && away.is_some() {
                continue;
            }
            let look = looker.look(top.question.clone()).await;
            if !again && context.out.format != Format::Table {
                context.out.item(&record::object(&look), &[], "")?;
                return ended();
            }
            top.update(Event::Look(Box::new(look)));
            if again {
                tokio::select! {
                    biased;
                    _ = tokio::signal::ctrl_c() => return Err(Failure::interrupted()),
                    () = sleep(Duration::from_secs(self.every)) => {}
                }
            }
        }
        let now = clock::now();
        let (columns, rows) = (context.out.width().unwrap_or(SIZE.0), SIZE.1);
        context.out.lines(screen::plain(&top, columns.max(40), rows, now))?;
        ended()
    }

    /// An object for each look, until whoever reads them has gone.
    async fn lines(
        &self,
        mut looker: Looker<'_>,
        question: &Question,
        into: &mut impl io::Write,
    ) -> Result<(), Failure> {
        let mut next = Instant::now();
        loop {
            let look = tokio::select! {
                biased;
                _ = tokio::signal::ctrl_c() => return Err(Failure::interrupted()),
                () = nobody_listens() => return Ok(()),
                look = async { sleep_until(next).await; looker.look(question.clone()).await } => look,
            };
            next += Duration::from_secs(self.every);
            writeln!(into, "{}", record::object(&look))?;
            into.flush()?;
        }
    }
}

/// A file that lines are added to; of this user alone if it was not there.
fn appended(path: &Path) -> Result<File, Failure> {
    let opened = files::private().append(true).create(true).open(path);
    opened.map_err(|e| Failure::failed(format!("{} cannot be written: {e}", path.display())))
}

/// The screen, until it is left.
async fn live(
    every: u64,
    color: bool,
    mut looker: Looker<'_>,
    mut top: Top,
    mut record: Option<File>,
) -> Result<(), Failure> {
    let mut ended = terminal::ended()?;
    let mut screen = Screen::enter()?;
    let mut redrawn = interval(DRAWN);
    let mut due = Instant::now();
    loop {
        let question = top.question.clone();
        let (begins, looker) = (due, &mut looker);
        let look = async move {
            sleep_until(begins).await;
            looker.look(question).await
        };
        tokio::pin!(look);
        // Until the look is over, or another question is asked.
        let effect = loop {
            screen.draw(|frame| screen::draw(&top, frame, clock::now(), color))?;
            let effect = tokio::select! {
                key = screen.key() => match key {
                    Some(Some(key)) => top.update(Event::Key(key)),
                    // The size of the terminal changed.
                    Some(None) => Effect::Nothing,
                    // The terminal has gone.
                    None => Effect::Interrupt,
                },
                () = &mut ended => Effect::Interrupt,
                _ = redrawn.tick() => Effect::Nothing,
                seen = &mut look => {
                    if let Some(file) = &mut record {
                        writeln!(file, "{}", record::object(&seen))?;
                    }
                    top.update(Event::Look(Box::new(seen)));
                    due = Instant::now() + Duration::from_secs(every);
                    break Effect::Nothing;
                }
            };
            if effect != Effect::Nothing {
                break effect;
            }
        };
        match effect {
            Effect::Nothing => {}
            Effect::Ask => due = Instant::now(),
            Effect::Quit => return Ok(()),
            Effect::Interrupt => return Err(Failure::interrupted()),
        }
    }
}
