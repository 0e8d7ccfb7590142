//! Presets: what public pages say of the macros and words of affiliate networks and traffic sources, as data files
//! (`cli/presets`) in the program. What is made of one is an entity like any other, and knows nothing of it
//! (`docs/decisions/0054-presets-are-data.md`).

mod files;

use crate::exit::{Failure, Kind as FailureKind};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::LazyLock};
use tfx_domain::{
    entity::{SourceParams, TemplateMacros},
    nearest::nearest,
    slug::Slug,
};

/// The fields of an entity.
type Spec = Map<String, Value>;

/// What a preset is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PresetKind {
    /// An affiliate network, or a platform that networks run on.
    Network,
    /// A traffic source.
    Source,
}

impl PresetKind {
    /// The noun.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Source => "source",
        }
    }
}

/// A file of presets: either of a network or of a traffic source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Preset {
    /// What it is called in commands.
    pub(crate) name: String,
    /// What the network or source is called.
    pub(crate) title: String,
    /// What it is.
    pub(crate) about: String,
    /// The public page that says what stands here.
    pub(crate) source: String,
    /// When it said so.
    pub(crate) looked_up: String,
    /// What else is to be known where it is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    /// Of a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<OfNetwork>,
    /// Of a traffic source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) traffic: Option<OfSource>,
}

/// What makes a network and its template `default`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfNetwork {
    /// The parameter of the network's links that takes our click id; none: the page does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) click_param: Option<String>,
    /// Fields of the network.
    #[serde(default, skip_serializing_if = "Spec::is_empty")]
    pub(crate) fields: Spec,
    /// Fields of the template.
    pub(crate) template: Spec,
    /// How it signs, for whoever gives its key: the template's `signature`.
    #[serde(default, skip_serializing_if = "Spec::is_empty")]
    pub(crate) signature: Spec,
    /// A postback as it sends one, and what that means.
    pub(crate) example: Postback,
}

/// A postback as a network sends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Postback {
    /// Its query.
    pub(crate) postback: String,
    /// What it is interpreted as.
    pub(crate) means: Means,
}

/// What a postback is interpreted as.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Means {
    /// The status.
    pub(crate) status: String,
    /// What it pays, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) payout: Option<String>,
    /// The currency; not said: the network's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) currency: Option<String>,
    /// The transaction id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) transaction_id: Option<String>,
}

/// What makes a traffic source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfSource {
    /// Fields of the source. What only an account knows stands in its URL as `<key>`.
    pub(crate) fields: Spec,
    /// What only an account knows, and where it is found.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) account: BTreeMap<String, String>,
    /// What it is told of a sale of 12.50 USD, transaction T-1, of its click abc123, with 1 for all of an account's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) example: Option<String>,
}

impl Preset {
    /// What it is of.
    pub(crate) fn kind(&self) -> PresetKind {
        if self.traffic.is_some() { PresetKind::Source } else { PresetKind::Network }
    }

    /// Everything that is searched.
    pub(crate) fn words(&self) -> String {
        let template = self.network.iter().map(|n| Value::Object(n.template.clone()).to_string());
        let fields = self.traffic.iter().map(|t| Value::Object(t.fields.clone()).to_string());
        let all = template.chain(fields).collect::<String>();
        format!("{}\n{}\n{}\n{all}", self.name, self.title, self.about).to_lowercase()
    }
}

impl OfNetwork {
    /// What stands in the URL that the network is given, behind its secret.
    pub(crate) fn query(&self) -> String {
        let read = |field: &str| self.template.get(field).cloned().unwrap_or_default();
        let own: TemplateMacros = serde_json::from_value(read("macros")).unwrap_or_default();
        let params = read("params");
        let all = [
            ("click_id", own.click_id),
            ("transaction_id", own.transaction_id),
            ("payout", own.payout),
            ("currency", own.currency),
            ("status", own.status),
        ];
        let one = |(ours, own): (&str, Option<String>)| {
            Some(format!("{}={}", params[ours].as_str().unwrap_or(ours), own?))
        };
        all.into_iter().filter_map(one).collect::<Vec<_>>().join("&")
    }
}

impl OfSource {
    /// What its links carry, for the end of a campaign's link.
    pub(crate) fn query(&self) -> String {
        links(self.fields.get("params").cloned().unwrap_or_default())
    }

    /// The fields with what an account knows; without what is told to it if some of that is not said, and then what it is.
    pub(crate) fn fields(&self, said: &BTreeMap<&str, &str>) -> (Spec, Vec<(&str, &str)>) {
        let mut fields = self.fields.clone();
        let missing: Vec<(&str, &str)> = self
            .account
            .iter()
            .filter(|(key, _)| !said.contains_key(key.as_str()))
            .map(|(key, where_)| (key.as_str(), where_.as_str()))
            .collect();
        if missing.is_empty() {
            if let Some(Value::String(url)) = fields.get_mut("postback_url") {
                for (key, value) in said {
                    *url = url.replace(&format!("<{key}>"), value);
                }
            }
        } else {
            fields.retain(|field, _| !field.starts_with("postback_"));
        }
        (fields, missing)
    }
}

/// What links with these parameters carry: `?cid={clickid}&zone={zoneid}`; nothing without tokens.
pub(crate) fn links(params: Value) -> String {
    let params: SourceParams = serde_json::from_value(params).unwrap_or_default();
    let all = params.in_links().map(|(name, token)| format!("{name}={token}")).collect::<Vec<_>>().join("&");
    if all.is_empty() { all } else { format!("?{all}") }
}

/// Names what is made of a preset as the preset is called, where nothing is said; its slug is made of the name that was.
pub(crate) fn name(spec: &mut Spec, preset: &Preset) {
    if !spec.contains_key("slug") {
        let named = spec.get("name").and_then(Value::as_str);
        // A name of which no slug can be made is told by what checks it.
        let slug = named
            .map_or_else(|| Some(preset.name.clone()), |name| Slug::suggest(name).map(|s| s.to_string()));
        if let Some(slug) = slug {
            spec.insert("slug".to_owned(), slug.into());
        }
    }
    spec.entry("name").or_insert_with(|| preset.title.as_str().into());
}

/// What else is to be known of it, and where it is from.
pub(crate) fn origin(preset: &Preset) -> Vec<String> {
    let from = format!("from {}, looked up on {}", preset.source, preset.looked_up);
    preset.notes.iter().cloned().chain([from]).collect()
}

static ALL: LazyLock<Vec<Preset>> = LazyLock::new(|| {
    // A file that cannot be read is no preset; a test reads them all.
    let read = |text: &&str| serde_norway::from_str::<Preset>(text).ok();
    let mut all: Vec<Preset> = files::NETWORKS.iter().chain(files::SOURCES).filter_map(read).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
});

/// All of them, or those of a kind, by name.
pub(crate) fn all(kind: Option<PresetKind>) -> impl Iterator<Item = &'static Preset> {
    ALL.iter().filter(move |preset| kind.is_none_or(|kind| preset.kind() == kind))
}

/// The preset of that name.
///
/// # Errors
/// There is none: with the one that was probably meant.
pub(crate) fn find(kind: Option<PresetKind>, name: &str) -> Result<&'static Preset, Failure> {
    let wanted = name.trim().to_lowercase();
    if let Some(found) = all(kind).find(|preset| preset.name == wanted) {
        return Ok(found);
    }
    let noun = kind.map(|kind| format!(" of a {}", kind.as_str())).unwrap_or_default();
    if let Some(other) = all(None).find(|preset| preset.name == wanted) {
        let (name, other) = (&other.name, other.kind().as_str());
        let message = format!("there is no preset{noun} '{name}', but one of a {other}");
        return Err(
            Failure::new(FailureKind::NotFound, message).hint(format!("tfx {other} create --preset {name}"))
        );
    }
    let meant = near(kind, name);
    let meant =
        if meant.is_empty() { String::new() } else { format!("; did you mean {}?", meant.join(", ")) };
    let list = kind.map(|kind| format!(" --kind {}", kind.as_str())).unwrap_or_default();
    Err(Failure::new(FailureKind::NotFound, format!("there is no preset{noun} '{name}'{meant}"))
        .hint(format!("tfx preset list{list} shows all of them")))
}

/// The names that may have been meant: what begins so or holds it, else the nearest.
pub(crate) fn near(kind: Option<PresetKind>, word: &str) -> Vec<&'static str> {
    let wanted = word.trim().to_lowercase();
    let alike = |preset: &&Preset| {
        preset.name.contains(&wanted)
            || preset.title.to_lowercase().contains(&wanted)
            || wanted.len() > 3 && wanted.contains(&preset.name)
    };
    let found: Vec<&str> = all(kind)
        .filter(|_| !wanted.is_empty())
        .filter(alike)
        .map(|preset| preset.name.as_str())
        .take(3)
        .collect();
    if !found.is_empty() {
        return found;
    }
    let by_title = || {
        let title = nearest(&wanted, all(kind).map(|preset| preset.title.as_str()))?;
        all(kind).find(|preset| preset.title == title).map(|preset| preset.name.as_str())
    };
    nearest(&wanted, all(kind).map(|preset| preset.name.as_str())).or_else(by_title).into_iter().collect()
}

#[cfg(test)]
mod tests;
