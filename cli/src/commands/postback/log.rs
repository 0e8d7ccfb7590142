//! `tfx postback log`: what came in, and what sources were told.

use crate::{
    columns::Rows,
    complete,
    context::Context,
    event_list::{EventList, ListQuery, Shown},
    exit::Failure,
    follow::Identity,
    output::{Column, text},
    when::Window,
};
use clap::{Args, builder::PossibleValuesParser};
use serde_json::Value;
use tfx_api::postbacks::{
    Directions, PostbackField, PostbackFilter, PostbackLogEvent, PostbackQuery, PostbackResult,
};
use tfx_domain::{entity::Kind, problem::Problems};

/// Which postbacks.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx postback log --network adnet --result rejected --since 2h\n  \
    tfx postback log --direction out --follow\n  \
    tfx postback log --source push --status 4xx,5xx,none")]
pub(crate) struct Log {
    #[command(flatten)]
    window: Window,
    /// What came in, what was sent to sources, or both [default: what the other flags are about, else in].
    #[arg(long, value_name = "WAY", value_parser = PossibleValuesParser::new(Directions::ALL.map(Directions::as_str)))]
    direction: Option<String>,
    /// Only to this network's slug, known or not.
    #[arg(long, value_name = "NETWORK", add = complete::of(Kind::Network))]
    network: Option<String>,
    /// Only to this source.
    #[arg(long, value_name = "SOURCE", add = complete::of(Kind::Source), conflicts_with = "network")]
    source: Option<String>,
    /// Only with this result.
    #[arg(long, value_parser = PossibleValuesParser::new(PostbackResult::ALL.map(PostbackResult::as_str)))]
    result: Option<String>,
    /// Only answered so: 404, 5xx, none; several with commas.
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = status)]
    status: Vec<Vec<String>>,
    #[command(flatten)]
    list: EventList<PostbackFilter>,
}

/// The statuses that a word stands for.
fn status(text: &str) -> Result<Vec<String>, String> {
    let wrong = || match PostbackResult::ALL.into_iter().find(|r| r.as_str() == text) {
        Some(result) => format!("is a result: --result {}", result.as_str()),
        None => "must be a status such as 404, a class such as 5xx, or none".to_owned(),
    };
    match text {
        "none" => Ok(vec!["0".to_owned()]),
        _ if text.len() == 3 && text.ends_with("xx") => match text.as_bytes()[0] {
            class @ b'1'..=b'9' => Ok((0..100).map(|n| format!("{}{n:02}", char::from(class))).collect()),
            _ => Err(wrong()),
        },
        _ => match text.parse::<u16>() {
            Ok(100..=999) => Ok(vec![text.to_owned()]),
            _ => Err(wrong()),
        },
    }
}

/// Of what came in.
fn came_in() -> Vec<Column> {
    vec![
        Column::time("at", "at"),
        Column::text("network", "network"),
        Column::text("template", "template"),
        Column::text("result", "result"),
        Column::number("answer", "status"),
        Column::text("reason", "reason"),
        Column::id("click", "click_id"),
        Column::id("conversion", "conversion_id"),
        Column::text("from", "remote_ip"),
        Column::made("said", "params", said),
    ]
}

/// Of what was sent.
fn sent() -> Vec<Column> {
    vec![
        Column::time("at", "at"),
        Column::text("source", "source").of_weight(4),
        Column::text("told", "conversion_status").of_weight(4),
        Column::text("result", "result").of_weight(5),
        answer().of_weight(5),
        Column::number("try", "attempt").of_weight(3),
        Column::text("reason", "reason").of_weight(3),
        Column::number("ms", "latency_ms").of_weight(2),
        Column::id("conversion", "conversion_id").of_weight(1),
    ]
}

/// Of both.
fn both() -> Vec<Column> {
    vec![
        Column::time("at", "at"),
        Column::made("way", "direction", way).of_weight(4),
        Column::made("with", "with", with).of_weight(4),
        Column::text("result", "result").of_weight(4),
        answer().of_weight(4),
        Column::text("reason", "reason").of_weight(3),
        Column::text("told", "conversion_status").of_weight(1),
        Column::number("try", "attempt"),
        Column::id("click", "click_id").of_weight(1),
        Column::id("conversion", "conversion_id").of_weight(1),
        Column::made("said", "params", said),
        Column::text("url", "url"),
    ]
}

/// The HTTP status; none where there was no answer.
fn answer() -> Column {
    Column::made("answer", "status", |row| match row["status"].as_u64() {
        Some(0) => "none".to_owned(),
        _ => text(&row["status"]),
    })
    .raw()
    .right()
}

fn way(row: &Value) -> String {
    if is_out(row) { "out" } else { "in" }.to_owned()
}

/// The network that sent it, or the source that was told.
fn with(row: &Value) -> String {
    text(&row[if is_out(row) { "source" } else { "network" }])
}

fn is_out(row: &Value) -> bool {
    row["direction"] == "out"
}

fn said(row: &Value) -> String {
    crate::commands::pairs(&row["params"])
}

impl Log {
    /// What is wrong with what it says, beside flags that cannot be read.
    pub(super) fn problems(&self) -> Problems {
        self.list.problems(Rows::Postbacks)
    }

    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let (since, until) = self.window.bounds()?;
        let result = PostbackResult::ALL.into_iter().find(|r| Some(r.as_str()) == self.result.as_deref());
        let direction = self.direction(result);
        let usual = match direction {
            Directions::In => came_in(),
            Directions::Out => sent(),
            Directions::All => both(),
        };
        let mut own = Vec::new();
        if let Some(source) = &self.source {
            let values = vec![source.clone()];
            own.push(PostbackFilter { field: PostbackField::Source, values, negate: false });
        }
        if !self.status.is_empty() {
            let values = self.status.concat();
            // What was not sent was not left without an answer.
            if values.iter().any(|status| status == "0") && result.is_none() {
                let values = [PostbackResult::Passed, PostbackResult::Empty].map(|r| r.as_str().to_owned());
                own.push(PostbackFilter {
                    field: PostbackField::Result,
                    values: values.into(),
                    negate: true,
                });
            }
            own.push(PostbackFilter { field: PostbackField::Status, values, negate: false });
        }
        let list = Shown {
            rows: Rows::Postbacks,
            usual,
            test: "test",
            name: |row| match text(&row["job"]) {
                job if job.is_empty() => text(&row["id"]),
                job => job,
            },
            identity: Identity { id: |p: &PostbackLogEvent| p.id.to_string(), at: |p| p.at },
        };
        let fetch = async |part: ListQuery<PostbackFilter>| {
            let ListQuery { since, test, mut filters, limit, cursor, .. } = part;
            filters.extend(own.iter().cloned());
            let network = self.network.clone();
            let direction = Some(direction);
            let query =
                PostbackQuery { since, until, network, result, direction, test, filters, limit, cursor };
            client.postbacks(&query).await
        };
        self.list.print(context, since, list, fetch).await
    }

    /// Which way is meant where nobody says it.
    fn direction(&self, result: Option<PostbackResult>) -> Directions {
        let said = Directions::ALL.into_iter().find(|d| Some(d.as_str()) == self.direction.as_deref());
        said.unwrap_or_else(|| match result {
            _ if self.source.is_some() => Directions::Out,
            Some(result) if PostbackResult::OUT.contains(&result) => Directions::Out,
            _ => Directions::In,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::status;

    #[test]
    fn a_status_is_a_number_a_class_or_none() {
        assert_eq!(status("404"), Ok(vec!["404".to_owned()]));
        assert_eq!(status("none"), Ok(vec!["0".to_owned()]));
        let class = status("5xx").expect("a class");
        assert_eq!((class.len(), class[0].as_str(), class[99].as_str()), (100, "500", "599"));
        for bad in ["", "99", "1000", "0xx", "xx", "5x", "sale", "-404"] {
            assert!(status(bad).is_err(), "{bad}");
        }
    }
}
