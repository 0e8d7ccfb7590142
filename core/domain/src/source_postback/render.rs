//! A request of what is told, with the source as it is now.

use super::{Body, SourcePostback, message_id};
use crate::{
    entity::{PayoutShare, PostbackMethod, SourceSpec, Status},
    macros::{ConversionFacts, Facts, Scope, UrlTemplate},
    money::{Amount, Money},
    postback::{Conversion, ConversionStatus},
};
use rand::Rng;
use rust_decimal::{Decimal, RoundingStrategy};
use std::collections::BTreeSet;
use url::Url;

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id, the same however often it is sent.
    pub id: String,
    /// GET or POST.
    pub method: &'static str,
    /// Where to, with everything filled in.
    pub url: String,
    /// The type of the body; empty: there is none.
    pub content_type: &'static str,
    /// What it carries.
    pub body: String,
    /// The macros that nothing stands for, each once.
    pub empty: Vec<String>,
}

/// What a source finds its click by: whoever asks for it can do nothing with what comes without.
const FOUND_BY: &str = "external_id";

/// Why nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// It takes no part.
    #[error("the source is {}", .0.as_str())]
    NotActive(Status),
    /// It does not ask for this state any more.
    #[error("the source does not ask for {0} any more")]
    NotAsked(ConversionStatus),
    /// It asks for the first conversion of a click, and was told of another.
    #[error("the source asks only for the first conversion of a click, and was told of another")]
    NotFirst,
    /// The conversion is in another state by now, which denies it or was told.
    #[error("not sent: the conversion is {0} by now")]
    Passed(ConversionStatus),
    /// What the source finds its click by is empty.
    #[error("not sent: {{{field}}} is empty, by which the source finds its click; {why}")]
    Empty {
        /// The macro.
        field: &'static str,
        /// Why, and what to do.
        why: String,
    },
    /// It has no URL for this state any more.
    #[error("the source has no postback_url")]
    NoUrl,
    /// What was saved cannot be used.
    #[error("the source's {field} cannot be used: {why}")]
    Broken {
        /// The field of the source.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

/// How a source is told of one state.
#[derive(Debug, Clone)]
pub struct Form<'s> {
    source: &'s SourceSpec,
    /// As it is written.
    template: &'s str,
    url: UrlTemplate,
    body: Option<Body>,
}

/// How a source is told of a state; `asked_only`: only if it takes part and asks for it.
///
/// # Errors
/// Why it is not told.
pub fn form<'s>(
    source: &'s SourceSpec,
    status: &ConversionStatus,
    asked_only: bool,
) -> Result<Form<'s>, Unsendable> {
    if asked_only && source.status != Status::Active {
        return Err(Unsendable::NotActive(source.status));
    }
    let template = source.tell_url(status).ok_or(Unsendable::NoUrl)?;
    if asked_only && !source.tells_of().contains(status) {
        return Err(Unsendable::NotAsked(status.clone()));
    }
    let broken =
        |field| move |why: crate::problem::Problems| Unsendable::Broken { field, why: why.to_string() };
    let url = UrlTemplate::parse(template, Scope::Outbound).map_err(broken("postback_url"))?;
    let body = source.postback_body.as_ref().filter(|_| source.postback_method != PostbackMethod::Get);
    let body = body.map(|body| Body::parse(body, source.postback_method)).transpose();
    let body = body.map_err(broken("postback_body"))?;
    Ok(Form { source, template, url, body })
}

impl SourcePostback {
    /// How its source, as it is now, is told of it.
    ///
    /// # Errors
    /// Why it is not told.
    pub fn form<'s>(&self, source: &'s SourceSpec) -> Result<Form<'s>, Unsendable> {
        let form = form(source, &self.conversion.status, true)?;
        match source.postback_first_only && self.not_first {
            true => Err(Unsendable::NotFirst),
            false => Ok(form),
        }
    }
}

impl Form<'_> {
    /// Host and port that it is sent to; macros do not stand there.
    pub fn host(&self) -> Option<String> {
        let url = Url::parse(self.template).ok()?;
        Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
    }

    /// Whether something in it is known of a click alone, and not of its conversion.
    pub fn needs_click(&self) -> bool {
        self.url.needs_click() || self.body.as_ref().is_some_and(Body::needs_click)
    }

    /// The macros that nothing stands for, each once.
    pub fn empty(&self, click: &Facts<'_>, conversion: &Conversion) -> Vec<String> {
        let told = ConversionFacts { conversion, payout: payout(self.source, conversion.revenue) };
        let mut names = self.url.empty(click, Some(told));
        names.extend(self.body.iter().flat_map(|body| body.empty(click, told)));
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }

    /// The source finds its click by what is empty of it.
    ///
    /// # Errors
    /// It cannot be told of that click.
    pub fn check_found(&self, click: &Facts<'_>, conversion: &Conversion) -> Result<(), Unsendable> {
        if self.empty(click, conversion).iter().all(|name| name != FOUND_BY) {
            return Ok(());
        }
        let why = match self.source.links_carry_external_id() {
            true => "its link was opened without it".to_owned(),
            false => {
                let slug = &self.source.slug;
                format!("links carry it with tfx source update {slug} --external-id-param 'NAME=TOKEN'")
            }
        };
        Err(Unsendable::Empty { field: FOUND_BY, why })
    }

    /// What the source is told of a conversion.
    pub fn fill(&self, click: &Facts<'_>, conversion: &Conversion, rng: &mut impl Rng) -> Message {
        let told = ConversionFacts { conversion, payout: payout(self.source, conversion.revenue) };
        let (content_type, body) = match (&self.body, self.source.postback_method) {
            (Some(body), _) => (body.content_type(), body.render(click, told, rng)),
            (None, PostbackMethod::Get) => ("", String::new()),
            (None, PostbackMethod::PostForm) => (Body::Form(Vec::new()).content_type(), String::new()),
            (None, PostbackMethod::PostJson) => (Body::Json(Vec::new()).content_type(), "{}".to_owned()),
        };
        Message {
            id: message_id(conversion),
            method: self.source.postback_method.http(),
            url: self.url.render(click, Some(told), rng),
            content_type,
            body,
            empty: self.empty(click, conversion),
        }
    }
}

/// What a source is told of a revenue.
fn payout(source: &SourceSpec, revenue: Money) -> Money {
    match source.postback_payout {
        None => revenue,
        Some(PayoutShare::Fixed(amount)) => Money { amount, currency: source.currency },
        Some(PayoutShare::Percent(share)) => {
            let exact = revenue.amount.to_decimal() * share.to_decimal() / Decimal::ONE_HUNDRED;
            let micros = (exact * Decimal::from(1_000_000))
                .round_dp_with_strategy(0, RoundingStrategy::MidpointNearestEven);
            let amount = i64::try_from(micros).map_or(revenue.amount, Amount::from_micros);
            Money { amount, ..revenue }
        }
    }
}
