//! Where a postback's facts are looked for: the names a template gives, else the aliases always understood.

use crate::{
    entity::{TemplateParams, TemplateSpec, steps},
    said::{self, Fact, Silence},
};

/// A parameter whose value is there and cannot be read as a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its name.
    pub name: String,
    /// Why, and what is allowed.
    pub why: &'static str,
}

/// A fact that a postback may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The click.
    ClickId,
    /// The network's transaction id.
    TransactionId,
    /// What it pays.
    Payout,
    /// Of what.
    Currency,
    /// The network's word for where it stands.
    Status,
}

impl Field {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::ClickId, Self::TransactionId, Self::Payout, Self::Currency, Self::Status];

    /// Our name for it, which is understood without a template.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClickId => "click_id",
            Self::TransactionId => "transaction_id",
            Self::Payout => "payout",
            Self::Currency => "currency",
            Self::Status => "status",
        }
    }

    /// The names that it goes by, in order of preference: the template's alone if it gives one, else those that are always
    /// understood.
    pub fn names(self, template: Option<&TemplateSpec>) -> Vec<&str> {
        Params::new(&[], template).names(self).collect()
    }

    const fn fact(self) -> Fact {
        match self {
            Self::ClickId | Self::TransactionId => Fact::Id,
            Self::Payout => Fact::Amount,
            Self::Currency | Self::Status => Fact::Word,
        }
    }

    /// In order of preference; listed for people in `docs/postbacks.md`.
    const fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::ClickId => &["click_id", "clickid", "subid", "cid", "cnv_id", "hit", "sid"],
            Self::TransactionId => &["transaction_id", "txid", "tid", "tx"],
            Self::Payout => &["payout", "revenue", "rev", "sum", "amount", "cnv_payout"],
            Self::Currency => &["currency", "cnv_currency"],
            Self::Status => &["status", "type", "cnv_status", "et"],
        }
    }

    fn renamed(self, names: &TemplateParams) -> Option<&str> {
        let name = match self {
            Self::ClickId => &names.click_id,
            Self::TransactionId => &names.transaction_id,
            Self::Payout => &names.payout,
            Self::Currency => &names.currency,
            Self::Status => &names.status,
        };
        name.as_deref()
    }
}

/// A postback's parameters, read through a template.
pub(super) struct Params<'a> {
    given: &'a [(String, String)],
    template: Option<&'a TemplateSpec>,
    renames: Option<&'a TemplateParams>,
}

impl<'a> Params<'a> {
    pub(super) fn new(given: &'a [(String, String)], template: Option<&'a TemplateSpec>) -> Self {
        Self { given, template, renames: template.map(|t| &t.params) }
    }

    /// The names `field` goes by: the template's alone if it gives one, else the aliases. A name that the template
    /// gives to another field is no alias any more.
    pub(super) fn names(&self, field: Field) -> impl Iterator<Item = &'a str> {
        let renames = self.renames;
        let own = renames.and_then(|r| field.renamed(r));
        let taken = move |name: &str| {
            let renamed = |f: &Field| renames.and_then(|r| f.renamed(r));
            Field::ALL.iter().filter_map(renamed).any(|n| n.eq_ignore_ascii_case(name))
        };
        let aliases = field.aliases().iter().copied().filter(move |name| own.is_none() && !taken(name));
        own.into_iter().chain(aliases)
    }

    /// The first of these from which a field would be read, since none that it prefers holds a value. A word that the
    /// template knows is read, whatever was meant by it: `{"approved": true}`.
    pub(super) fn read_from<'n>(&self, unreadable: &'n [Unreadable]) -> Option<&'n Unreadable> {
        if unreadable.is_empty() {
            return None;
        }
        Field::ALL.iter().find_map(|field| {
            let mapped = |name| {
                *field == Field::Status && named(self.given, name).any(|(_, value)| self.is_mapped(value))
            };
            let own = |name: &'a str| {
                let own = unreadable.iter().find(|n| same_name(&n.name, name));
                own.filter(|_| !mapped(name))
            };
            let says = |name| named(self.given, name).any(|(_, value)| self.says(*field, value));
            let found = self.names(*field).find(|name| own(name).is_some() || says(name))?;
            own(found)
        })
    }

    /// The parameter that says `field`, as it is spelt, and its value without blanks around.
    pub(super) fn find(&self, field: Field) -> Option<(&'a str, &'a str)> {
        self.values(field).find(|(_, value)| self.says(field, value))
    }

    /// A parameter for `field` whose value is a macro that the network left as it is.
    pub(super) fn unexpanded(&self, field: Field) -> Option<(&'a str, &'a str)> {
        self.values(field).find(|(_, value)| said::silence(value, field.fact()) == Some(Silence::Macro))
    }

    /// A parameter for `field` that is there and says nothing.
    pub(super) fn silent(&self, field: Field) -> Option<(&'a str, &'a str)> {
        self.values(field).find(|(_, value)| !self.says(field, value))
    }

    /// A word that the template knows says something, whatever it says to others.
    fn says(&self, field: Field, value: &str) -> bool {
        said::says(value, field.fact()) || field == Field::Status && self.is_mapped(value)
    }

    fn is_mapped(&self, value: &str) -> bool {
        let words = |t: &'a TemplateSpec| t.statuses.values().flatten().chain(&t.ignore);
        self.template.into_iter().flat_map(words).any(|word| same_word(word, value))
    }

    fn values(&self, field: Field) -> impl Iterator<Item = (&'a str, &'a str)> {
        let given = self.given;
        self.names(field).flat_map(move |name| named(given, name))
    }
}

/// The parameters of that name that hold something.
fn named<'a>(given: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    given
        .iter()
        .filter(move |(n, _)| same_name(n, name))
        .map(|(name, value)| (name.as_str(), value.trim()))
        .filter(|(_, value)| !value.is_empty())
}

/// Writes the numbers of a JSON body so that the template reads them with a point, whatever stands before the decimals of its
/// network's texts ([`AmountFormat::number`](crate::money::AmountFormat::number)): those of `numbers` that would be a payout.
pub fn with_numbers(
    template: Option<&TemplateSpec>,
    params: &mut [(String, String)],
    numbers: &[(String, String)],
) {
    let format = template.map(TemplateSpec::amounts).unwrap_or_default();
    let payouts = Field::Payout.names(template);
    for param in params {
        if numbers.contains(param) && payouts.iter().any(|payout| same_name(payout, &param.0)) {
            param.1 = format.number(&param.1);
        }
    }
}

/// Names are compared without regard to case; a step may be written in either way: `data[items][0]` is `data.items.0`.
fn same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
        || (a.contains('[') || b.contains('[')) && steps(a).eq_ignore_ascii_case(&steps(b))
}

pub(super) fn same_word(a: &str, b: &str) -> bool {
    let (a, b) = (a.trim(), b.trim());
    a.eq_ignore_ascii_case(b) || a.to_lowercase() == b.to_lowercase()
}
