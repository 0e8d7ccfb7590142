//! Which destinations are probed though they are paused: those for which an alert fires. Whoever paused them, the alert is
//! cleared only by what their probes find, and what it paused goes on then.

use std::collections::HashSet;
use tfx_domain::{
    alert::{AlertState, Phase, TargetKind},
    entity::Status,
    id::DestinationId,
    routing::DestinationPlan,
};
use tfx_ports::{StoreError, alerts::AlertStore};

/// Destinations of which an alert fires.
pub(super) struct Held(HashSet<String>);

impl Held {
    /// Asks the store.
    ///
    /// # Errors
    /// The store does not answer.
    pub(super) async fn read(alerts: &dyn AlertStore) -> Result<Self, StoreError> {
        let stored = alerts.states(None).await?;
        let firing = stored.iter().map(|s| &s.state).filter(|state| state.phase == Phase::Firing);
        Ok(Self(firing.flat_map(named).map(str::to_owned).collect()))
    }

    /// Whether it is probed though it is paused.
    pub(super) fn has(&self, plan: &DestinationPlan) -> bool {
        let id: &DestinationId = &plan.destination.id;
        plan.destination.spec.status == Status::Paused && self.0.contains(id.as_str())
    }
}

/// The destinations that a state is about: of its group, and what was paused.
fn named(state: &AlertState) -> impl Iterator<Item = &str> {
    let paused = state.to_return().map(|paused| &paused.target);
    let paused =
        paused.filter(|target| target.kind == TargetKind::Destination).map(|target| target.id.as_str());
    state.group.iter().filter_map(|part| part.strip_prefix("destination=")).chain(paused)
}
