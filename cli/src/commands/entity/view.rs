//! How entities are shown: the columns of their lists and the fields of one.

use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Format, at, label, text},
};
use serde_json::Value;
use tfx_domain::{Timestamp, entity::Kind};
use tfx_ops::clock;

/// What `--output name` prints, and what every command takes as a reference.
pub(crate) fn name(kind: Kind) -> fn(&Value) -> String {
    match kind {
        Kind::Stream => |row| format!("{}/{}", label(row, &row["campaign"]), text(&row["slug"])),
        Kind::Template => |row| format!("{}/{}", label(row, &row["network"]), text(&row["slug"])),
        _ => |row| text(&row["slug"]),
    }
}

/// The columns of a list.
pub(crate) fn columns(kind: Kind) -> Vec<Column> {
    let mut out = vec![Column::made(kind.noun(), "slug", name(kind)), Column::text("name", "name")];
    out.extend(own(kind));
    out.push(Column::made("status", "status", status).raw());
    out
}

/// Shows one entity.
///
/// # Errors
/// A closed pipe.
pub(crate) fn show(context: &Context, kind: Kind, entity: &Value) -> Result<(), Failure> {
    if context.out.format == Format::Name {
        return context.out.lines([name(kind)(entity)]);
    }
    let mut fields = columns(kind);
    fields.extend(more(kind));
    fields.extend([
        Column::text("unreadable", "unreadable"),
        Column::text("id", "id"),
        Column::text("version", "version"),
        Column::time("created", "created_at"),
        Column::time("updated", "updated_at"),
    ]);
    context.out.item(entity, &fields, "slug")
}

/// What a kind has of its own, in lists.
fn own(kind: Kind) -> Vec<Column> {
    match kind {
        Kind::Campaign => vec![
            Column::text("rotation", "rotation"),
            Column::label("source", "source"),
            Column::made("streams", "active_streams", |row| match row["active_streams"].as_u64() {
                Some(0) => "none active".to_owned(),
                Some(n) => n.to_string(),
                None => String::new(),
            })
            .right(),
            Column::money("cost", "cost"),
            Column::made("model", "cost.model", cost_model),
        ],
        Kind::Stream => vec![
            Column::text("kind", "kind"),
            Column::number("pos", "position"),
            Column::number("weight", "weight"),
            Column::made("filters", "filters", filters),
            Column::made("leads to", "destinations", leads_to),
        ],
        Kind::Destination => vec![
            Column::text("url", "url"),
            Column::label("network", "network"),
            Column::money("payout", "payout"),
        ],
        Kind::Source => vec![
            Column::text("currency", "currency"),
            Column::money("cost", "cost"),
            Column::made("model", "cost.model", cost_model),
            Column::made("parameters", "params", |row| pairs(&row["params"])),
            Column::text("postback url", "postback_url"),
        ],
        Kind::Network => {
            vec![Column::text("currency", "currency"), Column::text("allowed ips", "allowed_ips")]
        }
        Kind::Template => vec![
            Column::made("parameters", "params", |row| pairs(&row["params"])),
            Column::made("statuses", "statuses", |row| pairs(&row["statuses"])),
            Column::text("ignored", "ignore"),
        ],
        Kind::Alert => vec![
            Column::text("when", "when"),
            Column::text("by", "by"),
            Column::made("stands", "now", |row| text(&row["now"]["text"])).of_weight(u8::MAX),
            Column::made("told", "now.sent_at", |row| crate::when::shown(&text(&row["now"]["sent_at"]))),
            Column::made("not told", "now.undelivered", |row| match row["now"]["undelivered"].as_u64() {
                None | Some(0) => String::new(),
                Some(n) => format!("{n} given up"),
            }),
        ],
    }
}

/// What is paid for; empty: nothing is said of it.
fn cost_model(row: &Value) -> String {
    let cost = &row["cost"];
    if cost.is_null() { String::new() } else { cost["model"].as_str().unwrap_or("cpc").to_owned() }
}

/// What only the view of one shows.
fn more(kind: Kind) -> Vec<Column> {
    match kind {
        Kind::Campaign => vec![
            Column::text("former slugs", "aliases"),
            Column::text("trafficback", "trafficback_url"),
            Column::made("all down", "all_down", |row| match row["all_down"].as_str() {
                Some("ignore_health") => "ignore health".to_owned(),
                _ => "trafficback".to_owned(),
            })
            .raw(),
            Column::made("unique within", "unique_window_s", |row| seconds(&row["unique_window_s"])).raw(),
            crate::tests_too::column("test"),
        ],
        Kind::Stream => vec![
            Column::text("match", "match"),
            Column::text("select", "select"),
            Column::text("bind", "bind"),
        ],
        Kind::Destination => vec![
            Column::made("caps", "caps", |row| pairs(&row["caps"])),
            Column::made("used now", "cap_use", cap_use),
            Column::made("schedule", "schedule", |row| pairs(&row["schedule"])),
            Column::made("anti-repeat", "anti_repeat_s", |row| seconds(&row["anti_repeat_s"])).raw(),
            Column::made("health check", "health_check", |row| pairs(&row["health_check"])),
            Column::text("allows upsell", "allow_upsell"),
        ],
        Kind::Network => {
            vec![
                Column::text("former slugs", "aliases"),
                Column::text("allowed ips of", "allowed_ips_file"),
                Column::text("postback secret", "postback_secret"),
                Column::made("former secret", "former_secret_until", former_secret).raw(),
                Column::made("signs", "has_signing_key", |row| {
                    if row["has_signing_key"] == true { "yes, as its templates say" } else { "" }.to_owned()
                })
                .raw(),
                Column::made("former key", "former_signing_key_until", |row| {
                    ending(&text(&row["former_signing_key_until"])).unwrap_or_default()
                })
                .raw(),
            ]
        }
        Kind::Template => vec![
            Column::text("former slugs", "aliases"),
            Column::made("defaults", "defaults", |row| pairs(&row["defaults"])),
            Column::text("decimal", "decimal"),
            Column::text("scale", "scale"),
            Column::made("macros", "macros", |row| pairs(&row["macros"])),
            Column::made("signature", "signature", |row| pairs(&row["signature"])),
        ],
        Kind::Alert => vec![
            Column::made("counts", "filters", conditions),
            Column::made("window", "window_s", |row| seconds(&row["window_s"])).raw(),
            Column::text("least clicks", "min_clicks"),
            Column::made("fires after", "for_s", |row| seconds(&row["for_s"])).raw(),
            Column::made("cleared after", "clear_s", |row| seconds(&row["clear_s"])).raw(),
            Column::made("told without data", "no_data_after_s", |row| seconds(&row["no_data_after_s"]))
                .raw(),
            Column::text("quiet", "quiet"),
            Column::text("time zone", "timezone"),
            Column::text("currency", "currency"),
            Column::text("tells", "channels"),
            Column::made("does", "action", action).raw(),
            Column::made("goes on after", "return_after_s", |row| seconds(&row["return_after_s"])).raw(),
        ],
        Kind::Source => vec![
            Column::made("told of", "postback_on", told_of),
            Column::made("told elsewhere of", "postback_urls", |row| pairs(&row["postback_urls"])),
            Column::text("told by", "postback_method"),
            Column::text("with", "postback_body"),
            Column::made("told of revenue", "postback_payout", share),
            Column::made("told after", "postback_delay_s", |row| seconds(&row["postback_delay_s"])).raw(),
            Column::made("told", "postback_first_only", |row| {
                if row["postback_first_only"] == true {
                    "only of the first conversion of a click"
                } else {
                    ""
                }
                .to_owned()
            })
            .raw(),
            Column::made("signed", "has_postback_signing_key", |row| {
                match row["has_postback_signing_key"].as_bool() {
                    Some(true) => format!("yes; tfx source signing-key {} shows the key", text(&row["slug"])),
                    _ => String::new(),
                }
            })
            .raw(),
        ],
    }
}

/// Until when the secret before the present one works, and how it is seen whether it still comes.
fn former_secret(row: &Value) -> String {
    match ending(&text(&row["former_secret_until"])) {
        Some(works) if works.starts_with("works") => {
            format!("{works}; tfx postback lint {} tells whether it still comes", text(&row["slug"]))
        }
        ended => ended.unwrap_or_default(),
    }
}

/// Until when what was replaced works, or when that ended.
fn ending(until: &str) -> Option<String> {
    let end = until.parse::<Timestamp>().ok()?;
    let word = if end <= clock::now() { "ended" } else { "works until" };
    Some(format!("{word} {}", crate::when::shown(until)))
}

/// How an alert stands in each group.
pub(super) fn alert_states() -> Vec<Column> {
    vec![
        Column::made("group", "group", |row| {
            let parts = row["group"].as_array().into_iter().flatten();
            let parts = parts.map(|p| format!("{}={}", text(&p["dimension"]), text(&p["label"])));
            let group = parts.collect::<Vec<_>>().join(" ");
            if group.is_empty() { "all".to_owned() } else { group }
        }),
        Column::made("stands", "phase", |row| match (text(&row["phase"]), row["no_data"].is_string()) {
            (phase, true) if phase == "ok" => "no data".to_owned(),
            (phase, true) => format!("{phase}, no data"),
            (phase, false) => phase,
        }),
        Column::time("since", "since"),
        Column::made("values", "values", |row| match row["no_data"].as_str() {
            Some(why) => why.to_owned(),
            None => text(&row["values"]),
        }),
        Column::time("told", "sent_at"),
        Column::text("action", "action"),
    ]
}

/// The states that a source is told of.
fn told_of(row: &Value) -> String {
    let asked = text(&row["postback_on"]);
    let of_urls = row["postback_urls"].as_object().into_iter().flatten().map(|(status, _)| status.as_str());
    let usual = row["postback_url"].is_string().then_some("sale");
    match asked.is_empty() {
        true => usual.into_iter().chain(of_urls.filter(|s| Some(*s) != usual)).collect::<Vec<_>>().join(", "),
        false => asked,
    }
}

/// `80%`, or `1.5` whatever it is.
fn share(row: &Value) -> String {
    let of = &row["postback_payout"];
    match (text(&of["percent"]), text(&of["fixed"])) {
        (percent, _) if !percent.is_empty() => format!("{percent}%"),
        (_, fixed) if !fixed.is_empty() => format!("{fixed} {}, whatever it is", text(&row["currency"])),
        _ => String::new(),
    }
}

/// Its status, marked where the rest of it cannot be read: it takes part in nothing.
fn status(row: &Value) -> String {
    let status = text(&row["status"]);
    if row["unreadable"].is_string() { format!("{status}, unreadable") } else { status }
}

/// `clicks_daily 37 of 60; conversions_total 5 of 5 (spent)`.
fn cap_use(row: &Value) -> String {
    let one = |cap: &Value| {
        let (used, limit) = (cap["used"].as_u64(), cap["limit"].as_u64());
        let spent = if used >= limit { " (spent)" } else { "" };
        format!("{} {} of {}{spent}", text(&cap["cap"]), text(&cap["used"]), text(&cap["limit"]))
    };
    row["cap_use"].as_array().into_iter().flatten().map(one).collect::<Vec<_>>().join("; ")
}

/// `name: value; name: value`.
fn pairs(value: &Value) -> String {
    let one = |(name, inner): (&String, &Value)| match inner {
        Value::Object(_) => format!("{name} ({})", pairs(inner)),
        _ => format!("{name}: {}", text(inner)),
    };
    value.as_object().into_iter().flatten().map(one).collect::<Vec<_>>().join("; ")
}

/// `country=US,CA; bot!=true`, as `--filter` takes them.
fn filters(row: &Value) -> String {
    let one = |rule: &Value| {
        let list = |field: &str| {
            let values = rule[field].as_array().map(Vec::as_slice).unwrap_or_default();
            values.iter().map(text).collect::<Vec<_>>().join(",")
        };
        let (is, is_not) = (list("is"), list("is_not"));
        let field = text(&rule["field"]);
        match is.chars().next() {
            None => format!("{field}!={is_not}"),
            // One comparison of versions stands as it was typed.
            Some('<' | '>') if !is.contains(',') => format!("{field}{}", is.replace(' ', "")),
            Some(_) => format!("{field}={is}"),
        }
    };
    let rules = row["filters"].as_array().map(Vec::as_slice).unwrap_or_default();
    rules.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// `campaign=summer; country!=US`, as `--where` takes them.
fn conditions(row: &Value) -> String {
    let one = |filter: &Value| {
        let values = filter["values"].as_array().into_iter().flatten().map(|value| label(row, value));
        let sign = if filter["negate"] == true { "!=" } else { "=" };
        format!("{}{sign}{}", text(&filter["dimension"]), values.collect::<Vec<_>>().join(","))
    };
    row["filters"].as_array().into_iter().flatten().map(one).collect::<Vec<_>>().join("; ")
}

/// `pause stream summer/main, armed`.
fn action(row: &Value) -> String {
    let word = text(&row["action"]);
    if word.is_empty() {
        return word;
    }
    let target = [&row["stream"], &row["destination"]].into_iter().find(|id| id.is_string());
    let target = target.map_or_else(|| " of the group".to_owned(), |id| format!(" {}", label(row, id)));
    let mode = if row["armed"] == true { "armed" } else { "dry run" };
    format!("{}{target} ({mode})", word.replace('_', " "))
}

/// `offer (70), other (30)`, or the action that needs no destination.
fn leads_to(row: &Value) -> String {
    let destinations = row["destinations"].as_array().map(Vec::as_slice).unwrap_or_default();
    let one = |d: &Value| {
        let slug = label(row, &d["destination"]);
        if destinations.len() == 1 { slug } else { format!("{slug} ({})", text(&d["weight"])) }
    };
    let list = destinations.iter().map(one).collect::<Vec<_>>().join(", ");
    let action = &row["action"];
    match (text(&action["type"]).as_str(), text(at(action, "code"))) {
        ("" | "redirect", code) if code.is_empty() || code == "302" => list,
        ("redirect", code) => format!("{list} by {code}"),
        ("status", code) => format!("status {code}"),
        ("campaign", _) => format!("campaign {}", label(row, &action["campaign"])),
        (word @ ("text" | "html"), _) => word.to_owned(),
        (word, _) => format!("{list} by {word}"),
    }
}

/// `90s`, `15m`, `2h`, `1d`: the largest unit that fits.
fn seconds(value: &Value) -> String {
    let Some(total) = value.as_u64() else { return String::new() };
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    match units.iter().find(|(size, _)| total > 0 && total.is_multiple_of(*size)) {
        Some((size, unit)) => format!("{}{unit}", total / size),
        None => format!("{total}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stream_reads_as_it_is_written() {
        let row = json!({
            "campaign": "cmp_1", "slug": "us", "labels": {"cmp_1": "summer", "dst_1": "offer", "dst_2": "other"},
            "filters": [{"field": "country", "is": ["US", "CA"]}, {"field": "bot", "is_not": ["true"]},
                {"field": "os_version", "is": [">= 14.2"]}],
            "destinations": [{"destination": "dst_1", "weight": 70}, {"destination": "dst_2", "weight": 30}],
            "action": {"type": "redirect", "code": 301},
        });
        assert_eq!(status(&json!({"status": "active"})), "active");
        assert_eq!(
            status(&json!({"status": "paused", "unreadable": "of a newer program"})),
            "paused, unreadable"
        );
        assert_eq!(name(Kind::Stream)(&row), "summer/us");
        assert_eq!(filters(&row), "country=US,CA; bot!=true; os_version>=14.2");
        assert_eq!(leads_to(&row), "offer (70), other (30) by 301");
        assert_eq!(leads_to(&json!({"action": {"type": "status", "code": 404}})), "status 404");
        assert_eq!([3_600, 90, 172_800, 0].map(|s| seconds(&json!(s))), ["1h", "90s", "2d", "0s"]);
    }
}
