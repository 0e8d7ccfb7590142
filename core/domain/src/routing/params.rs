//! What the query parameters of a campaign's links are called: by their own names, or as its source calls them.

use super::Visitor;
use crate::{
    entity::{SourceParams, sub_index},
    said::{self, Fact},
};
use smol_str::SmolStr;
use std::{borrow::Cow, sync::LazyLock};

/// How many query parameters of a click are looked at and recorded.
pub(crate) const MAX_PARAMS: usize = 64;

const SUBS: [&str; 20] = [
    "sub1", "sub2", "sub3", "sub4", "sub5", "sub6", "sub7", "sub8", "sub9", "sub10", "sub11", "sub12",
    "sub13", "sub14", "sub15", "sub16", "sub17", "sub18", "sub19", "sub20",
];

/// The names of the parameters that mean something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamNames {
    /// The source's own id of the click.
    pub external_id: SmolStr,
    /// What the click costs.
    pub cost: SmolStr,
    /// The keyword.
    pub keyword: SmolStr,
    /// `sub1` … `sub20`.
    pub subs: [SmolStr; 20],
}

impl ParamNames {
    /// Those of a campaign without a source.
    pub(crate) fn usual() -> &'static Self {
        static USUAL: LazyLock<ParamNames> = LazyLock::new(ParamNames::default);
        &USUAL
    }
}

impl Default for ParamNames {
    fn default() -> Self {
        Self {
            external_id: SmolStr::new_static("external_id"),
            cost: SmolStr::new_static("cost"),
            keyword: SmolStr::new_static("keyword"),
            subs: SUBS.map(SmolStr::new_static),
        }
    }
}

impl From<&SourceParams> for ParamNames {
    fn from(params: &SourceParams) -> Self {
        let mut names = Self::default();
        let own = [
            (&mut names.external_id, &params.external_id),
            (&mut names.cost, &params.cost),
            (&mut names.keyword, &params.keyword),
        ];
        for (name, own) in own {
            if let Some(own) = own {
                *name = SmolStr::new(&own.name);
            }
        }
        for (sub, own) in &params.subs {
            if let Some(i) = sub_index(sub) {
                names.subs[i] = SmolStr::new(&own.name);
            }
        }
        names
    }
}

/// The first value of a parameter that says something, empty if the click has none of that name among the first
/// [`MAX_PARAMS`].
pub(crate) fn param<'v>(visitor: &'v Visitor, name: &str, fact: Fact) -> &'v str {
    let known = &visitor.params[..visitor.params.len().min(MAX_PARAMS)];
    said::first(known, name, fact).unwrap_or("")
}

/// As what reports group by is recorded: without control characters.
fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        return Cow::Owned(text.chars().filter(|c| !c.is_control()).collect());
    }
    Cow::Borrowed(text)
}

/// What a click's link says, whole: what is handed on is not cut where what is recorded is.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    visitor: &'a Visitor,
    names: &'a ParamNames,
}

impl<'a> Given<'a> {
    /// What a visitor's link says in the words of the campaign that was clicked on.
    pub const fn new(visitor: &'a Visitor, names: &'a ParamNames) -> Self {
        Self { visitor, names }
    }

    pub(crate) fn external_id(&self) -> &'a str {
        self.param(&self.names.external_id)
    }

    pub(crate) fn keyword(&self) -> Cow<'a, str> {
        printable(self.param(&self.names.keyword))
    }

    /// `sub1` is 0.
    pub(crate) fn sub(&self, index: usize) -> Cow<'a, str> {
        self.names.subs.get(index).map_or(Cow::Borrowed(""), |name| printable(self.param(name)))
    }

    pub(crate) fn param(&self, name: &str) -> &'a str {
        param(self.visitor, name, Fact::Text)
    }
}
