//! What stays of an alert when the person is erased whose clicks alone made its group: which rule, when, and what happened.

use super::{AlertEvent, AlertJob};
use crate::report::Dimension;
use std::collections::BTreeSet;

/// Parts of groups, `sub1=value`, that the clicks of one person say and no other click does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said(BTreeSet<String>);

impl Said {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The dimensions of a group whose values tell of people.
    pub fn dimensions(group: &[String]) -> impl Iterator<Item = Dimension> {
        let dimensions = group.iter().filter_map(|part| part.split_once('=')?.0.parse::<Dimension>().ok());
        dimensions.filter(|dimension| dimension.tells_of_a_person())
    }

    /// One more.
    pub fn add(&mut self, dimension: Dimension, value: &str) {
        self.0.insert(format!("{dimension}={value}"));
    }

    /// Whether a value of a dimension is among them, in whatever case.
    pub fn names(&self, dimension: Dimension, value: &str) -> bool {
        let part = format!("{dimension}={value}").to_lowercase();
        self.0.iter().any(|said| said.to_lowercase() == part)
    }

    /// Whether a group has one of them.
    pub fn stands_in(&self, group: &[String]) -> bool {
        group.iter().any(|part| self.0.contains(part))
    }

    /// A group with nothing in their place.
    #[must_use]
    pub fn taken_off(&self, group: &[String]) -> Vec<String> {
        let left = |part: &String| match part.split_once('=') {
            Some((dimension, _)) if self.0.contains(part) => format!("{dimension}="),
            _ => part.clone(),
        };
        group.iter().map(left).collect()
    }
}

impl AlertEvent {
    /// The line without what a person said; none: it has nothing of that.
    pub fn without(&self, said: &Said) -> Option<Self> {
        said.stands_in(&self.group).then(|| Self { group: said.taken_off(&self.group), ..self.clone() })
    }
}

impl AlertJob {
    /// Of which group it is.
    pub fn group(&self) -> &[String] {
        match self {
            Self::Tell { group, .. } | Self::Pause { group, .. } | Self::Return { group, .. } => group,
        }
    }

    /// What is to be done, without what a person said; none: it is a notice, which has nothing to tell without that.
    #[must_use]
    pub fn without(mut self, said: &Said) -> Option<Self> {
        match &mut self {
            Self::Tell { .. } => return None,
            Self::Pause { group, .. } | Self::Return { group, .. } => *group = said.taken_off(group),
        }
        Some(self)
    }
}
