//! Which destinations of a stream can take a click, and which of them does.

use super::{
    Counters, DestinationPlan, Health, NoCandidate, Reason, Roi, Scope, Snapshot, StreamPlan, Visitor,
};
use crate::{
    Timestamp,
    entity::{Bind, Select, Status},
    id::DestinationId,
};
use rand::{Rng, RngExt};

/// `select: roi`: how many clicks of the average candidate every candidate is credited with before its own count.
/// Few clicks of its own hardly move it; after some hundreds they decide.
pub(crate) const ROI_PRIOR_CLICKS: f64 = 200.0;

/// `select: roi`: the part of the clicks shared out evenly, so that every candidate is tried. The rest goes to the best.
pub(crate) const ROI_FLOOR: f64 = 0.1;

/// Whether something last seen at `seen` was seen within the window before `now`. A time to come counts as now.
pub(super) fn seen_within(seen: Option<Timestamp>, now: Timestamp, window_s: u64) -> bool {
    let window = i64::try_from(window_s).unwrap_or(i64::MAX);
    seen.is_some_and(|seen| now.duration_since(seen).as_secs() < window)
}

/// What the choice needs to know.
pub(super) struct CandidateCheck<'s, 'a, C> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) visitor: &'a Visitor,
    pub(super) now: Timestamp,
    pub(super) counters: &'a C,
    /// What is down is a candidate too.
    pub(super) ignore_health: bool,
}

/// Chooses a destination of the stream; true when the visitor is bound to it.
///
/// # Errors
/// No destination is a candidate: why, for each.
pub(super) fn choose<'s, C: Counters>(
    check: &CandidateCheck<'s, '_, C>,
    stream: &'s StreamPlan,
    rng: &mut impl Rng,
) -> Result<(&'s DestinationPlan, bool), Reason<'s>> {
    let spec = &stream.stream.spec;
    let binds = spec.bind == Bind::Destination && check.visitor.counts();
    let bound =
        binds.then(|| check.counters.bound_destination(check.visitor.id, &stream.stream.id)).flatten();
    let mut candidates: Vec<(&DestinationPlan, u32)> = Vec::new();
    let mut passed: Vec<(&'s str, NoCandidate)> = Vec::new();
    for listed in &spec.destinations {
        let is_bound = bound.as_ref() == Some(&listed.destination);
        match check.candidate(&listed.destination) {
            Ok(destination) if is_bound => return Ok((destination, true)),
            Ok(_) if spec.select == Select::Weight && listed.weight == 0 => {
                passed.push((listed.destination.as_str(), NoCandidate::WeightZero));
            }
            Ok(destination) => {
                candidates.push((destination, listed.weight));
                // The first is the choice, unless a later one is the bound one.
                if spec.select == Select::Position && bound.is_none() {
                    break;
                }
            }
            Err(why) => passed.push((listed.destination.as_str(), why)),
        }
    }
    let chosen = match (candidates.as_slice(), spec.select) {
        ([], _) => return Err(Reason::NoCandidate(passed)),
        ([only], _) => Some(only),
        (several, Select::Position) => several.first(),
        (several, Select::Weight) => {
            draw(several.iter().map(|(_, w)| u64::from(*w)), rng).and_then(|i| several.get(i))
        }
        (several, Select::Roi) => {
            let brought: Vec<Roi> = several
                .iter()
                .map(|(d, _)| check.counters.roi(&d.destination.id).unwrap_or_default())
                .collect();
            several.get(draw_share(&roi_shares(&brought).0, rng.random()))
        }
    };
    chosen.map(|(destination, _)| (*destination, false)).ok_or(Reason::NoCandidate(passed))
}

impl<'s, C: Counters> CandidateCheck<'s, '_, C> {
    /// The destination if it can take the click now; cheap reasons first.
    pub(super) fn candidate(&self, id: &DestinationId) -> Result<&'s DestinationPlan, NoCandidate> {
        let plan = self.snapshot.destination(id).ok_or(NoCandidate::Missing)?;
        let spec = &plan.destination.spec;
        if spec.status != Status::Active {
            return Err(NoCandidate::Inactive);
        }
        if plan.schedule.as_ref().is_some_and(|s| !s.contains(self.now)) {
            return Err(NoCandidate::Schedule);
        }
        if self.counters.health(id) == Health::Down && !self.ignore_health {
            return Err(NoCandidate::Unhealthy);
        }
        if let Some(caps) = &spec.caps {
            let used = self.counters.cap_use(id, &plan.cap_zone, self.now);
            let reached = |cap: Option<u64>, used: u64| cap.is_some_and(|cap| used >= cap);
            if reached(caps.clicks_daily, used.clicks_daily)
                || reached(caps.clicks_total, used.clicks_total)
                || reached(caps.conversions_daily, used.conversions_daily)
                || reached(caps.conversions_total, used.conversions_total)
            {
                return Err(NoCandidate::Capped);
            }
        }
        if let Some(window) = spec.anti_repeat_s
            && self.visitor.bot.is_none()
            && seen_within(self.counters.last_seen(self.visitor.id, Scope::Destination(id)), self.now, window)
        {
            return Err(NoCandidate::Repeat);
        }
        Ok(plan)
    }
}

/// Draws a place by weight; none if every weight is 0.
fn draw(weights: impl Iterator<Item = u64> + Clone, rng: &mut impl Rng) -> Option<usize> {
    let total: u64 = weights.clone().sum();
    if total == 0 {
        return None;
    }
    let mut left = rng.random_range(0..total);
    for (i, weight) in weights.enumerate() {
        match left.checked_sub(weight) {
            Some(less) => left = less,
            None => return Some(i),
        }
    }
    None
}

/// The place at which the running sum of the shares passes `point` (0 to 1).
fn draw_share(shares: &[f64], point: f64) -> usize {
    let mut sum = 0.0;
    for (i, share) in shares.iter().enumerate() {
        sum += share;
        if point < sum {
            return i;
        }
    }
    shares.len().saturating_sub(1)
}

/// The share of clicks of each candidate, by return on investment, and the score by which they are ranked.
///
/// Each is ranked by (revenue + P·r) / (cost + P·c), where r and c are the revenue and cost of an average click of
/// all candidates together and P is [`ROI_PRIOR_CLICKS`]: one without data ranks as the average. When nothing cost
/// anything, cost is taken to be the same for every click. The best share 1 − [`ROI_FLOOR`] (equals share it), and
/// the floor is shared evenly by all.
pub(super) fn roi_shares(brought: &[Roi]) -> (Vec<f64>, Vec<f64>) {
    // Negative and undefined sums (refunds, a broken feed) count as nothing.
    let sane = |x: f64| if x.is_finite() && x > 0.0 { x } else { 0.0 };
    #[expect(clippy::cast_precision_loss, reason = "a ratio of counts far below 2^52")]
    let clicks = |r: &Roi| r.clicks as f64;
    let all_clicks: f64 = brought.iter().map(clicks).sum();
    let all_revenue: f64 = brought.iter().map(|r| sane(r.revenue)).sum();
    let all_cost: f64 = brought.iter().map(|r| sane(r.cost)).sum();
    let per_click = |sum: f64| if all_clicks > 0.0 { sum / all_clicks } else { 0.0 };
    let score = |r: &Roi| {
        let (cost, cost_of_one) =
            if all_cost > 0.0 { (sane(r.cost), per_click(all_cost)) } else { (clicks(r), 1.0) };
        let below = cost + ROI_PRIOR_CLICKS * cost_of_one;
        if below > 0.0 { (sane(r.revenue) + ROI_PRIOR_CLICKS * per_click(all_revenue)) / below } else { 0.0 }
    };
    let scores: Vec<f64> = brought.iter().map(score).collect();
    let best = scores.iter().copied().fold(0.0, f64::max);
    let is_best = |s: f64| s >= best - best * 1e-9;
    let count = |n: usize| u32::try_from(n).map_or(f64::from(u32::MAX), f64::from);
    let first = count(scores.iter().filter(|s| is_best(**s)).count());
    let floor = ROI_FLOOR / count(brought.len());
    let share = |s: &f64| if is_best(*s) { floor + (1.0 - ROI_FLOOR) / first } else { floor };
    (scores.iter().map(share).collect(), scores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn roi(clicks: u64, revenue: f64, cost: f64) -> Roi {
        Roi { clicks, revenue, cost }
    }

    #[test]
    fn the_best_gets_most_and_everyone_something() {
        let table: &[(&[Roi], &[f64])] = &[
            // No data at all: even.
            (&[roi(0, 0.0, 0.0), roi(0, 0.0, 0.0)], &[0.5, 0.5]),
            // Twice the return on the same cost.
            (&[roi(1000, 200.0, 100.0), roi(1000, 100.0, 100.0)], &[0.95, 0.05]),
            // Same revenue, half the cost: return counts, not revenue.
            (&[roi(1000, 100.0, 100.0), roi(1000, 100.0, 50.0)], &[0.05, 0.95]),
            // No cost anywhere: revenue per click decides.
            (&[roi(1000, 100.0, 0.0), roi(500, 100.0, 0.0)], &[0.05, 0.95]),
            // One without data ranks as the average: before the one below it, behind the one above it.
            (
                &[roi(1000, 200.0, 100.0), roi(1000, 20.0, 100.0), roi(0, 0.0, 0.0)],
                &[0.9 + 0.1 / 3.0, 0.1 / 3.0, 0.1 / 3.0],
            ),
            // Garbage counts as nothing.
            (&[roi(10, f64::NAN, 5.0), roi(1000, 100.0, 50.0)], &[0.05, 0.95]),
        ];
        for (brought, want) in table {
            let got = roi_shares(brought).0;
            let close = got.iter().zip(*want).all(|(g, w)| (g - w).abs() < 1e-9);
            assert!(close && got.len() == want.len(), "{brought:?}: {got:?}, not {want:?}");
        }
    }

    #[test]
    fn one_lucky_click_does_not_outrank_a_proven_destination() {
        // 3 % and 1 % of 5,000 clicks convert at 10 each; the third had one click, and it converted.
        let (shares, _) =
            roi_shares(&[roi(5_000, 1500.0, 250.0), roi(5_000, 500.0, 250.0), roi(1, 10.0, 0.05)]);
        assert!(shares[0] > 0.9, "{shares:?}");
    }

    proptest! {
        #[test]
        fn shares_add_up_to_one_and_keep_the_floor(
            brought in proptest::collection::vec((0u64..100_000, -10.0f64..1e6, -10.0f64..1e6), 1..20)
        ) {
            let brought: Vec<Roi> = brought.into_iter().map(|(n, r, c)| roi(n, r, c)).collect();
            let (shares, _) = roi_shares(&brought);
            prop_assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            let floor = ROI_FLOOR / f64::from(u32::try_from(brought.len()).expect("few"));
            prop_assert!(shares.iter().all(|s| *s >= floor - 1e-12));
        }

        #[test]
        fn drawing_shares_stays_inside(shares in proptest::collection::vec(0.0f64..1.0, 1..9), point in 0.0f64..1.0) {
            prop_assert!(draw_share(&shares, point) < shares.len());
        }
    }
}
