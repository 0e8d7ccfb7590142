//! Traffic sources: where clicks are bought.

use super::{
    Cost, Kind, PARAM_NAME, PayoutShare, PostbackMethod, Secret, Spec, Status, check_name, is_param_name,
};
use crate::{
    Timestamp, id::SourceId, money::Currency, postback::ConversionStatus, problem::Problems,
    rules::KindRules, slug::Slug,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a person writes about a traffic source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SourceSpec {
    /// Its name in links and commands; unique among sources.
    pub slug: Slug,
    /// For people.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 200), regex(pattern = crate::schema::NAME)))]
    pub name: String,
    /// For people; a paused source changes nothing in routing.
    #[serde(default)]
    pub status: Status,
    /// What its query parameters are called.
    #[serde(default)]
    pub params: SourceParams,
    /// The currency of its cost parameter.
    #[serde(default)]
    pub currency: Currency,
    /// What its clicks cost, in campaigns that say nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Where it is told of conversions; a state with a URL of its own is told there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::URL)))]
    pub postback_url: Option<String>,
    /// The states that it asks for. Not said: `sale` where there is a `postback_url`, and those of `postback_urls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 32), extend("uniqueItems" = true)))]
    pub postback_on: Option<Vec<ConversionStatus>>,
    /// URLs of single states.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub postback_urls: BTreeMap<ConversionStatus, String>,
    /// How it is told.
    #[serde(default, skip_serializing_if = "is_default")]
    pub postback_method: PostbackMethod,
    /// What a POST carries: an object. Of a form its members are the fields; in JSON it is sent as it stands, every text
    /// in it a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<std::collections::BTreeMap<String, serde_json::Value>>")
    )]
    pub postback_body: Option<serde_json::Value>,
    /// What it is told of the revenue; not said: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postback_payout: Option<PayoutShare>,
    /// Seconds between the state and the postback.
    #[serde(default, skip_serializing_if = "is_default")]
    #[cfg_attr(feature = "schema", schemars(range(max = super::MAX_POSTBACK_DELAY_S)))]
    pub postback_delay_s: u32,
    /// Only the first conversion of a click is told, in each state that is asked for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub postback_first_only: bool,
    /// What its postbacks are signed with, as Standard Webhooks has it: `whsec_` and 24 to 64 bytes in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^whsec_[A-Za-z0-9+/]{32,86}=?=?$")))]
    pub postback_signing_key: Option<Secret>,
}

/// Left out, so that programs that do not know the field yet read the source.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A source's query parameters. Without a name of its own, each goes by its default; with a token, it stands in links.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SourceParams {
    /// The source's own id of the click; default `external_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<SourceParam>,
    /// What the click costs; default `cost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<SourceParam>,
    /// The keyword; default `keyword`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyword: Option<SourceParam>,
    /// Sub ids: `sub1` to `sub20` to the parameter; default the same name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub subs: BTreeMap<String, SourceParam>,
    /// Parameters that links carry besides, under their own names: `zoneid={zoneid}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 40)))]
    pub others: Vec<SourceParam>,
}

/// A query parameter of a source, written `bid` or, with the token that the source fills in, `bid={bid}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct SourceParam {
    /// What it is called.
    pub name: String,
    /// What the source puts its value in the place of; in links as it is.
    pub token: Option<String>,
}

impl From<String> for SourceParam {
    fn from(text: String) -> Self {
        match text.split_once('=') {
            Some((name, token)) => Self { name: name.to_owned(), token: Some(token.to_owned()) },
            None => Self { name: text, token: None },
        }
    }
}

impl From<SourceParam> for String {
    fn from(param: SourceParam) -> Self {
        match param.token {
            Some(token) => format!("{}={token}", param.name),
            None => param.name,
        }
    }
}

/// Tokens stand in links as they are, so nothing in them may end the parameter.
const TOKEN: &str =
    "must have a token of 1 to 200 characters without blanks, '&' and '#' behind the '=': bid={bid}";
/// Most parameters under their own names.
const MAX_OTHERS: usize = 40;

impl SourceParam {
    fn check(&self, path: &str, problems: &mut Problems) {
        problems.require(is_param_name(&self.name), path, PARAM_NAME);
        if let Some(token) = &self.token {
            let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '&' | '#');
            let ok = (1..=200).contains(&token.chars().count()) && token.chars().all(plain);
            problems.require(ok, path, TOKEN);
        }
    }
}

impl SourceParams {
    /// Every parameter that is said, with its path: what the product reads first, in its order.
    fn all(&self) -> impl Iterator<Item = (String, &SourceParam)> {
        let named = [("external_id", &self.external_id), ("cost", &self.cost), ("keyword", &self.keyword)];
        let named =
            named.into_iter().filter_map(|(field, param)| Some((format!("params.{field}"), param.as_ref()?)));
        let mut subs: Vec<_> = self.subs.iter().collect();
        subs.sort_by_key(|(sub, _)| sub_index(sub));
        let subs = subs.into_iter().map(|(sub, param)| (format!("params.subs.{sub}"), param));
        let others = self.others.iter().enumerate().map(|(i, param)| (format!("params.others[{i}]"), param));
        named.chain(subs).chain(others)
    }

    /// The parameters that its links carry, each with its token.
    pub fn in_links(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all().filter_map(|(_, param)| Some((param.name.as_str(), param.token.as_deref()?)))
    }

    fn check(&self, problems: &mut Problems) {
        for sub in self.subs.keys() {
            let path = format!("params.subs.{sub}");
            problems.require(sub_index(sub).is_some(), &path, "must be one of sub1 to sub20");
        }
        if self.others.len() > MAX_OTHERS {
            problems.add(
                "params.others",
                format!("must be at most {MAX_OTHERS} parameters, not {}", self.others.len()),
            );
            return;
        }
        let mut in_links: BTreeMap<&str, String> = BTreeMap::new();
        let mut read: BTreeMap<&str, String> = BTreeMap::new();
        for (path, param) in self.all() {
            param.check(&path, problems);
            if path.starts_with("params.others") {
                problems.require(param.token.is_some(), &path, "must have a token: zoneid={zoneid}");
            } else if let Some(other) = read.get(param.name.as_str()) {
                let says = format!("'{}' is read at {other} already: a parameter says one thing", param.name);
                problems.add(path, says);
                continue;
            } else {
                read.insert(&param.name, path.clone());
            }
            if param.token.is_some()
                && let Some(other) = in_links.insert(&param.name, path.clone())
            {
                problems.add(path, format!("'{}' stands in links already, at {other}", param.name));
            }
        }
    }
}

impl Spec for SourceSpec {
    type Id = SourceId;
    const KIND: Kind = Kind::Source;
    const REFS: &'static [(&'static str, Kind)] = &[];

    fn new_id(now: Timestamp, random: u128) -> SourceId {
        SourceId::generate(now, random)
    }

    fn example() -> serde_json::Value {
        serde_json::json!({ "slug": "push", "name": "Push ads" })
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

    fn part(&self) -> KindRules {
        KindRules::Source { currency: self.currency, told_at: self.told_at() }
    }

    fn validate(&self) -> Problems {
        let mut problems = Problems::default();
        check_name(&self.name, &mut problems);
        self.params.check(&mut problems);
        self.check_postbacks(&mut problems);
        if let Some(cost) = &self.cost {
            cost.check(&mut problems);
        }
        self.currency.check("currency", &mut problems);
        problems
    }
}

/// `sub1` … `sub20` to 0 … 19.
pub(crate) fn sub_index(name: &str) -> Option<usize> {
    let digits = name.strip_prefix("sub")?;
    let n: usize = digits.parse().ok()?;
    ((1..=20).contains(&n) && !digits.starts_with(['0', '+'])).then(|| n - 1)
}
