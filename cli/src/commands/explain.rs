//! `tfx explain`: where a click goes, and why. Nothing is recorded.

use super::entity::failed;
use crate::{
    complete,
    context::Context,
    exit::{Failure, Kind as FailureKind},
    input,
    output::{Column, Format, Listing, line, money, text},
    when::{self, When},
};
use clap::Args;
use serde_json::{Value, json};
use std::net::IpAddr;
use tfx_api::explain::{ExplainAnswer, ExplainRequest, Outcome};
use tfx_domain::{
    entity::Kind,
    id::{ClickId, VisitorId},
};

/// Without a user agent a click is taken for a bot's.
const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

/// Why no stream was even asked.
const UNASKED: &str = "the campaign is paused or archived, or has no stream";

/// Why it went to what is down.
const DOWN: &str = "what is left is down, which the campaign ignores (all_down)";

/// Why it did not go to what is down.
const LEFT_OUT: &str = "no stream took it, and what is down may not (all_down: trafficback)";

/// Why a real click might go elsewhere.
const NO_DATABASE: &str = "only as asked: no geo database, real clicks come from unknown places";

/// What is supposed of a click that has not happened.
const SUPPOSED: [&str; 19] = [
    "ip",
    "ua",
    "country",
    "region",
    "continent",
    "city",
    "isp",
    "asn",
    "connection_type",
    "language",
    "referrer",
    "param",
    "header",
    "at",
    "unhealthy",
    "cap_used",
    "hops",
    "visitor",
    "seed",
];

/// Show where a click goes, and why no stream before took it.
///
/// Asks the running traffic-service, which decides by the same code as for real clicks and records nothing. What is
/// not said is as for a person who comes for the first time. With --click it tells of a recorded click.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx explain summer --country US --ua 'Mozilla/5.0 (iPhone)'\n  \
    tfx explain summer --at 2026-12-24T20:00 --unhealthy offer\n  \
    tfx explain --click 01KYKZ6QK0ABCDEFGHJKMNPQRS")]
pub(crate) struct Explain {
    /// The campaign, by slug or id.
    #[arg(value_name = "CAMPAIGN", required_unless_present = "click", conflicts_with = "click", add = complete::of(Kind::Campaign))]
    campaign: Option<String>,
    /// A recorded click.
    #[arg(long, value_name = "CLICK_ID", conflicts_with_all = SUPPOSED)]
    click: Option<ClickId>,
    /// Where it comes from [default: 127.0.0.1].
    #[arg(long)]
    ip: Option<IpAddr>,
    /// The user agent; '' for none [default: of a common browser].
    #[arg(long)]
    ua: Option<String>,
    /// The country, whatever the geo database says of the address.
    #[arg(long, value_name = "CODE")]
    country: Option<String>,
    /// The region, whatever the geo database says.
    #[arg(long, value_name = "CODE")]
    region: Option<String>,
    /// The continent [default: that of the country].
    #[arg(long, value_name = "CODE")]
    continent: Option<String>,
    /// The city, whatever the geo database says.
    #[arg(long)]
    city: Option<String>,
    /// The provider, whatever the geo database says.
    #[arg(long, value_name = "NAME")]
    isp: Option<String>,
    /// The autonomous system, whatever the geo database says.
    #[arg(long, value_name = "AS3320", value_parser = asn)]
    asn: Option<u32>,
    /// The connection type, whatever the geo database says: cellular, cable/dsl, corporate, satellite.
    #[arg(long, value_name = "TYPE")]
    connection_type: Option<String>,
    /// The Accept-Language header.
    #[arg(long)]
    language: Option<String>,
    /// The Referer header.
    #[arg(long, value_name = "URL")]
    referrer: Option<String>,
    /// A query parameter; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair)]
    param: Vec<(String, String)>,
    /// Another header; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair)]
    header: Vec<(String, String)>,
    /// When: 2026-12-24T20:00, 2h (ago), RFC 3339 [default: now].
    #[arg(long, value_name = "TIME")]
    at: Option<When>,
    /// Take a destination to be down; may be repeated.
    #[arg(long, value_name = "DESTINATION", add = complete::of(Kind::Destination))]
    unhealthy: Vec<String>,
    /// Take so much of each cap of a destination to be used; may be repeated.
    #[arg(long, value_name = "DESTINATION=N", value_parser = input::count)]
    cap_used: Vec<(String, u64)>,
    /// How often it came back from trafficback [default: 0].
    #[arg(long, value_name = "N", value_parser = input::number::<u8>)]
    hops: Option<u8>,
    /// Who, for bindings and uniqueness [default: somebody new].
    #[arg(long, value_name = "ID")]
    visitor: Option<VisitorId>,
    /// Make draws by weight repeatable.
    #[arg(long, value_name = "N", value_parser = input::number::<u64>)]
    seed: Option<u64>,
}

impl Explain {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let answer = match self.click {
            Some(id) => client.explain_click(id).await.map_err(super::click::failed)?,
            None => {
                let request = self.request()?;
                client.explain(&request).await.map_err(|e| failed(Kind::Campaign, &request.slug, e))?
            }
        };
        if answer.campaign.is_none() && answer.click_id.is_none() {
            let becomes = match answer.outcome {
                Outcome::Trafficback => format!("such a click goes to {}", answer.url),
                _ => format!("such a click is answered {}", answer.status),
            };
            // Which one was probably meant.
            let why = match client.get(Kind::Campaign, &answer.slug).await {
                Err(e) if e.code() == Some("not_found") => Failure::from(e).message,
                _ => format!("no campaign has the slug or id '{}'", answer.slug),
            };
            let message = format!("{why}{} {becomes}", if why.ends_with('?') { "" } else { ";" });
            return Err(Failure::new(FailureKind::NotFound, message)
                .hint("tfx campaign list --status all tells what there is"));
        }
        print(context, &answer)?;
        context.out.warnings(&json!({ "warnings": answer.warnings }));
        if answer.campaign.is_none() {
            context.out.note("tfx campaign list --status all tells what there is");
        } else if answer.asked.is_empty() && answer.outcome != Outcome::Loop {
            context.out.note(format!("tfx campaign show {0}; tfx stream list --campaign {0}", answer.slug));
        }
        if answer.down_left_out {
            let deciding = answer.deciding_campaign.as_ref().or(answer.campaign.as_ref());
            let slug = deciding.map_or(answer.slug.as_str(), |campaign| campaign.slug.as_str());
            context.out.note(format!(
                "tfx campaign update {slug} --all-down ignore-health lets it go to what is down"
            ));
        }
        Ok(())
    }

    fn request(self) -> Result<ExplainRequest, Failure> {
        let at = self.at.map(|at| at.start(when::local())).transpose();
        Ok(ExplainRequest {
            slug: self.campaign.unwrap_or_default(),
            ip: self.ip,
            user_agent: Some(self.ua.unwrap_or_else(|| BROWSER.to_owned())),
            country: self.country,
            region: self.region,
            city: self.city,
            continent: self.continent,
            isp: self.isp,
            asn: self.asn,
            connection_type: self.connection_type,
            language: self.language,
            referrer: self.referrer,
            params: self.param,
            headers: self.header,
            at: at.map_err(|e| Failure::usage(format!("--at {e}")))?,
            unhealthy: self.unhealthy,
            cap_used: self.cap_used.into_iter().collect(),
            hops: self.hops,
            visitor: self.visitor,
            seed: self.seed,
        })
    }
}

/// `AS3320` or `3320`.
fn asn(text: &str) -> Result<u32, String> {
    let digits = text.trim_start_matches(['A', 'S', 'a', 's']);
    digits.parse().map_err(|_| "must be a number such as AS3320".to_owned())
}

fn print(context: &Context, answer: &ExplainAnswer) -> Result<(), Failure> {
    let item = serde_json::to_value(answer).map_err(Failure::failed)?;
    let streams = Listing {
        columns: vec![
            Column::made("stream", "slug", |row| match (text(&row["campaign"]), text(&row["slug"])) {
                (_, slug) if slug.is_empty() => text(&row["stream_id"]),
                (campaign, slug) => format!("{campaign}/{slug}"),
            }),
            Column::text("kind", "kind"),
            Column::number("pos", "position"),
            Column::number("weight", "weight"),
            Column::made("takes it", "taken", |row| {
                if row["taken"] == json!(true) { "yes" } else { "no" }.to_owned()
            })
            .raw(),
            Column::made("why", "reason", |row| match text(&row["detail"]) {
                detail if detail.is_empty() => text(&row["reason"]),
                detail => detail,
            }),
        ],
        rows: item["asked"].as_array().cloned().unwrap_or_default(),
        name: "slug",
    };
    match context.out.format {
        Format::Table => {
            context.out.item(&summary(answer, &item), &fields(), "slug")?;
            // A command is to be copied: it stands whole, on a line of its own.
            context.out.lines(answer.conflicts.iter().map(|c| format!("\nconflict: {}", line(c))))?;
            if !streams.rows.is_empty() {
                context.out.lines([""])?;
                context.out.rows(&streams)?;
            }
            let candidates = candidates(&item);
            if !candidates.rows.is_empty() {
                context.out.lines([""])?;
                context.out.rows(&candidates)?;
            }
            Ok(())
        }
        Format::Csv => context.out.rows(&streams),
        Format::Name => context.out.lines(answer.stream.as_ref().map(|stream| &stream.slug)),
        _ => context.out.item(&item, &[], "slug"),
    }
}

/// The destinations of the streams that looked at theirs: why this one, and why not the others.
fn candidates(answer: &Value) -> Listing {
    let mut rows = Vec::new();
    for stream in answer["asked"].as_array().into_iter().flatten() {
        for candidate in stream["candidates"].as_array().into_iter().flatten() {
            let mut row = candidate.clone();
            row["stream"] = json!(format!("{}/{}", text(&stream["campaign"]), text(&stream["slug"])));
            rows.push(row);
        }
    }
    let columns = vec![
        Column::made("destination", "slug", |row| match text(&row["slug"]) {
            slug if slug.is_empty() => text(&row["standing"]["destination"]),
            slug => slug,
        }),
        Column::text("of stream", "stream"),
        Column::made("chosen", "chosen", |row| {
            if row["chosen"] == json!(true) { "yes" } else { "" }.to_owned()
        })
        .raw(),
        Column::made("weight", "weight", |row| text(&row["standing"]["weight"])).right(),
        Column::made("share", "share", |row| match row["standing"]["share"].as_f64() {
            Some(share) => format!("{:.0} %", share * 100.0),
            None => String::new(),
        })
        .right(),
        Column::made("rank", "rank", |row| text(&row["standing"]["rank"])).right(),
        Column::made("why not", "why_not", why_not),
        Column::made("caps", "caps", caps),
        Column::made("schedule", "schedule", schedule),
    ];
    Listing { columns, rows, name: "slug" }
}

fn why_not(row: &Value) -> String {
    let standing = &row["standing"];
    let marks = [
        ("bound", "the visitor is bound to it"),
        ("health_ignored", "it is down, which the campaign ignores"),
    ];
    let marks = marks.into_iter().filter_map(|(mark, words)| standing[mark].as_bool()?.then_some(words));
    match text(&standing["why_not"]).as_str() {
        "" => marks.collect::<Vec<_>>().join("; "),
        "missing" => "it does not exist".to_owned(),
        "inactive" => "it is paused or archived".to_owned(),
        "schedule" => "outside of its schedule".to_owned(),
        "unhealthy" => "its health check says down".to_owned(),
        "capped" => "a cap is spent".to_owned(),
        "repeat" => "the visitor saw it a short while ago".to_owned(),
        "weight_zero" => "its weight is 0 and the visitor is not bound to it".to_owned(),
        other => other.to_owned(),
    }
}

/// `clicks_daily 37 of 60`.
fn caps(row: &Value) -> String {
    let one =
        |cap: &Value| format!("{} {} of {}", text(&cap["cap"]), text(&cap["used"]), text(&cap["limit"]));
    let all = row["standing"]["caps"].as_array().into_iter().flatten();
    all.map(one).collect::<Vec<_>>().join("; ")
}

/// `mon-fri 09:00-18:00 Europe/Berlin, there it is Sat 14:05`.
fn schedule(row: &Value) -> String {
    let s = &row["standing"]["schedule"];
    if s.is_null() {
        return String::new();
    }
    format!("{} {}, there it is {}", text(&s["windows"]), text(&s["timezone"]), text(&s["local"]))
}

fn fields() -> Vec<Column> {
    [
        "outcome",
        "because",
        "campaign",
        "handed over by",
        "decided by",
        "stream",
        "destination",
        "sent to",
        "answer",
        "cost",
        "a sale costs",
        "revenue share",
        "no cost",
        "bound",
        "at",
    ]
    .into_iter()
    .chain(["country", "device", "system", "browser", "language", "bot", "address", "new"])
    .map(|title| if title == "at" { Column::time(title, title) } else { Column::text(title, title) })
    .collect()
}

/// The answer in a person's words.
fn summary(answer: &ExplainAnswer, item: &Value) -> Value {
    let slug = |field: &str| match text(&item[field]["slug"]) {
        slug if slug.is_empty() => text(&item[field]["id"]),
        slug => slug,
    };
    let v = &answer.visitor;
    let words =
        |parts: &[&str]| parts.iter().filter(|p| !p.is_empty()).copied().collect::<Vec<_>>().join(" ");
    let (outcome, because) = match answer.outcome {
        Outcome::Routed if answer.health_ignored => ("routed", DOWN),
        Outcome::Routed if !answer.warnings.is_empty() => ("routed", NO_DATABASE),
        Outcome::Routed => ("routed", ""),
        Outcome::Trafficback if answer.asked.is_empty() => ("trafficback", UNASKED),
        Outcome::Trafficback if answer.health_ignored => {
            ("trafficback", "no stream took it, whatever is down")
        }
        Outcome::Trafficback if answer.down_left_out => ("trafficback", LEFT_OUT),
        Outcome::Trafficback => ("trafficback", "no stream took it"),
        Outcome::NotFound if answer.campaign.is_none() => ("not found", "no campaign has this slug"),
        Outcome::NotFound if answer.asked.is_empty() => ("not found", UNASKED),
        Outcome::NotFound if answer.down_left_out => (
            "not found",
            "no stream took it, what is down may not (all_down: trafficback), and there is no trafficback URL",
        ),
        Outcome::NotFound => ("not found", "no stream took it and there is no trafficback URL"),
        Outcome::Loop => ("loop", "it came back from trafficback too often"),
    };
    let new: Vec<&str> = [
        (answer.unique.campaign, "in the campaign"),
        (answer.unique.stream, "in the stream"),
        (answer.unique.destination, "at the destination"),
    ]
    .into_iter()
    .filter_map(|(new, place)| new.then_some(place))
    .collect();
    json!({
        "slug": answer.slug,
        "outcome": outcome,
        "because": because,
        "campaign": answer.campaign.as_ref().map_or(answer.slug.clone(), |_| slug("campaign")),
        "handed over by": answer.handed_over.iter().map(|c| c.slug.clone()).collect::<Vec<_>>(),
        "decided by": slug("deciding_campaign"),
        "stream": slug("stream"),
        "destination": slug("destination"),
        "sent to": answer.url,
        "answer": answer.status,
        "cost": money(&item["cost"]),
        "a sale costs": money(&item["sale_cost"]),
        "revenue share": match answer.revenue_share.as_str() {
            "" => String::new(),
            percent => format!("{percent}%"),
        },
        "no cost": answer.cost_refused,
        "bound": if answer.bound { "a binding decided" } else { "" },
        "at": item["at"],
        "country": words(&[&v.country, &v.region, &v.city, &v.isp]),
        "device": words(&[&text(&item["visitor"]["device_type"]), &v.device_model]),
        "system": words(&[&v.os, &v.os_version]),
        "browser": words(&[&v.browser, &v.browser_version]),
        "language": v.language,
        "bot": v.bot,
        "address": v.ip,
        "new": new.join(", "),
    })
}
