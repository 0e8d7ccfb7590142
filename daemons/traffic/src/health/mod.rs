//! Whether destinations answer: one of all traffic-services probes each of them now and then, every one of them knows
//! within two seconds what came of it, and a redirect reads memory alone.
//!
//! `prober` takes the probes that are due from the queue all services share, `probe` makes one, `follow` keeps memory in step with the store and publishes changes, `manual` probes when somebody
//! asks.

mod follow;
mod manual;
mod probe;
mod prober;

pub(crate) use follow::{Follower, HealthState};
pub(crate) use manual::{Manual, check};
pub(crate) use probe::{Counted, Probes};
pub(crate) use prober::Prober;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tfx_service::metrics::Text;

/// What operators see of it.
pub(crate) struct Watch {
    pub(crate) manual: Manual,
    pub(crate) probes: Arc<Probes>,
    pub(crate) state: Arc<HealthState>,
    /// A newest probe that is older means that nobody probes.
    pub(crate) late_after: Duration,
}

impl Watch {
    /// Metrics.
    pub(crate) fn write(&self, out: &mut Text) {
        let counted = &self.probes.counted;
        for (result, count) in [("good", &counted.good), ("bad", &counted.bad)] {
            let labels = [("result", result)];
            out.counter(
                "tfx_probes_total",
                "Probes of destinations, by result",
                &labels,
                count.load(Relaxed),
            );
        }
        let (watched, down, age) = self.state.figures();
        out.gauge("tfx_destinations_watched", "Active destinations with a health check", &[], watched);
        out.gauge("tfx_destinations_down", "Destinations that count as down", &[], down);
        if let Some(age) = age {
            let help = "Age of the newest probe of all services, read every 10 s";
            out.gauge("tfx_newest_probe_age_seconds", help, &[], age);
        }
    }
}
