//! `tfx postback test`: tries a postback without recording it; `--send` really sends it.

use super::super::entity::failed;
use crate::{
    complete,
    context::Context,
    exit::{Failure, Kind as FailureKind},
    input,
    output::{Column, Format, money, text},
};
use clap::Args;
use serde_json::{Value, json};
use tfx_api::postbacks::{PostbackRequest, PostbackTest};
use tfx_domain::{entity::Kind, query};
use tfx_ops::probe::Probe;
use url::Url;

/// Which postback.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx postback test adnet 'subid=CLICK_ID&tid=77&sum=12.50&status=approved'\n  \
    tfx postback test adnet --template main --param subid=CLICK_ID --send")]
pub(crate) struct Test {
    /// The network that would send it.
    #[arg(add = complete::of(Kind::Network))]
    network: String,
    /// What it would send: a query string, or a whole URL of which the query is taken.
    #[arg(value_name = "QUERY")]
    query: Option<String>,
    /// A parameter, not encoded; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair)]
    param: Vec<(String, String)>,
    /// Read by this template of the network [default: its template 'default', if it has one].
    #[arg(long)]
    template: Option<String>,
    /// Send it to postback-service, which records it.
    #[arg(long)]
    send: bool,
}

impl Test {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let mut params = self.query.as_deref().map(parameters).unwrap_or_default();
        params.extend(self.param);
        if params.is_empty() {
            return Err(Failure::usage(
                "what would the network send? Give a query string or --param NAME=VALUE",
            ));
        }
        let client = context.client()?;
        let asked = PostbackTest { network: self.network.clone(), template: self.template, params };
        if self.send {
            let request = client.postback_request(&asked).await;
            return send(context, request.map_err(|e| failed(Kind::Network, &self.network, e))?).await;
        }
        let answer =
            client.postback_test(&asked).await.map_err(|e| failed(Kind::Network, &self.network, e))?;
        let item = serde_json::to_value(&answer).map_err(Failure::failed)?;
        if context.out.format == Format::Name {
            context.out.lines([answer.result.as_str()])?;
        } else {
            context.out.item(&item, &fields(), "result")?;
            context.out.note("nothing was recorded; --send really sends it");
        }
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        let message = format!("postback-service would answer {}: {}", answer.status, answer.reason);
        Err(Failure::failed(message))
    }
}

/// The parameters of a query string. A secret among them is checked, and shown nowhere.
fn parameters(text: &str) -> Vec<(String, String)> {
    let query_text = text.split_once('?').map_or(text, |(_, query)| query);
    let query_text = query_text.split('#').next().unwrap_or(query_text);
    query::pairs(query_text.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn fields() -> Vec<Column> {
    vec![
        Column::text("result", "result"),
        Column::text("answer", "status"),
        Column::text("because", "reason"),
        Column::text("wrong parameter", "parameter"),
        Column::made("mend it with", "commands", |row| {
            let commands = row["commands"].as_array().into_iter().flatten();
            commands.map(text).collect::<Vec<_>>().join("\n")
        }),
        Column::text("network", "network.slug"),
        Column::text("template", "template.slug"),
        Column::text("click", "understood.click_id"),
        Column::made("click found", "click_found", |row| match &row["click_found"] {
            Value::Bool(found) => if *found { "yes" } else { "no" }.to_owned(),
            _ => String::new(),
        })
        .raw(),
        Column::text("transaction", "understood.transaction_id"),
        Column::made("status", "understood.status", |row| {
            let (status, raw) = (text(&row["understood"]["status"]), text(&row["understood"]["raw_status"]));
            if raw.is_empty() || raw == status { status } else { format!("{status} (said: {raw})") }
        }),
        Column::money("revenue", "understood.revenue"),
        Column::text("same as", "understood.key"),
        Column::made("conversion there", "existing", |row| match text(&row["existing"]["id"]) {
            id if id.is_empty() => id,
            id => {
                format!("{id}, {}, {}", text(&row["existing"]["status"]), money(&row["existing"]["revenue"]))
            }
        }),
    ]
}

/// Sends what the network would send.
async fn send(context: &Context, request: PostbackRequest) -> Result<(), Failure> {
    let PostbackRequest { method, url, headers, body, signed } = request;
    let mut shown =
        Url::parse(&url).map_err(|e| Failure::failed(format!("api-service gave a bad postback URL: {e}")))?;
    let origin = shown.origin().ascii_serialization();
    let query = shown.query().unwrap_or_default().split('&').filter(|pair| !pair.starts_with("secret="));
    let query = query.collect::<Vec<_>>().join("&");
    shown.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
    let sent_body = body.clone();
    let http = Probe::new().map_err(Failure::failed)?;
    let (status, body) = http.send(&method, &url, &headers, body).await.map_err(|why| {
        let message = format!("postback-service does not answer at {origin}: {why}");
        Failure::new(FailureKind::Unreachable, message).hint(
            "start the services with 'tfx up'; POSTBACK_SERVICE_URL of api-service says where postbacks go",
        )
    })?;
    let answer: Value = serde_json::from_str(&body).unwrap_or(Value::String(body));
    let item = json!({
        "sent": shown.as_str(), "body": sent_body, "signed": signed, "status": status, "answer": answer,
    });
    let fields = [
        Column::text("sent", "sent"),
        Column::text("body", "body"),
        Column::made("signed", "signed", |row| if row["signed"] == true { "yes" } else { "" }.to_owned())
            .raw(),
        Column::text("answer", "status"),
        Column::text("result", "answer.result"),
        Column::text("conversion", "answer.conversion_id"),
        Column::text("because", "answer.reason"),
    ];
    if (200..300).contains(&status) {
        return context.out.item(&item, &fields, "status");
    }
    Err(refused(status, &item["answer"]))
}

/// The words of postback-service, for who sees only this command.
fn refused(status: u16, answer: &Value) -> Failure {
    let why = match text(&answer["detail"]) {
        detail if detail.is_empty() => text(answer),
        detail => detail,
    };
    let message = format!("postback-service answers {status}: {why}");
    match status {
        400 | 413 | 415 => {
            Failure::usage(message).hint("without --send it tells how each parameter is understood")
        }
        403 => Failure::new(FailureKind::Denied, message),
        404 => Failure::new(FailureKind::NotFound, message),
        500.. => Failure::new(FailureKind::Unreachable, message).hint("nothing was recorded; try again"),
        _ => Failure::failed(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded() {
        let want = vec![("subid".to_owned(), "A B".to_owned()), ("sum".to_owned(), "1.5".to_owned())];
        for text in [
            "subid=A%20B&sum=1.5",
            "subid=A+B&sum=1.5#x",
            "https://pb.example/postback/adnet?subid=A+B&sum=1.5#x",
        ] {
            assert_eq!(parameters(text), want, "{text}");
        }
    }
}
