//! What loses money without a word, as the configuration is: before a click or a postback shows it.

use super::currencies::is_of;
use crate::{app::App, failure::Failure};
use tfx_api::postbacks::{Finding, FindingKind};
use tfx_domain::{
    entity::{DestinationSpec, Kind, NetworkSpec, SourceSpec, Status, TemplateSpec},
    postback::{advice, unreadable_key},
};
use tfx_ports::config::Record;

/// Of what is active; of one network: itself and the destinations that it pays for.
pub(super) async fn silent(app: &App, network: Option<&Record>) -> Result<Vec<Finding>, Failure> {
    let (_, records) = app.stores.config.load().await?;
    let active = || records.iter().filter(|r| r.status == Status::Active);
    let meant = |r: &&Record| network.is_none_or(|n| is_of(r, n));
    let mut found: Vec<Finding> = active().filter(meant).filter_map(of).collect();
    let networks = active().filter(|r| r.kind == Kind::Network).filter(meant);
    for (record, spec) in networks.filter_map(|r| Some((r, r.typed::<NetworkSpec>().ok()?.spec))) {
        let templates = records.iter().filter(|r| r.kind == Kind::Template && r.parent == record.id);
        let templates: Vec<TemplateSpec> =
            templates.filter_map(|r| Some(r.typed::<TemplateSpec>().ok()?.spec)).collect();
        found.extend(unsigned(&spec, &templates).map(|(template, kind, because, command)| Finding {
            network: spec.slug.to_string(),
            entity: match template {
                Some(slug) => format!("{} {}/{slug}", Kind::Template, spec.slug),
                None => format!("{} {}", Kind::Network, spec.slug),
            },
            because,
            command,
            ..Finding::new(kind, record.updated_at)
        }));
    }
    Ok(found)
}

/// Templates that are signed without a key or with one that is written otherwise, and not signed with one.
fn unsigned<'t>(
    network: &'t NetworkSpec,
    templates: &'t [TemplateSpec],
) -> impl Iterator<Item = (Option<String>, FindingKind, String, String)> + 't {
    let slug = network.slug.as_str();
    let has_key = network.signing_key.is_some();
    let say = "its network signs, and what it does not say how to look at is answered 503; PLACE is where the signature stands, TEXT \
               what is signed";
    let active = || templates.iter().filter(|t| t.status == Status::Active);
    let of_template = active().filter_map(move |t| match (&t.signature, has_key) {
        (Some(_), false) => Some((
            Some(t.slug.to_string()),
            FindingKind::NoSigningKey,
            "its network has no signing key, so all that comes through it is answered 503".to_owned(),
            format!("tfx network update {slug} --signing-key-file FILE"),
        )),
        (None, true) => Some((
            Some(t.slug.to_string()),
            FindingKind::NoSignature,
            say.to_owned(),
            format!("tfx template update {slug}/{} --signature-in PLACE --signed TEXT", t.slug),
        )),
        (Some(_), true) => unreadable_key(network, t)
            .map(|(why, mends)| (Some(t.slug.to_string()), FindingKind::UnreadableKey, why, mends)),
        _ => None,
    });
    let none = (has_key && active().next().is_none()).then(|| {
        let default = templates.iter().find(|t| t.slug.as_str() == "default");
        let command = advice::template_command(network, default);
        (
            None,
            FindingKind::NoSignature,
            say.to_owned(),
            format!("{command} --signature-in PLACE --signed TEXT"),
        )
    });
    of_template.chain(none)
}

/// None: nothing is wrong with it, or it cannot be read, which is told elsewhere.
fn of(record: &Record) -> Option<Finding> {
    let slug = &record.slug;
    let (kind, because, command) = match record.kind {
        Kind::Destination => unnamed(slug, &record.typed::<DestinationSpec>().ok()?.spec)?,
        Kind::Network => refusing(slug, &record.typed::<NetworkSpec>().ok()?.spec)?,
        Kind::Source => untold(slug, &record.typed::<SourceSpec>().ok()?.spec)?,
        _ => return None,
    };
    Some(Finding {
        source: if record.kind == Kind::Source { slug.clone() } else { String::new() },
        network: if record.kind == Kind::Network { slug.clone() } else { String::new() },
        entity: format!("{} {slug}", record.kind),
        because: because.to_owned(),
        command,
        ..Finding::new(kind, record.updated_at)
    })
}

/// What it is, why it loses money, and the command that mends it.
type Silent = (FindingKind, &'static str, String);

fn unnamed(slug: &str, destination: &DestinationSpec) -> Option<Silent> {
    destination.network.as_ref().filter(|_| !destination.carries_click_id())?;
    Some((
        FindingKind::NoClickId,
        "its network is not told the click and can report nothing of it; SUBID is what it calls its parameter for that",
        format!("tfx destination update {slug} --url 'URL?SUBID={{click_id}}'"),
    ))
}

fn refusing(slug: &str, network: &NetworkSpec) -> Option<Silent> {
    let known = network.postback_secret.is_some()
        || !network.allowed_ips.is_empty()
        || network.allowed_ips_file.is_some();
    (!known).then(|| {
        (
            FindingKind::NoSecret,
            "anybody could report sales for it, so all that comes for it is refused",
            format!("tfx network rotate-secret {slug}"),
        )
    })
}

fn untold(slug: &str, source: &SourceSpec) -> Option<Silent> {
    if source.postback_url.is_none() && source.postback_urls.is_empty() {
        return None;
    }
    let (because, command) = match source.tells_of_a_click() {
        false => (
            "nothing that it is told names the click; PARAMETER is what it calls that",
            format!("tfx source update {slug} --postback-url 'URL?PARAMETER={{external_id}}'"),
        ),
        true if source.tells_external_id() && !source.links_carry_external_id() => (
            "its links do not carry its id of the click, so {external_id} is empty, and it is told nothing; NAME is a parameter \
             of ours, TOKEN the source's macro",
            format!("tfx source update {slug} --external-id-param 'NAME=TOKEN'"),
        ),
        true => return None,
    };
    Some((FindingKind::NoExternalId, because, command))
}
