//! How a traffic source is told of conversions, as a person writes it: what cannot work is refused when it is saved.

use super::{Secret, SourceSpec, destination::carries};
use crate::{
    macros::{Scope, UrlTemplate},
    money::Amount,
    postback::{ConversionStatus, meaning},
    problem::Problems,
    source_postback::{Body, signing_key},
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// The longest delay, in seconds: 30 days.
pub const MAX_POSTBACK_DELAY_S: u32 = 30 * 86_400;
/// Most states that a source may ask for.
const MAX_STATES: usize = 32;

/// How a source is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PostbackMethod {
    /// A GET of the URL.
    #[default]
    Get,
    /// A POST of a form.
    PostForm,
    /// A POST of JSON.
    PostJson,
}

impl PostbackMethod {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Get, Self::PostForm, Self::PostJson];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::PostForm => "post_form",
            Self::PostJson => "post_json",
        }
    }

    /// GET or POST.
    pub const fn http(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::PostForm | Self::PostJson => "POST",
        }
    }
}

/// What a source is told of a conversion's revenue: `{"percent": "80"}` or `{"fixed": "1.50"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PayoutShare {
    /// So many hundredths of it, 0 to 100, in its currency.
    Percent(Amount),
    /// This, whatever it is, in the source's currency.
    Fixed(Amount),
}

impl SourceSpec {
    /// The states that it asks to be told of, each once.
    pub fn tells_of(&self) -> BTreeSet<&ConversionStatus> {
        const SALE: &ConversionStatus = &ConversionStatus::Sale;
        match &self.postback_on {
            Some(states) => states.iter().filter(|s| self.tell_url(s).is_some()).collect(),
            None => self.postback_urls.keys().chain(self.postback_url.as_ref().map(|_| SALE)).collect(),
        }
    }

    /// Where it is told of a state.
    pub fn tell_url(&self, status: &ConversionStatus) -> Option<&str> {
        self.postback_urls.get(status).or(self.postback_url.as_ref()).map(String::as_str)
    }

    /// Whether what it is told holds its own id of the click.
    pub fn tells_external_id(&self) -> bool {
        self.tells(|text| carries(text, &["external_id"]))
    }

    /// Whether anything that it is told differs from click to click, so that it can tell which one converted.
    pub fn tells_of_a_click(&self) -> bool {
        let own = ["external_id", "click_id", "subid", "clickid"];
        let any =
            |text: &str| ["{sub", "{_sub", "{param:", "{_param:"].iter().any(|begin| text.contains(begin));
        self.tells(|text| carries(text, &own) || any(text))
    }

    fn tells(&self, is: impl Fn(&str) -> bool) -> bool {
        let body = self.postback_body.as_ref().map(ToString::to_string);
        self.postback_urls.values().chain(&self.postback_url).chain(&body).any(|text| is(text))
    }

    /// Whether its links carry its own id of the click.
    pub fn links_carry_external_id(&self) -> bool {
        self.params.external_id.as_ref().is_some_and(|param| param.token.is_some())
    }

    pub(super) fn check_postbacks(&self, problems: &mut Problems) {
        self.check_urls(problems);
        self.check_states(problems);
        match self.postback_payout {
            Some(PayoutShare::Percent(share)) => problems.require(
                (Amount::ZERO..=Amount::from_micros(100_000_000)).contains(&share),
                "postback_payout.percent",
                "must be from 0 to 100",
            ),
            Some(PayoutShare::Fixed(amount)) => {
                problems.require(amount >= Amount::ZERO, "postback_payout.fixed", "must not be below 0");
            }
            None => {}
        }
        problems.require(
            self.postback_delay_s <= MAX_POSTBACK_DELAY_S,
            "postback_delay_s",
            "must be at most 2592000 seconds, which are 30 days",
        );
        match (&self.postback_body, self.postback_method) {
            (Some(_), PostbackMethod::Get) => {
                problems
                    .add("postback_body", "a GET has none; set postback_method to post_form or post_json");
            }
            (Some(body), method) => {
                if let Err(p) = Body::parse(body, method) {
                    problems.nest("postback_body", p);
                }
            }
            (None, _) => {}
        }
        if let Some(Secret(key)) = &self.postback_signing_key {
            let ok = signing_key(key).is_some();
            problems.require(ok, "postback_signing_key", "must be whsec_ and 24 to 64 bytes in base64");
        }
    }

    /// All URLs, with their paths.
    fn urls(&self) -> impl Iterator<Item = (String, &String)> {
        let own = self.postback_urls.iter().map(|(status, url)| (format!("postback_urls.{status}"), url));
        self.postback_url.iter().map(|url| ("postback_url".to_owned(), url)).chain(own)
    }

    /// The path and the host of each URL.
    pub(super) fn told_at(&self) -> Vec<(String, SmolStr)> {
        let host = |url: &str| UrlTemplate::parse(url, Scope::Outbound).ok().map(|url| url.host().into());
        self.urls().filter_map(|(path, url)| Some((path, host(url)?))).collect()
    }

    fn check_urls(&self, problems: &mut Problems) {
        for (path, url) in self.urls() {
            if let Err(p) = UrlTemplate::parse(url, Scope::Outbound) {
                problems.nest(&path, p);
            }
            for status in named_in(url) {
                check_comes_in(&status, &path, problems);
            }
        }
        let body = self.postback_body.as_ref().map(ToString::to_string).unwrap_or_default();
        for status in named_in(&body) {
            check_comes_in(&status, "postback_body", problems);
        }
        for status in self.postback_urls.keys() {
            check_comes_in(status, &format!("postback_urls.{status}"), problems);
        }
    }

    fn check_states(&self, problems: &mut Problems) {
        let Some(asked) = &self.postback_on else {
            let set = [
                (self.postback_method != PostbackMethod::default(), "postback_method"),
                (self.postback_body.is_some(), "postback_body"),
                (self.postback_payout.is_some(), "postback_payout"),
                (self.postback_delay_s > 0, "postback_delay_s"),
                (self.postback_first_only, "postback_first_only"),
            ];
            if self.postback_url.is_none() && self.postback_urls.is_empty() {
                for (_, path) in set.into_iter().filter(|(is, _)| *is) {
                    problems.add(path, "needs a postback_url: without one nobody is told");
                }
            }
            return;
        };
        if asked.is_empty() || asked.len() > MAX_STATES {
            let message = format!(
                "must name 1 to {MAX_STATES} states; leave it out for sale alone, and take postback_url away to tell nobody"
            );
            problems.add("postback_on", message);
        }
        for (i, status) in asked.iter().enumerate().take(MAX_STATES) {
            let path = format!("postback_on[{i}]");
            problems.require(!asked[..i].contains(status), &path, "is named twice");
            check_comes_in(status, &path, problems);
            if self.tell_url(status).is_none() {
                let message =
                    format!("{status} has no URL: give a postback_url, or one in postback_urls.{status}");
                problems.add(path, message);
            }
        }
        for status in self.postback_urls.keys().filter(|s| !asked.contains(s)) {
            problems.add(
                format!("postback_urls.{status}"),
                format!("is not asked for: name {status} in postback_on too"),
            );
        }
    }
}

/// The states that `{status:…}` macros have words for.
fn named_in(text: &str) -> Vec<ConversionStatus> {
    let macros = text.split("{status:").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
    let pairs = macros.flat_map(str::split_whitespace).filter_map(|pair| pair.split_once('='));
    pairs.filter_map(|(status, _)| status.parse().ok()).collect()
}

/// No conversion comes into a state whose word everybody means another by: a network's `approved` is a sale.
fn check_comes_in(status: &ConversionStatus, path: &str, problems: &mut Problems) {
    let ConversionStatus::Custom(word) = status else { return };
    if let Some(meant) = meaning(word) {
        let message = format!("{word} comes in as {meant}, so nothing is ever {word}; did you mean {meant}?");
        problems.add(path, message);
    }
}
