//! An entity as rules see it.

use crate::{
    entity::{Kind, Rotation, Spec, Status, StreamKind},
    money::Currency,
};
use smol_str::{SmolStr, ToSmolStr};
use std::fmt::Display;

/// An entity as rules see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub(super) kind: Kind,
    pub(super) id: SmolStr,
    pub(super) slug: SmolStr,
    /// Empty: it stands by itself.
    pub(super) parent: SmolStr,
    pub(super) status: Status,
    pub(super) refers_to: Vec<Reference>,
    pub(super) part: KindRules,
}

/// Where an entity refers to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// The field: `destinations[0].destination`.
    pub path: String,
    /// What it must be.
    pub kind: Kind,
    /// The id of the entity that is referred to.
    pub id: SmolStr,
}

impl Reference {
    /// At `path`, to `id`.
    pub fn new(path: impl Into<String>, kind: Kind, id: &impl Display) -> Self {
        Self { path: path.into(), kind, id: id.to_smolstr() }
    }
}

/// What only some kinds have.
#[derive(Debug, Clone, PartialEq)]
pub enum KindRules {
    /// A campaign.
    Campaign {
        /// How its regular streams are chosen.
        rotation: Rotation,
        /// Where its trafficback URL leads.
        trafficback_host: Option<SmolStr>,
    },
    /// A stream.
    Stream {
        /// When it is asked.
        kind: StreamKind,
        /// Its share of the clicks among those of one place.
        weight: u32,
        /// Its place in the order in which streams are asked.
        position: u32,
        /// The campaign it hands clicks over to.
        hands_over_to: Option<SmolStr>,
        /// How many patterns its filters need.
        patterns: usize,
    },
    /// A network, whose amounts are in this currency unless they say otherwise.
    Pays(Currency),
    /// A source.
    Source {
        /// Its amounts are in this unless they say otherwise.
        currency: Currency,
        /// Where it is told of conversions: the path of each URL, and its host.
        told_at: Vec<(String, SmolStr)>,
    },
    /// Anything else.
    Other,
}

impl Node {
    /// Of an entity.
    pub fn of<S: Spec>(id: &S::Id, spec: &S) -> Self {
        Self {
            kind: S::KIND,
            id: id.to_smolstr(),
            slug: spec.slug().as_str().into(),
            parent: spec.parent().unwrap_or_default().into(),
            status: spec.status(),
            refers_to: spec.refers_to(),
            part: spec.part(),
        }
    }

    /// What counts in its campaign's split.
    pub(super) fn share(&self) -> (Option<(StreamKind, u32)>, Status, SmolStr) {
        let drawn = match self.part {
            KindRules::Stream { kind, weight, .. } => Some((kind, weight)),
            _ => None,
        };
        (drawn, self.status, self.parent.clone())
    }

    /// The campaign it hands over to, unless it is archived. A paused one counts, since it may be resumed.
    pub(super) fn hands_over_to(&self) -> Option<&SmolStr> {
        match &self.part {
            KindRules::Stream { hands_over_to, .. } if self.status != Status::Archived => {
                hands_over_to.as_ref()
            }
            _ => None,
        }
    }

    /// The patterns that are kept ready for it.
    pub(super) const fn patterns(&self) -> usize {
        match self.part {
            KindRules::Stream { patterns, .. } if !matches!(self.status, Status::Archived) => patterns,
            _ => 0,
        }
    }
}
