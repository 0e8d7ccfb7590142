//! `tfx campaign create` without a word, on a terminal: from nothing to a working link, question by question.
//!
//! Questions are short: one that is broken over two lines is drawn twice.

use super::super::{
    destination::offer_url,
    entity::{self, Spec},
    stream,
    up::first_click,
};
use crate::{
    context::Context,
    exit::{Failure, Kind as FailureKind},
    input,
    output::{Column, cents, text},
    prompt,
};
use serde_json::{Value, json};
use tfx_api::{ApiError, Client, entities::EntityQuery};
use tfx_domain::{
    entity::Kind,
    money::{Amount, Currency},
    slug::Slug,
};

/// What was answered.
struct Plan {
    name: String,
    slug: String,
    url: String,
    payout: Option<(Amount, Option<Currency>)>,
    /// As in `--filter`.
    countries: Option<String>,
    network: Option<Network>,
    /// Where its clicks are bought, by slug.
    source: Option<String>,
}

/// Who pays.
enum Network {
    /// By its slug.
    Existing(String),
    /// By its name, with the slug it gets.
    New(String, String),
}

impl Network {
    fn slug(&self) -> &str {
        match self {
            Self::Existing(slug) | Self::New(_, slug) => slug,
        }
    }
}

/// Asks, shows what was understood, and makes network, destination, campaign and stream.
pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    // Nobody should answer six questions for a service that is not there.
    client.whoami().await?;
    context.out.note("A tracking link in a few questions; Ctrl-C ends without a trace.\n");
    let plan = ask(context, &client).await?;
    context.out.note(summary(&plan));
    if !prompt::confirm("Create it?", true)? {
        context.out.note("nothing was created");
        return Ok(());
    }
    let made = make(&client, &plan).await?;
    show(context, &plan, &made)
}

async fn ask(context: &Context, client: &Client) -> Result<Plan, Failure> {
    let name = prompt::text("Name of the campaign", None, entity::name)?;
    let slug = ask_slug(client, &name).await?;
    let url = with_click_id(context, prompt::text("Offer URL", None, offer_url)?)?;
    let payout = prompt::optional("Payout, such as 25 EUR (empty: the postback says)", |text| {
        input::money(text).map(|_| ())
    })?;
    let payout = payout.as_deref().map(input::money).transpose().map_err(Failure::usage)?;
    let rule = |text: &str| stream::country(text).map(|_| ());
    let countries = prompt::optional("Countries, such as US,CA (empty: everywhere)", rule)?;
    let network = ask_network(client).await?;
    let source = ask_source(client).await?;
    Ok(Plan { name, slug, url, payout, countries, network, source })
}

/// A slug that nobody has.
async fn ask_slug(client: &Client, name: &str) -> Result<String, Failure> {
    let mut suggested =
        free(client, Kind::Campaign, &Slug::suggest(name).map_or_else(String::new, |s| s.to_string()))
            .await?;
    loop {
        let check = |text: &str| text.parse::<Slug>().map(|_| ()).map_err(|e| e.to_string());
        let slug = prompt::text("Short name in the link", Some(suggested).filter(|s| !s.is_empty()), check)?
            .to_lowercase();
        if !exists(client, Kind::Campaign, &slug).await? {
            return Ok(slug);
        }
        let _ = dialoguer::console::Term::stderr().write_line(&format!("'{slug}' is taken"));
        suggested = free(client, Kind::Campaign, &slug).await?;
    }
}

async fn exists(client: &Client, kind: Kind, slug: &str) -> Result<bool, Failure> {
    match client.get(kind, slug).await {
        Ok(_) => Ok(true),
        Err(ApiError::Problem(p)) if p.status == 404 => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// The slug, or the first of `slug-2`, `slug-3`, … that is free.
async fn free(client: &Client, kind: Kind, slug: &str) -> Result<String, Failure> {
    if slug.is_empty() || !exists(client, kind, slug).await? {
        return Ok(slug.to_owned());
    }
    let base: String = slug.chars().take(60).collect();
    for n in 2..1000 {
        let next = format!("{base}-{n}");
        if !exists(client, kind, &next).await? {
            return Ok(next);
        }
    }
    Ok(String::new())
}

/// Without the click id in it, the network could not tell which click converted.
fn with_click_id(context: &Context, url: String) -> Result<String, Failure> {
    if ["{click_id}", "{clickid}", "{subid}"].iter().any(|m| url.contains(m)) {
        return Ok(url);
    }
    context.out.note("The URL carries no {click_id}: conversions could not be matched.");
    let question = "Parameter for it, such as subid (empty: none)";
    let plain = |text: &str| match text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        true => Ok(()),
        false => Err("must be letters, digits, '-', '_' or '.'".to_owned()),
    };
    let Some(param) = prompt::optional(question, plain)? else { return Ok(url) };
    Ok(with_param(&url, &param))
}

/// `…?param={click_id}`, before a fragment.
fn with_param(url: &str, param: &str) -> String {
    let (base, fragment) = url.find('#').map_or((url, ""), |at| url.split_at(at));
    let sign = match base.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{base}{sign}{param}={{click_id}}{fragment}")
}

async fn ask_network(client: &Client) -> Result<Option<Network>, Failure> {
    let page = client.list(Kind::Network, &EntityQuery { limit: Some(50), ..EntityQuery::default() }).await?;
    let known: Vec<String> = page.items.iter().map(|n| text(&n["slug"])).collect();
    if !known.is_empty() {
        let mut items = vec!["none for now".to_owned()];
        items.extend(known.iter().cloned());
        items.push("a new one".to_owned());
        let chosen = prompt::choose("Network that pays", &items)?;
        if chosen == 0 {
            return Ok(None);
        }
        if let Some(slug) = known.get(chosen - 1) {
            return Ok(Some(Network::Existing(slug.clone())));
        }
    }
    let Some(name) = prompt::optional("Network that pays (empty: none for now)", entity::name)? else {
        return Ok(None);
    };
    let slug = Slug::suggest(&name).map_or_else(String::new, |s| s.to_string());
    let slug = free(client, Kind::Network, &slug).await?;
    Ok(Some(Network::New(name, slug)))
}

/// Only where there are some: their tokens come into the link.
async fn ask_source(client: &Client) -> Result<Option<String>, Failure> {
    let page = client.list(Kind::Source, &EntityQuery { limit: Some(50), ..EntityQuery::default() }).await?;
    let known: Vec<String> = page.items.iter().map(|s| text(&s["slug"])).collect();
    if known.is_empty() {
        return Ok(None);
    }
    let mut items = vec!["none for now".to_owned()];
    items.extend(known.iter().cloned());
    let chosen = prompt::choose("Traffic source, for its tokens in the link", &items)?;
    Ok(chosen.checked_sub(1).and_then(|i| known.get(i).cloned()))
}

fn summary(plan: &Plan) -> String {
    let mut lines = vec![
        String::new(),
        format!("  campaign  {} ({})", plan.name, plan.slug),
        format!("  sends to  {}", plan.url),
        format!("  from      {}", plan.countries.as_deref().unwrap_or("everywhere")),
    ];
    if let Some((amount, currency)) = &plan.payout {
        let of = match (currency, &plan.network) {
            (Some(currency), _) => currency.to_string(),
            (None, Some(Network::Existing(slug))) => format!("in the currency of {slug}"),
            (None, _) => Currency::default().to_string(),
        };
        lines.push(format!("  payout    {} {of}", cents(&amount.to_string())));
    }
    match &plan.network {
        Some(Network::Existing(slug)) => lines.push(format!("  network   {slug}")),
        Some(Network::New(name, slug)) => lines.push(format!("  network   {name} ({slug}), new")),
        None => {}
    }
    if let Some(source) = &plan.source {
        lines.push(format!("  source    {source}"));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// What was made, as the API shows it.
#[derive(Default)]
struct CreatedEntities {
    entities: Vec<(Kind, Value)>,
    link: String,
    postback_url: Option<String>,
}

async fn make(client: &Client, plan: &Plan) -> Result<CreatedEntities, Failure> {
    let mut made = CreatedEntities::default();
    match steps(client, plan, &mut made).await {
        Ok(()) => Ok(made),
        Err(failure) if made.entities.is_empty() => Err(failure),
        Err(failure) => {
            let one =
                |(kind, entity): &(Kind, Value)| format!("{kind} {}", entity::view::name(*kind)(entity));
            let there = made.entities.iter().map(one).collect::<Vec<_>>().join(", ");
            Err(failure
                .hint(format!("already there: {there}; go on with tfx stream create, or archive them")))
        }
    }
}

async fn steps(client: &Client, plan: &Plan, made: &mut CreatedEntities) -> Result<(), Failure> {
    if let Some(Network::New(name, slug)) = &plan.network {
        let currency = plan.payout.and_then(|(_, currency)| currency).unwrap_or_default();
        add(client, made, Kind::Network, json!({ "name": name, "slug": slug, "currency": currency })).await?;
    }
    let offer = free(client, Kind::Destination, &plan.slug).await?;
    let mut destination = json!({ "name": format!("{} offer", plan.name), "slug": offer, "url": plan.url });
    if let Some((amount, currency)) = &plan.payout {
        destination["payout"] = json!({ "amount": amount, "currency": currency });
    }
    if let Some(network) = &plan.network {
        destination["network"] = json!(network.slug());
    }
    add(client, made, Kind::Destination, destination).await?;
    let mut campaign = json!({ "name": plan.name, "slug": plan.slug });
    if let Some(source) = &plan.source {
        campaign["source"] = json!(source);
    }
    add(client, made, Kind::Campaign, campaign).await?;
    let mut everyone = json!({
        "campaign": plan.slug, "name": "Main", "slug": "main", "destinations": [{ "destination": offer }],
    });
    if let Some(countries) = &plan.countries {
        everyone["filters"] = json!([stream::country(countries).map_err(Failure::usage)?]);
    }
    add(client, made, Kind::Stream, everyone).await?;
    made.link = client.campaign_link(&plan.slug, None).await?.url;
    if let Some(network) = &plan.network {
        made.postback_url = Some(client.postback_url(network.slug(), None).await?.url);
    }
    Ok(())
}

async fn add(client: &Client, made: &mut CreatedEntities, kind: Kind, spec: Value) -> Result<(), Failure> {
    let Value::Object(fields) = spec else {
        return Err(Failure::new(FailureKind::Failed, "a spec is an object"));
    };
    let spec: Spec = fields;
    let (entity, _) = entity::create(client, kind, spec, false).await?;
    made.entities.push((kind, entity));
    Ok(())
}

fn show(context: &Context, plan: &Plan, made: &CreatedEntities) -> Result<(), Failure> {
    let mut item = json!({ "link": made.link, "postback_url": made.postback_url });
    for (kind, entity) in &made.entities {
        item[kind.noun()] = entity.clone();
    }
    let fields = [Column::text("tracking link", "link"), Column::text("postback URL", "postback_url")];
    context.out.item(&item, &fields, "link")?;
    made.entities.iter().for_each(|(_, entity)| context.out.warnings(entity));
    let slug = &plan.slug;
    if made.postback_url.is_some() {
        context.out.note("\nGive the postback URL to the network, with its own macros in the place of {…}.");
    }
    context.out.note("\nNext:");
    context.out.note(format!("  {}", first_click(&made.link)));
    let country = plan.countries.as_deref().and_then(|c| c.split(',').next()).unwrap_or("US").trim();
    context.out.note(format!("  tfx explain {slug} --country {country}      where a click goes, and why"));
    context.out.note(format!("  tfx report --where campaign={slug}"));
    if plan.source.is_none() {
        context.out.note("  tfx source create --name NAME --param 'zoneid={zoneid}'   where clicks are bought, with its tokens");
        context.out.note(format!("  tfx campaign update {slug} --source NAME; tfx campaign link {slug}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_click_id_is_put_where_a_query_is() {
        for (url, want) in [
            ("https://o.example/", "https://o.example/?s={click_id}"),
            ("https://o.example/?a=1", "https://o.example/?a=1&s={click_id}"),
            ("https://o.example/?", "https://o.example/?s={click_id}"),
            ("https://o.example/x#top", "https://o.example/x?s={click_id}#top"),
        ] {
            assert_eq!(with_param(url, "s"), want);
        }
    }
}
