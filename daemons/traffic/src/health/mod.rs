//! Whether destinations answer: one of all traffic-services probes each of them now and then, every one of them knows
//! within two seconds what came of it, and a redirect reads memory alone.
//!
//! `prober` takes the probes that are due from the queue all services share, `held` says which of them go on though the
//! destination is paused, `lanes` says how many may be under way, `probe`
//! makes one, `put_off` knows those that
//! this service could not make, `follow` keeps memory in step with the store and publishes changes, `kept` has what was known
//! last on disk, `manual` probes when somebody asks, as often as `rate` allows.

mod follow;
mod held;
mod kept;
mod lanes;
mod manual;
mod probe;
mod prober;
mod put_off;
mod rate;

pub(crate) use follow::{Follower, HealthState, READ_ALL_EVERY};
pub(crate) use kept::HealthFile;
pub(crate) use lanes::{AT_ONCE, Lanes};
pub(crate) use manual::Manual;
pub(crate) use probe::{Counted, Probes};
pub(crate) use prober::Prober;
pub(crate) use put_off::PutOffs;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tfx_service::{health::Detail, metrics::Text};

/// What operators see of it.
pub(crate) struct Watch {
    pub(crate) manual: Manual,
    pub(crate) probes: Arc<Probes>,
    pub(crate) state: Arc<HealthState>,
    /// A newest probe that is older means that nobody probes.
    pub(crate) late_after: Duration,
}

impl Watch {
    /// For `/readyz`.
    ///
    /// # Errors
    /// The store does not answer.
    pub(crate) fn check(&self) -> Result<Detail, String> {
        let detail = self.state.check(self.late_after)?;
        let put_off = self.probes.put_off.told(self.late_after);
        if put_off.is_empty() {
            return Ok(detail);
        }
        let told = put_off.iter().map(|p| format!("probes of {} are put off: {}", p.destinations, p.reason));
        let said = detail.text.into_iter().chain(told).collect::<Vec<_>>().join("; ");
        Ok(Detail::degraded(said))
    }

    /// Metrics.
    pub(crate) fn write(&self, out: &mut Text) {
        let counted = &self.probes.counted;
        let results = [("good", &counted.good), ("bad", &counted.bad), ("put_off", &counted.put_off)];
        for (result, count) in results {
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
            let help = "Age of the newest probe of all services, read every 10 s; less than 0: the clock was set back";
            out.gauge("tfx_newest_probe_age_seconds", help, &[], age);
        }
        let help = "A newest probe that is older means that nobody probes: three intervals and what it takes to know";
        out.gauge("tfx_newest_probe_late_after_seconds", help, &[], self.late_after.as_secs());
    }
}
