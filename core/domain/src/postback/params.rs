//! Where a postback's facts are looked for: the names a template gives, else the aliases always understood.

use crate::entity::{TemplateParams, TemplateSpec};

/// A fact that a postback may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    ClickId,
    TransactionId,
    Payout,
    Currency,
    Status,
}

impl Field {
    const ALL: [Self; 5] = [Self::ClickId, Self::TransactionId, Self::Payout, Self::Currency, Self::Status];

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
    renames: Option<&'a TemplateParams>,
}

impl<'a> Params<'a> {
    pub(super) fn new(given: &'a [(String, String)], template: Option<&'a TemplateSpec>) -> Self {
        Self { given, renames: template.map(|t| &t.params) }
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

    /// The first of these names by which a field would be read, since none that it prefers holds a value.
    pub(super) fn read_from<'n>(&self, names: &'n [String]) -> Option<&'n str> {
        Field::ALL.iter().find_map(|field| {
            let own = |name: &str| names.iter().find(|n| n.eq_ignore_ascii_case(name)).map(String::as_str);
            let found = self.names(*field).find(|name| own(name).is_some() || self.value(name).is_some())?;
            own(found)
        })
    }

    /// The parameter that says `field`, as it is spelt, and its value without blanks around.
    pub(super) fn find(&self, field: Field) -> Option<(&'a str, &'a str)> {
        self.values(field).find(|(_, value)| !is_placeholder(value))
    }

    /// A parameter for `field` whose value is a macro that the network left as it is.
    pub(super) fn unexpanded(&self, field: Field) -> Option<(&'a str, &'a str)> {
        self.values(field).find(|(_, value)| is_placeholder(value))
    }

    fn values(&self, field: Field) -> impl Iterator<Item = (&'a str, &'a str)> {
        let given = self.given;
        self.names(field).flat_map(move |name| named(given, name))
    }

    fn value(&self, name: &'a str) -> Option<(&'a str, &'a str)> {
        named(self.given, name).find(|(_, value)| !is_placeholder(value))
    }
}

/// The parameters of that name that hold something.
fn named<'a>(given: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    given
        .iter()
        .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(name, value)| (name.as_str(), value.trim()))
        .filter(|(_, value)| !value.is_empty())
}

/// True for what stands where a network's macro was not replaced: `{payout}`, `{{payout}}`, `${payout}`,
/// `[payout]`, `#price#`, `%payout%`, `<payout>`.
fn is_placeholder(value: &str) -> bool {
    const BRACKETS: [(&str, &str); 7] =
        [("{{", "}}"), ("${", "}"), ("{", "}"), ("[", "]"), ("#", "#"), ("%", "%"), ("<", ">")];
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':' | b' '))
    };
    BRACKETS.iter().any(|(open, close)| {
        value.strip_prefix(open).and_then(|v| v.strip_suffix(close)).is_some_and(is_name)
    })
}

#[cfg(test)]
mod tests {
    use super::is_placeholder;

    #[test]
    fn a_macro_left_as_it_is_is_told_from_a_value() {
        for macro_text in [
            "{payout}",
            "{{payout}}",
            "${payout}",
            "[payout]",
            "#price#",
            "%payout%",
            "<sub id>",
            "{offer.id}",
        ] {
            assert!(is_placeholder(macro_text), "{macro_text}");
        }
        for value in ["", "{", "{}", "##", "12.50", "#123", "50%", "a{b}", "{\"a\":1}", "approved"] {
            assert!(!is_placeholder(value), "{value}");
        }
    }
}
