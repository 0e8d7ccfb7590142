//! The URLs that people hand out: tracking links, and postback URLs for networks.

use crate::{
    app::App,
    compressed::with_secret,
    entities::refs::{self, named},
    failure::Failure,
    input::{Path, Query},
    reply::json,
};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::{net::IpAddr, sync::Arc};
use tfx_api::entities::Link;
use tfx_domain::{
    entity::{CampaignSpec, Kind, NetworkSpec, Secret, SourceSpec, Status, TemplateSpec},
    postback::Field,
};
use tfx_ports::config::Record;
use tfx_settings::Addresses;

/// What need not be escaped in a query.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/campaigns/{ref}/link", get(campaign_link))
        .route("/networks/{ref}/postback-url", get(postback_url))
}

async fn campaign_link(
    State(app): State<Arc<App>>,
    Path(reference): Path,
    mut query: Query,
) -> Result<Response, Failure> {
    let source = query.text("source");
    query.finish()?;
    let config = app.stores.config.as_ref();
    let campaign = named(config, Kind::Campaign, &reference).await?;
    let own = campaign.typed::<CampaignSpec>()?.spec.source.map(|id| id.to_string());
    let source = match source.as_ref().or(own.as_ref()) {
        Some(text) => Some(named(config, Kind::Source, text).await?),
        None => None,
    };
    let mut url = format!("{}/c/{}", public_base(&app.settings.addresses), campaign.slug);
    let mut note = None;
    if let Some(source) = source {
        url.push_str(&tokens(&source.typed::<SourceSpec>()?.spec));
        note = (own.as_ref() != Some(&source.id)).then(|| {
            format!(
                "the campaign {0} is not said to buy from {1}, so it reads parameters by other names; \
                 tfx campaign update {0} --source {1}",
                campaign.slug, source.slug
            )
        });
    }
    Ok(json(StatusCode::OK, &Link { url, note }))
}

/// The query of a source's links: what it calls its parameters, each with its token as it is.
fn tokens(source: &SourceSpec) -> String {
    let mut query = String::new();
    for (name, token) in source.params.in_links() {
        let sign = if query.is_empty() { '?' } else { '&' };
        query.push_str(&format!("{sign}{}={token}", utf8_percent_encode(name, ESCAPED)));
    }
    query
}

/// The first public host; without one, where traffic-service is found.
fn public_base(addresses: &Addresses) -> String {
    let Some(host) = addresses.public_hosts.first() else { return addresses.traffic_url.clone() };
    let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    format!("{}://{host}", if local { "http" } else { "https" })
}

async fn postback_url(
    State(app): State<Arc<App>>,
    Path(reference): Path,
    mut query: Query,
) -> Result<Response, Failure> {
    let template = query.text("template");
    query.finish()?;
    let config = app.stores.config.as_ref();
    let record = named(config, Kind::Network, &reference).await?;
    let network = record.typed::<NetworkSpec>()?.spec;
    let named = match template {
        Some(text) => {
            let found = template_record(&app, &record.id, &text).await?;
            let missing =
                || Failure::not_found(format!("the network {} has no template '{text}'", record.slug));
            Some(found.ok_or_else(missing)?.typed::<TemplateSpec>()?.spec)
        }
        None => None,
    };
    let path = named.as_ref().map(|t| format!("/{}", t.slug)).unwrap_or_default();
    let template = match named {
        Some(template) => Some(template),
        // Postbacks that name none are read with it.
        None => template_record(&app, &record.id, "default")
            .await?
            .map(|found| found.typed::<TemplateSpec>())
            .transpose()?
            .map(|found| found.spec)
            .filter(|t| t.status == Status::Active),
    };
    let base = &app.settings.addresses.postback_url;
    let link = url_of(base, &network, &path, template.as_ref());
    Ok(with_secret(json(StatusCode::OK, &link)))
}

/// A template of a network by its slug there, its id or `network/slug`.
pub(crate) async fn template_record(app: &App, network: &str, text: &str) -> Result<Option<Record>, Failure> {
    let config = app.stores.config.as_ref();
    let full = if text.contains('/') || text.starts_with("tpl_") {
        text.to_owned()
    } else {
        format!("{network}/{text}")
    };
    Ok(refs::find(config, Kind::Template, &full).await?.filter(|t| t.parent == network))
}

/// Our parameters as the network calls them, each with the network's own macro; where its template tells none, with a
/// placeholder for it. What would not be read there, since the network signs something else, is in the note alone.
fn url_of(base: &str, network: &NetworkSpec, path: &str, template: Option<&TemplateSpec>) -> Link {
    let (mut query, mut unread) = (Vec::new(), Vec::new());
    if let Some(Secret(secret)) = &network.postback_secret {
        query.push(format!("secret={}", utf8_percent_encode(secret, ESCAPED)));
    }
    let macros = template.map(|t| t.macros.clone()).unwrap_or_default();
    let signature = template.and_then(|t| t.signature.as_ref());
    let is_read = |name: &str| signature.is_none_or(|s| s.covers_query() || s.covers_param(name));
    let params = [
        (Field::ClickId, &macros.click_id),
        (Field::TransactionId, &macros.transaction_id),
        (Field::Payout, &macros.payout),
        (Field::Currency, &macros.currency),
        (Field::Status, &macros.status),
    ];
    for (field, own) in params {
        let value = match own {
            Some(own) => own.clone(),
            None if macros.is_empty() => format!("{{{}}}", field.as_str()),
            None => continue,
        };
        let names = field.names(template);
        let read = names.iter().find(|name| is_read(name));
        let Some(name) = read.or(names.first()) else { continue };
        let said = format!("{}={value}", utf8_percent_encode(name, ESCAPED));
        if read.is_some() { &mut query } else { &mut unread }.push(said);
    }
    let paste = match macros.is_empty() {
        false => "paste it as it is: it has the network's own macros",
        true => "put the network's own macros in the place of {…}",
    };
    let unread = unread.join("&");
    let note = match signature {
        Some(_) if unread.is_empty() => paste.to_owned(),
        Some(s) if s.covers_body() => {
            format!(
                "the network signs the body, and nothing else is read: have it send {unread} there; {paste}"
            )
        }
        Some(_) => format!("{paste}; not signed by the network, so not read and left out: {unread}"),
        None => paste.to_owned(),
    };
    let url = format!("{base}/postback/{}{path}?{}", network.slug, query.join("&"));
    Link { url: url.trim_end_matches('?').to_owned(), note: Some(note) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_link_has_the_tokens_of_its_source_as_they_are() {
        let query = |params: serde_json::Value| {
            let spec = json!({"slug": "push", "name": "Push", "params": params});
            tokens(&serde_json::from_value(spec).expect("spec"))
        };
        let all = json!({
            "external_id": "click={SUBID}", "cost": "bid=[[BID]]", "keyword": "kw",
            "subs": {"sub10": "ten=$10", "sub2": "zone id=%zone%"}, "others": ["site={site_id}"],
        });
        assert_eq!(query(all), "?click={SUBID}&bid=[[BID]]&zone%20id=%zone%&ten=$10&site={site_id}");
        assert_eq!(query(json!({"cost": "bid"})), "", "a name alone is no token");
    }

    #[test]
    fn a_postback_url_has_the_secret_the_template_and_its_names() {
        let network: NetworkSpec =
            serde_json::from_value(json!({"slug": "net", "name": "Net", "postback_secret": "a&b=c123"}))
                .expect("spec");
        assert_eq!(
            url_of("http://pb", &network, "", None).url,
            "http://pb/postback/net?secret=a%26b%3Dc123&click_id={click_id}&transaction_id={transaction_id}\
             &payout={payout}&currency={currency}&status={status}"
        );
        let template: TemplateSpec = serde_json::from_value(json!({
            "network": "net_0000000000000000000", "slug": "main", "name": "Main", "params": {"click_id": "aff sub"},
        }))
        .expect("spec");
        let url = url_of("http://pb", &network, "/main", Some(&template)).url;
        assert!(
            url.starts_with("http://pb/postback/net/main?secret=") && url.contains("&aff%20sub={click_id}&"),
            "{url}"
        );
        // With macros of the network's own it is what is to be pasted: nothing stands in it that the network does not know.
        let template: TemplateSpec = serde_json::from_value(json!({
            "network": "net_0000000000000000000", "slug": "default", "name": "Default",
            "params": {"click_id": "s2"}, "macros": {"click_id": "#s2#", "payout": "#price#", "status": "sale"},
        }))
        .expect("spec");
        assert_eq!(
            url_of("http://pb", &network, "", Some(&template)).url,
            "http://pb/postback/net?secret=a%26b%3Dc123&s2=#s2#&payout=#price#&status=sale"
        );
    }

    /// What is not signed is not read, so nothing of it stands where a person would paste it.
    #[test]
    fn a_postback_url_has_only_what_the_network_signs() {
        let network: NetworkSpec =
            serde_json::from_value(json!({"slug": "net", "name": "Net", "postback_secret": "secret12"}))
                .expect("spec");
        let link = |signed: &str, macros: serde_json::Value| {
            let template = json!({
                "network": "net_0000000000000000000", "slug": "default", "name": "Default", "macros": macros,
                "signature": {"in": "header:X-Sig", "signed": signed},
            });
            let link =
                url_of("http://pb", &network, "", Some(&serde_json::from_value(template).expect("spec")));
            let url = link.url.strip_prefix("http://pb/postback/net?secret=secret12").map(str::to_owned);
            (url.expect("its secret"), link.note.expect("a note"))
        };
        let all = "click_id={click_id}&transaction_id={transaction_id}&payout={payout}&currency={currency}&status={status}";
        for signed in ["{url}", "{sorted}", "{time}.{query}"] {
            assert_eq!(link(signed, json!({})).0, format!("&{all}"), "{signed}");
        }
        let (url, note) = link("{time}.{body}", json!({}));
        assert!(url.is_empty() && note.contains(&format!("have it send {all} there")), "{url} {note}");
        let (url, note) = link("{body}", json!({"click_id": "#s2#", "status": "sale"}));
        assert!(url.is_empty() && note.contains("send click_id=#s2#&status=sale there"), "{url} {note}");
        let (url, note) = link("{param:subid}:{param:sum}:{param:tid}", json!({}));
        assert_eq!(
            url, "&subid={click_id}&tid={transaction_id}&sum={payout}",
            "by the names that are signed"
        );
        assert!(note.ends_with("not read and left out: currency={currency}&status={status}"), "{note}");
    }
}
