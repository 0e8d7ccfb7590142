//! `tfx events tail`.

use crate::{
    context::Context,
    exit::Failure,
    input,
    output::{Format, nobody_listens, printable},
    when::{self, When},
};
use clap::{Args, builder::PossibleValuesParser};
use serde_json::{Value, json};
use tfx_domain::event::Topic;
use tfx_ops::event_log::{From, LogMessage};

/// Which messages.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Only of these topics; may be repeated [default: all].
    #[arg(long, value_name = "TOPIC", value_parser = PossibleValuesParser::new(Topic::ALL.map(Topic::as_str)))]
    topic: Vec<String>,
    /// Those written from then on: 15m, 2h, 7d (ago), today, RFC 3339 [default: only those to come].
    #[arg(long, value_name = "TIME", conflicts_with = "all")]
    since: Option<When>,
    /// From the first there is.
    #[arg(long)]
    all: bool,
    /// End after this many.
    #[arg(long, value_name = "N", value_parser = input::number::<u64>)]
    limit: Option<u64>,
}

impl Tail {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let line: fn(&LogMessage) -> String = match context.out.format {
            Format::Table => people,
            Format::Json | Format::Jsonl => |m| programs(m).to_string(),
            Format::Name => place,
            Format::Yaml | Format::Csv => {
                return Err(Failure::usage(
                    "tail prints a line for each message: --output table, jsonl or name",
                ));
            }
        };
        let log = tfx_wiring::event_log(&context.settings()?).map_err(Failure::failed)?;
        let log = log.ok_or_else(|| {
            Failure::usage("there is no event log: EVENT_BROKERS is not set")
                .hint("tfx click list shows what is stored")
        })?;
        let since = self.since.map(|at| at.start(when::local())).transpose();
        let since = since.map_err(|e| Failure::usage(format!("--since {e}")))?;
        let from = match since {
            Some(time) => From::At(time),
            None if self.all => From::Beginning,
            None => From::End,
        };
        let asked = |t: &Topic| self.topic.is_empty() || self.topic.iter().any(|name| name == t.as_str());
        let topics: Vec<Topic> = Topic::ALL.into_iter().filter(asked).collect();
        let mut tail = log.tail(&topics, from).await.map_err(Failure::failed)?;
        let mut left = self.limit.unwrap_or(u64::MAX);
        while left > 0 {
            let message = tokio::select! {
                message = tail.next() => message.map_err(Failure::failed)?,
                () = nobody_listens() => return Ok(()),
            };
            context.out.lines([line(&message)])?;
            left -= 1;
        }
        Ok(())
    }
}

/// `topic/partition@offset`.
fn place(message: &LogMessage) -> String {
    format!("{}/{}@{}", message.topic, message.partition, message.offset)
}

fn people(message: &LogMessage) -> String {
    let at = message.at.map(|at| when::shown(&at.to_string())).unwrap_or_default();
    format!("{at}  {}  {}", place(message), printable(&String::from_utf8_lossy(&message.payload)))
}

/// The event as JSON where it is some, else as text.
fn programs(message: &LogMessage) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let event = serde_json::from_slice(&message.payload).unwrap_or_else(|_| json!(text(&message.payload)));
    json!({
        "topic": message.topic, "partition": message.partition, "offset": message.offset, "at": message.at,
        "key": message.key.as_deref().map(text), "event": event,
    })
}
