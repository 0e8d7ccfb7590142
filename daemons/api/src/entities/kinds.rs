//! What differs between the kinds of entities, as data, so that everything else is written once.

use serde_json::Value;
use tfx_domain::{
    Timestamp,
    entity::{
        AlertSpec, CampaignSpec, DestinationSpec, Kind, NetworkSpec, SourceSpec, Spec, Status, StreamSpec,
        TemplateSpec, parse_over,
    },
    problem::Problems,
    rules::Node,
};
use tfx_ports::{StoreError, config::Record};

/// A spec that passed its own validation.
pub(crate) struct Checked {
    /// As it is stored: every field in its normal form.
    pub(crate) spec: Value,
    pub(crate) parent: String,
    pub(crate) slug: String,
    pub(crate) status: Status,
}

/// What is done differently for each kind.
pub(crate) struct Ops {
    /// Paths at which ids of other entities stand, and their kinds.
    pub(crate) refs: &'static [(&'static str, Kind)],
    /// Of a spec, and the one whose place it takes.
    pub(crate) check: fn(Value, Option<&Value>) -> Result<Checked, Problems>,
    /// Why this program cannot read a stored entity; none if it can.
    pub(crate) unreadable: fn(&Record) -> Option<String>,
    pub(crate) new_id: fn(Timestamp, u128) -> String,
    /// A small valid spec.
    pub(crate) example: fn() -> Value,
    pub(crate) node: fn(&Record) -> Result<Node, StoreError>,
}

impl Ops {
    const fn of<S: Spec>() -> Self {
        Self {
            refs: S::REFS,
            check: check::<S>,
            unreadable: unreadable::<S>,
            new_id: new_id::<S>,
            example: S::example,
            node: node::<S>,
        }
    }
}

fn check<S: Spec>(value: Value, before: Option<&Value>) -> Result<Checked, Problems> {
    let spec: S = parse_over(value, before)?;
    Ok(Checked {
        parent: spec.parent().unwrap_or_default().to_owned(),
        slug: spec.slug().to_string(),
        status: spec.status(),
        spec: serde_json::to_value(&spec).map_err(|e| Problems::one("", e.to_string()))?,
    })
}

fn unreadable<S: Spec>(record: &Record) -> Option<String> {
    record.typed::<S>().err().map(|e| e.to_string())
}

fn new_id<S: Spec>(now: Timestamp, random: u128) -> String {
    S::new_id(now, random).to_string()
}

fn node<S: Spec>(record: &Record) -> Result<Node, StoreError> {
    let entity = record.typed::<S>()?;
    Ok(Node::of(&entity.id, &entity.spec))
}

/// The operations of a kind.
pub(crate) const fn ops(kind: Kind) -> Ops {
    match kind {
        Kind::Campaign => Ops::of::<CampaignSpec>(),
        Kind::Stream => Ops::of::<StreamSpec>(),
        Kind::Destination => Ops::of::<DestinationSpec>(),
        Kind::Source => Ops::of::<SourceSpec>(),
        Kind::Network => Ops::of::<NetworkSpec>(),
        Kind::Template => Ops::of::<TemplateSpec>(),
        Kind::Alert => Ops::of::<AlertSpec>(),
    }
}

/// The kind that an id belongs to, by its prefix.
pub(crate) fn kind_of(id: &str) -> Option<Kind> {
    let (prefix, _) = id.split_once('_')?;
    Kind::ALL.into_iter().find(|k| k.prefix() == prefix)
}
