//! Postback templates: how one network's words map to ours.

use super::{Kind, PARAM_NAME, SignatureFormat, Spec, Status, check_aliases, check_name, is_param_name};
use crate::{
    Timestamp,
    id::{NetworkId, TemplateId},
    money::{Amount, AmountFormat, Currency, DecimalMark, Scale},
    postback::{ConversionStatus, advice::PLACEHOLDER},
    problem::Problems,
    rules::Reference,
    slug::Slug,
};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap};

/// The most steps of a fact's path in a JSON body: `data.purchase.price` has three.
pub const LONGEST_PATH: usize = 8;

/// What a person writes about a postback template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TemplateSpec {
    /// The network it belongs to.
    pub network: NetworkId,
    /// Unique in its network; `default` serves the postbacks that name none.
    pub slug: Slug,
    /// Former slugs: postback URLs with them use this template.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = super::MAX_ALIASES), extend("uniqueItems" = true)))]
    pub aliases: Vec<Slug>,
    /// For people.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 200), regex(pattern = crate::schema::NAME)))]
    pub name: String,
    /// Only an active template is used.
    #[serde(default)]
    pub status: Status,
    /// What the network calls our parameters.
    #[serde(default)]
    pub params: TemplateParams,
    /// Our status to the network's words for it, compared without regard to case: `sale: [approved, paid]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub statuses: BTreeMap<ConversionStatus, Vec<String>>,
    /// The network's words for what is answered 200 and not recorded: `[ping]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// What holds when a postback does not say.
    #[serde(default)]
    pub defaults: TemplateDefaults,
    /// The mark before the decimals of its amounts; with it separators of thousands and currencies around the number are
    /// understood. Not said: a point, and nothing but digits beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal: Option<DecimalMark>,
    /// What its amounts are multiplied by: 0.01 for cents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
    /// The network's own macros, for the URL that it is given.
    #[serde(default, skip_serializing_if = "TemplateMacros::is_empty")]
    pub macros: TemplateMacros,
    /// How its postbacks are signed: what is not signed so is refused, and of one that is, what is not signed is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureFormat>,
}

/// What stands for a fact in the URL that a network is given: its own macro (`{sub1}`, `#s2#`), or a word that is always
/// the same. Facts without one are left out of the URL, if there is any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TemplateMacros {
    /// The click id that it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 200), regex(pattern = crate::schema::MACRO)))]
    pub click_id: Option<String>,
    /// Its transaction id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 200), regex(pattern = crate::schema::MACRO)))]
    pub transaction_id: Option<String>,
    /// What it pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 200), regex(pattern = crate::schema::MACRO)))]
    pub payout: Option<String>,
    /// The currency of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 200), regex(pattern = crate::schema::MACRO)))]
    pub currency: Option<String>,
    /// The status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 200), regex(pattern = crate::schema::MACRO)))]
    pub status: Option<String>,
}

impl TemplateMacros {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn check(&self, problems: &mut Problems) {
        let macros = [
            ("click_id", &self.click_id),
            ("transaction_id", &self.transaction_id),
            ("payout", &self.payout),
            ("currency", &self.currency),
            ("status", &self.status),
        ];
        for (field, text) in macros.into_iter().filter_map(|(f, text)| Some((f, text.as_deref()?))) {
            let ok = (1..=200).contains(&text.chars().count())
                && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '&');
            let message = "must be 1 to 200 characters without blanks and &, as it stands in the URL";
            problems.require(ok, &format!("macros.{field}"), message);
        }
    }
}

impl TemplateSpec {
    /// How its amounts are written.
    pub fn amounts(&self) -> AmountFormat {
        AmountFormat { decimal: self.decimal, scale: self.scale }
    }
}

/// What the network calls our parameters; one without a name goes by the aliases that are always understood.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TemplateParams {
    /// The click id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64), regex(pattern = crate::schema::PARAM)))]
    pub click_id: Option<String>,
    /// The transaction id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64), regex(pattern = crate::schema::PARAM)))]
    pub transaction_id: Option<String>,
    /// The payout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64), regex(pattern = crate::schema::PARAM)))]
    pub payout: Option<String>,
    /// The currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64), regex(pattern = crate::schema::PARAM)))]
    pub currency: Option<String>,
    /// The status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64), regex(pattern = crate::schema::PARAM)))]
    pub status: Option<String>,
}

/// What holds when a postback does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TemplateDefaults {
    /// Instead of `sale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ConversionStatus>,
    /// Instead of the network's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Instead of the destination's payout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::NotNegative>"))]
    pub payout: Option<Amount>,
}

impl TemplateParams {
    /// A name must be one, and can mean one thing only.
    fn check(&self, problems: &mut Problems) {
        let names = [
            ("click_id", &self.click_id),
            ("transaction_id", &self.transaction_id),
            ("payout", &self.payout),
            ("currency", &self.currency),
            ("status", &self.status),
        ];
        let named: Vec<(&str, &str)> = names.iter().filter_map(|(f, n)| Some((*f, n.as_deref()?))).collect();
        for (i, (field, name)) in named.iter().enumerate() {
            let path = format!("params.{field}");
            problems.require(is_param_name(name), &path, PARAM_NAME);
            if let Some(why) = never_matches(name) {
                problems.add(path.as_str(), format!("'{name}' {why}"));
            }
            if let Some((other, _)) =
                named[..i].iter().find(|(_, n)| steps(n).eq_ignore_ascii_case(&steps(name)))
            {
                problems.add(path, format!("'{name}' is the name of {other} already"));
            }
        }
    }
}

/// Why no postback has a parameter of that name: steps into a JSON body are written `data.items.0.price`, or
/// `data[items][0][price]`.
fn never_matches(name: &str) -> Option<String> {
    if let Some(root) = ["$.", "$["].iter().find(|root| name.starts_with(**root)) {
        return Some(format!("begins with '{root}', which is not part of a path; write data.purchase.price"));
    }
    // A list in a form: each of its parameters has that very name.
    let list = name.strip_suffix("[]").filter(|rest| !rest.is_empty() && !rest.contains(['.', '[', ']']));
    let path = steps(name);
    if list.is_none() && path.split('.').any(str::is_empty) {
        return Some(
            "has a step without a name; write data.purchase.price, items.0.price, items[0][price]".to_owned(),
        );
    }
    let steps = path.split('.').count();
    (steps > LONGEST_PATH)
        .then(|| format!("has {steps} steps; a JSON body is followed {LONGEST_PATH} steps deep"))
}

/// A parameter's name with its steps as they are in a JSON body: `data[items][0]` is `data.items.0`.
pub(crate) fn steps(name: &str) -> Cow<'_, str> {
    if name.contains('[') {
        Cow::Owned(name.replace("][", ".").replace('[', ".").replace(']', ""))
    } else {
        Cow::Borrowed(name)
    }
}

impl Spec for TemplateSpec {
    type Id = TemplateId;
    const KIND: Kind = Kind::Template;
    const REFS: &'static [(&'static str, Kind)] = &[("network", Kind::Network)];

    fn new_id(now: Timestamp, random: u128) -> TemplateId {
        TemplateId::generate(now, random)
    }

    fn example() -> serde_json::Value {
        serde_json::json!({ "network": "net_0000000000000000000", "slug": "default", "name": "Default" })
    }

    fn slug(&self) -> &Slug {
        &self.slug
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn status(&self) -> Status {
        self.status
    }

    fn parent(&self) -> Option<&str> {
        Some(self.network.as_str())
    }

    fn aliases(&self) -> &[Slug] {
        &self.aliases
    }

    fn refers_to(&self) -> Vec<Reference> {
        vec![Reference::new("network", Kind::Network, &self.network)]
    }

    fn validate(&self) -> Problems {
        let mut problems = Problems::default();
        check_name(&self.name, &mut problems);
        check_aliases(&self.slug, &self.aliases, &mut problems);
        self.params.check(&mut problems);
        self.macros.check(&mut problems);
        // An amount has six decimals: what is smaller would come to nothing.
        let comes_to_something = self.scale.is_none_or(Scale::is_of_use);
        problems.require(
            comes_to_something,
            "scale",
            "must be at least 0.0001: smaller ones leave nothing of an amount",
        );
        if let Some(signature) = &self.signature {
            signature.check(&mut problems);
        }
        if let Some(payout) = self.defaults.payout {
            problems.require(payout >= Amount::ZERO, "defaults.payout", "must not be negative");
        }
        if let Some(currency) = self.defaults.currency {
            currency.check("defaults.currency", &mut problems);
        }
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for (status, words) in &self.statuses {
            // A command that was to be filled in, run as it was printed.
            if status.as_str().eq_ignore_ascii_case(PLACEHOLDER) {
                let message = "put lead, sale, rejected, rebill or a status of your own in its place";
                problems.add(format!("statuses.{PLACEHOLDER}"), message);
            }
            for (i, word) in words.iter().enumerate() {
                let path = format!("statuses.{status}[{i}]");
                problems.require(!word.trim().is_empty(), &path, "must not be empty");
                if let Some(other) = seen.insert(word.to_lowercase(), status.as_str()) {
                    problems.add(path, format!("'{word}' stands under {other} already"));
                }
            }
        }
        for (i, word) in self.ignore.iter().enumerate() {
            if let Some(other) = seen.get(&word.to_lowercase()) {
                problems.add(format!("ignore[{i}]"), format!("'{word}' stands under {other} already"));
            }
        }
        problems
    }
}
