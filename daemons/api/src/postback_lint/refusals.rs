//! What was refused, by network and by why.

use super::linter::{Linter, LoggedNetwork, UnreadAmounts};
use crate::{entities::refs, failure::Failure};
use std::net::IpAddr;
use tfx_api::postbacks::{Finding, FindingKind};
use tfx_domain::{
    entity::{Kind, SignatureFormat, Status, TemplateSpec},
    event::{PostbackLogEvent, PostbackResult},
    postback::{Field, advice, interpret},
    slug::Slug,
};
use tfx_ports::config::Record;

/// Networks that there are not, of which is told: strangers do not decide how many.
const MOST_STRANGERS: usize = 20;
/// Of so many different amounts it is looked how they are written.
const MOST_AMOUNTS: usize = 100;

/// Why it was refused, and what mends it.
struct Refused {
    /// The parameter, or the part of the request.
    what: String,
    because: String,
    command: String,
    /// What is told apart within: an address.
    id: String,
}

impl Linter<'_> {
    /// What was refused, unless it would not be any more. To be called with the newest line first.
    pub(super) async fn refused(&mut self, line: &PostbackLogEvent) -> Result<(), Failure> {
        if line.result != PostbackResult::Rejected {
            return Ok(());
        }
        let was_let_in = self.admitted.contains(&from(line));
        let was_served = self.served.contains(line.network.as_str());
        let Some((known, template)) = self.network(line).await? else {
            return self.stranger(line).await;
        };
        let (slug, named) = (known.spec.slug.to_string(), template.map(|t| t.slug.clone()));
        let refused = match line.status {
            _ if known.record.status != Status::Active => Some(Refused {
                what: "network".to_owned(),
                because: format!("the network is {}", known.record.status.as_str()),
                command: format!("tfx network resume {slug}"),
                id: String::new(),
            }),
            400 => malformed(known, template, line)?,
            403 if was_let_in && advice::came_with_former_secret(&line.reason) != Some(false) => None,
            403 => not_accepted(known, line),
            404 if line.click_id.is_none() => no_template(known, template, line),
            // It went again later: the network sends it until it is taken.
            503 if was_served => None,
            _ => Some(other(&slug, line)),
        };
        let Some(refused) = refused else { return Ok(()) };
        let amount = match line.status {
            400 => unread_amount(known, template, line)?,
            _ => None,
        };
        let same = format!("{} {}", line.status, advice::pattern(advice::without_notes(&line.reason)));
        let finding = Finding {
            network: slug,
            template: named,
            what: refused.what,
            because: refused.because,
            command: refused.command,
            ..Finding::new(FindingKind::Refused, line.at)
        };
        if let Some((value, unread)) = amount {
            let key = (finding.network.clone(), finding.template.clone(), finding.kind, same.clone());
            let said = &mut self.amounts.entry(key).or_insert(unread).said;
            if said.len() < MOST_AMOUNTS && !said.contains(&value) {
                said.push(value);
            }
        }
        self.add(&same, &refused.id, line, finding);
        Ok(())
    }

    /// Keeps what a line says of those before it: who was let in, and that the network was served.
    pub(super) fn came(&mut self, line: &PostbackLogEvent) {
        if line.status == 0 {
            return;
        }
        if line.result != PostbackResult::Rejected {
            self.served.insert(line.network.to_string());
        }
        // Behind secret and address, whatever it said.
        if !matches!(line.status, 403 | 404) {
            self.admitted.insert(from(line));
        }
    }

    /// A network that there is not.
    async fn stranger(&mut self, line: &PostbackLogEvent) -> Result<(), Failure> {
        let slug = line.network.to_lowercase();
        if line.network_id.is_some() || line.status != 404 {
            return Ok(());
        }
        if !self.strangers.contains_key(&slug) {
            if self.strangers.len() >= MOST_STRANGERS {
                return Ok(());
            }
            let config = self.app.stores.config.as_ref();
            let is_there = refs::find(config, Kind::Network, &slug).await?.is_some();
            let because =
                if is_there { None } else { Some(refs::unknown(config, Kind::Network, &slug).await) };
            self.strangers.insert(slug.clone(), because);
        }
        let Some(Some(because)) = self.strangers.get(&slug).cloned() else { return Ok(()) };
        let command = match slug.parse::<Slug>() {
            Ok(slug) => format!("tfx network create --slug {slug}"),
            Err(_) => "tfx network list".to_owned(),
        };
        let finding = Finding {
            network: slug,
            what: "network".to_owned(),
            because: format!("{because}; give the network the URL of one that there is, or make this one"),
            command,
            ..Finding::new(FindingKind::Refused, line.at)
        };
        self.add("network", "", line, finding);
        Ok(())
    }
}

/// The network, and whence.
fn from(line: &PostbackLogEvent) -> (String, String) {
    (line.network.to_string(), line.remote_ip.to_string())
}

/// A parameter that is missing or malformed; none if it would be taken now.
fn malformed(
    known: &LoggedNetwork,
    template: Option<&Record>,
    line: &PostbackLogEvent,
) -> Result<Option<Refused>, Failure> {
    let (parameter, _) = line.reason.split_once(": ").unwrap_or(("", ""));
    let named = template.map(Record::typed::<TemplateSpec>).transpose()?.map(|t| t.spec);
    let spec = named.as_ref().filter(|t| t.status == Status::Active);
    // What could not be read as a text is not in the log, so it cannot be tried again.
    let is_said = line.params.iter().any(|(name, _)| name.eq_ignore_ascii_case(parameter));
    let can_be_tried = is_said || line.reason.contains(": is missing");
    let is_mended = !line.reason.contains(advice::HOLDS_SECRET) && can_be_tried;
    if is_mended && interpret(&known.spec, spec, &line.params, &[]).is_ok() {
        return Ok(None);
    }
    let mut because = advice::without_notes(&line.reason).to_owned();
    let mut command = postback_url(known, template);
    let is_click = is_of(Field::ClickId, spec, parameter);
    let signed = spec.and_then(|t| t.signature.as_ref()).filter(|format| !format.covers_query());
    let by_name =
        |format: &SignatureFormat| Field::ClickId.names(spec).iter().any(|n| format.covers_param(n));
    if let Some((say, mends)) = advice::click_id_param(&known.spec, spec, named.as_ref(), &line.params) {
        because += &format!("; {say}");
        command = mends;
    } else if is_click || line.reason.contains(advice::HOLDS_SECRET) {
        because += match signed {
            Some(format) if format.covers_body() => {
                "; what the network does not sign is not read, so it is to send it in the body, as is said beside this URL"
            }
            Some(format) if is_click && !by_name(format) => {
                command =
                    format!("tfx template show {}/{}", known.spec.slug, template.map_or("", |t| &t.slug));
                "; the signature of its template does not cover it, so it is not read: compare with what the network signs"
            }
            _ => "; the network is to send it as this URL has it",
        };
    } else {
        // No URL mends what stands in it; of amounts a template may.
        command = in_log(known.spec.slug.as_str());
    }
    Ok(Some(Refused { what: parameter.to_owned(), because, command, id: String::new() }))
}

fn is_of(field: Field, template: Option<&TemplateSpec>, parameter: &str) -> bool {
    field.names(template).iter().any(|name| name.eq_ignore_ascii_case(parameter))
}

/// The amount for which a line was refused, for whoever looks how such are written.
fn unread_amount(
    known: &LoggedNetwork,
    template: Option<&Record>,
    line: &PostbackLogEvent,
) -> Result<Option<(String, UnreadAmounts)>, Failure> {
    let (parameter, _) = line.reason.split_once(": ").unwrap_or(("", ""));
    let named = template.map(Record::typed::<TemplateSpec>).transpose()?.map(|t| t.spec);
    let spec = named.as_ref().filter(|t| t.status == Status::Active);
    if !is_of(Field::Payout, spec, parameter) {
        return Ok(None);
    }
    let said = line.params.iter().filter(|(name, _)| name.eq_ignore_ascii_case(parameter));
    let said = said.map(|(_, value)| value.trim().to_owned()).find(|value| !value.is_empty());
    let network = known.spec.clone();
    Ok(said.map(|said| (said, UnreadAmounts { network, template: named, said: Vec::new() })))
}

/// The command that shows what was refused.
fn in_log(network: &str) -> String {
    format!("tfx postback log --network {network} --result rejected")
}

/// A secret or an address that is not accepted.
fn not_accepted(known: &LoggedNetwork, line: &PostbackLogEvent) -> Option<Refused> {
    let (ip, reason) = (line.remote_ip.to_string(), advice::without_notes(&line.reason));
    if reason.contains("sign") {
        let template = if line.template.is_empty() { "default" } else { line.template.as_str() };
        let because = format!("{reason}; compare how it signs, and the key, with what the network says");
        let command = format!("tfx template show {}/{template}", known.spec.slug);
        return Some(Refused { what: "signature".to_owned(), because, command, id: ip });
    }
    if !reason.contains("address") {
        let because = format!("{reason}; the URL that the network is to use has it");
        let command = postback_url(known, None);
        return Some(Refused { what: "secret".to_owned(), because, command, id: ip });
    }
    let spec = &known.spec;
    let parsed = ip.parse::<IpAddr>().ok();
    if parsed.is_some_and(|ip| spec.allowed_ips.iter().any(|net| net.contains(&ip))) {
        return None;
    }
    let file = spec.allowed_ips_file.as_ref();
    let file =
        file.map(|file| format!(", here or in {file} on postback-service's machine")).unwrap_or_default();
    let because = format!("{reason}; if {ip} is the network's, allow it{file}");
    let allowed: Vec<String> = spec.allowed_ips.iter().map(ToString::to_string).chain([ip.clone()]).collect();
    let command = format!("tfx network update {} --allow-ip {}", spec.slug, allowed.join(" --allow-ip "));
    Some(Refused { what: "address".to_owned(), because, command, id: ip })
}

/// A template that is not there or not active; none if it is now.
fn no_template(known: &LoggedNetwork, template: Option<&Record>, line: &PostbackLogEvent) -> Option<Refused> {
    let (network, asked) = (&known.spec.slug, &line.template);
    let command = match template {
        Some(t) if t.status == Status::Active => return None,
        Some(t) => format!("tfx template resume {network}/{}", t.slug),
        // The network was not active then.
        None if asked.is_empty() => return None,
        None => match asked.parse::<Slug>() {
            Ok(slug) => format!("tfx template create --network {network} --slug {slug} --name {slug}"),
            Err(_) => postback_url(known, None),
        },
    };
    let because = match template {
        Some(t) => format!("the template {} is {}", t.slug, t.status.as_str()),
        None => format!("the network has no template {asked}; make it, or give the network another URL"),
    };
    Some(Refused { what: "template".to_owned(), because, command, id: String::new() })
}

fn other(slug: &str, line: &PostbackLogEvent) -> Refused {
    let parameter = line.reason.split_once(": ").map_or("", |(parameter, _)| parameter);
    let what = match line.status {
        404 => "click",
        413 | 415 => "body",
        _ if parameter.contains(' ') => "",
        _ => parameter,
    };
    Refused {
        what: what.to_owned(),
        because: format!("{} (answered {})", advice::without_notes(&line.reason), line.status),
        command: in_log(slug),
        id: String::new(),
    }
}

fn postback_url(known: &LoggedNetwork, template: Option<&Record>) -> String {
    let slug = &known.spec.slug;
    match template.filter(|t| t.slug != "default") {
        Some(t) => format!("tfx network postback-url {slug} --template {}", t.slug),
        None => format!("tfx network postback-url {slug}"),
    }
}
