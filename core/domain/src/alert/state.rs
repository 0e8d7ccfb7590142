//! What becomes of an alert from one look to the next: it is pending until its condition has held for long enough, fires, and
//! is cleared when the condition has not held for long enough. Quiet hours hold up what is told and nothing else.

use super::{
    event::Target,
    holds::{Observation, Verdict},
};
use crate::{Timestamp, id::AlertId, routing::timetable::Timetable};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The condition does not hold, or it is not known whether it does.
    Ok,
    /// It holds, but not for long enough.
    Pending,
    /// It fires.
    Firing,
}

/// What the channels know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// Nothing, or that it is over.
    Fine,
    /// That it fires.
    Firing,
    /// That there is no data.
    NoData,
}

/// A time without data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoData {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub why: String,
}

/// What a rule has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acted {
    /// When.
    pub at: Timestamp,
    /// It was only said.
    pub dry: bool,
    /// When the condition last held; none: as it was then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Timestamp>,
    /// It was taken back, or that was tried.
    pub returned: bool,
    /// The channels know of an alert that fires, and not of this.
    #[serde(default)]
    pub untold: bool,
    /// What was paused, and by whom; none: it was only said, or there was nothing to pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
}

/// What was paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Who paused it: `alert:SLUG`, as the rule was called then.
    pub actor: String,
    /// What.
    pub target: Target,
}

/// How a rule stands in one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertState {
    /// The rule.
    pub alert: AlertId,
    /// The group: `dimension=value` for each of the rule's dimensions, ids for entities.
    pub group: Vec<String>,
    /// Grows by one with each look.
    pub version: u64,
    /// How it stands.
    pub phase: Phase,
    /// Since when.
    pub since: Timestamp,
    /// When it last fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fired: Option<Timestamp>,
    /// It fires, and its condition does not hold since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearing: Option<Timestamp>,
    /// It is not known whether the condition holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_data: Option<NoData>,
    /// The figures of the last look.
    pub values: String,
    /// When that was.
    pub evaluated_at: Timestamp,
    /// What the channels know.
    pub told: Known,
    /// It fired then, and was cleared before that could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untold: Option<Timestamp>,
    /// What was done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acted: Option<Acted>,
}

/// How a rule goes from one state to another.
#[derive(Debug, Clone)]
pub struct Policy {
    /// How long the condition must hold before the alert fires.
    pub hold: Duration,
    /// How long it must not hold before the alert is cleared.
    pub clear: Duration,
    /// After how long without data that is told; none: it is not.
    pub no_data_after: Option<Duration>,
    /// When nothing is told.
    pub quiet: Option<Timetable>,
    /// Whether something is to be done; and then really, or only said.
    pub action: Option<bool>,
    /// How long after the condition last held that is taken back at the latest; none: when the alert is cleared.
    pub return_after: Option<Duration>,
}

/// What a look leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The alert fires.
    Fired,
    /// It is over; it had fired then.
    Cleared(Timestamp),
    /// It is told that it fires.
    TellFiring,
    /// It is told that it is over.
    TellCleared,
    /// It is told that it fired then and is over, both in quiet hours.
    TellPassed(Timestamp),
    /// It is told what was done about an alert that goes on to fire.
    TellAction,
    /// It is told that there is no data.
    TellNoData,
    /// It is told that there is data again.
    TellData,
    /// The action is done; `true`: it is only said.
    Act(bool),
    /// The action is taken back; none: there was nothing to pause.
    Return(Option<Paused>),
}

impl AlertState {
    /// Before the first look.
    fn new(alert: &AlertId, group: &[String], now: Timestamp) -> Self {
        Self {
            alert: alert.clone(),
            group: group.to_vec(),
            version: 0,
            phase: Phase::Ok,
            since: now,
            fired: None,
            clearing: None,
            no_data: None,
            values: String::new(),
            evaluated_at: now,
            told: Known::Fine,
            untold: None,
            acted: None,
        }
    }

    /// Whether it has to be kept also when nothing counts in its group any more.
    pub const fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Ok)
            || !matches!(self.told, Known::Fine)
            || self.untold.is_some()
            || self.acted.is_some()
    }

    /// What is paused and was not taken back.
    pub fn to_return(&self) -> Option<&Paused> {
        self.acted.as_ref().filter(|a| !a.dry && !a.returned)?.paused.as_ref()
    }

    fn enter(&mut self, phase: Phase, now: Timestamp) {
        (self.phase, self.since, self.clearing) = (phase, now, None);
    }
}

/// The state after one more look, and what that leads to, in order.
pub fn step(
    policy: &Policy,
    before: Option<&AlertState>,
    (alert, group): (&AlertId, &[String]),
    observed: Observation,
    now: Timestamp,
) -> (AlertState, Vec<Step>) {
    let mut state = before.cloned().unwrap_or_else(|| AlertState::new(alert, group, now));
    let mut steps = Vec::new();
    state.version += 1;
    state.evaluated_at = now;
    state.values = observed.values;
    let holds = observed.verdict == Verdict::Holds;
    let over = matches!(observed.verdict, Verdict::Over(_));
    look(policy, &mut state, observed.verdict, now, &mut steps);
    act(policy, &mut state, holds, now, &mut steps);
    if !policy.quiet.as_ref().is_some_and(|quiet| quiet.contains(now)) {
        tell(policy, &mut state, over, now, &mut steps);
    }
    (state, steps)
}

fn look(policy: &Policy, state: &mut AlertState, verdict: Verdict, now: Timestamp, steps: &mut Vec<Step>) {
    match verdict {
        Verdict::Holds => {
            (state.no_data, state.clearing) = (None, None);
            if state.phase == Phase::Ok {
                state.enter(Phase::Pending, now);
            }
            if state.phase == Phase::Pending && since(state.since, now) >= policy.hold {
                state.enter(Phase::Firing, now);
                state.fired = Some(now);
                steps.push(Step::Fired);
            }
        }
        Verdict::Not => {
            state.no_data = None;
            match state.phase {
                Phase::Ok => {}
                Phase::Pending => state.enter(Phase::Ok, now),
                Phase::Firing => {
                    let clearing = *state.clearing.get_or_insert(now);
                    if since(clearing, now) >= policy.clear {
                        clear(state, now, steps);
                    }
                }
            }
        }
        // Nobody will ever see that it does not hold.
        Verdict::Over(_) => {
            state.no_data = None;
            match state.phase {
                Phase::Ok => {}
                Phase::Pending => state.enter(Phase::Ok, now),
                Phase::Firing => clear(state, now, steps),
            }
        }
        Verdict::NoData(why) => {
            let since = state.no_data.as_ref().map_or(now, |n| n.since);
            state.no_data = Some(NoData { since, why });
            state.clearing = None;
            // What cannot be said has not held all the time.
            if state.phase == Phase::Pending {
                state.enter(Phase::Ok, now);
            }
        }
    }
}

fn clear(state: &mut AlertState, now: Timestamp, steps: &mut Vec<Step>) {
    let fired = state.since;
    state.enter(Phase::Ok, now);
    steps.push(Step::Cleared(fired));
    if state.told != Known::Firing {
        state.untold = Some(fired);
    }
}

fn act(policy: &Policy, state: &mut AlertState, holds: bool, now: Timestamp, steps: &mut Vec<Step>) {
    let over = state.phase != Phase::Firing;
    if !over {
        let acts = match (policy.action, &state.acted) {
            (Some(armed), None) => Some(!armed),
            // It was armed since.
            (Some(true), Some(acted)) if acted.dry => Some(false),
            // It was taken back, and is as bad as before.
            (Some(armed), Some(acted)) if acted.returned && holds => Some(!armed),
            (None, _) | (Some(_), Some(_)) => None,
        };
        if let Some(dry) = acts {
            let untold = !dry && state.told == Known::Firing;
            state.acted = Some(Acted { at: now, dry, held: None, returned: false, untold, paused: None });
            steps.push(Step::Act(dry));
        }
    }
    if let Some(acted) = &mut state.acted {
        if holds {
            acted.held = Some(now);
        }
        let late =
            policy.return_after.is_some_and(|after| since(acted.held.unwrap_or(acted.at), now) >= after);
        if !acted.dry && !acted.returned && (over || late) {
            (acted.returned, acted.untold) = (true, true);
            steps.push(Step::Return(acted.paused.clone()));
        }
    }
    // What is over is kept until it is told.
    if over && state.acted.as_ref().is_some_and(|acted| !acted.untold) {
        state.acted = None;
    }
}

/// What the channels are told: where what they know is no longer so.
fn tell(policy: &Policy, state: &mut AlertState, over: bool, now: Timestamp, steps: &mut Vec<Step>) {
    let fires = state.phase == Phase::Firing;
    let acted = state.acted.as_mut().is_some_and(|acted| std::mem::take(&mut acted.untold));
    match (state.told, fires) {
        (Known::Firing, true) if acted => steps.push(Step::TellAction),
        (Known::Firing, true) => {}
        (_, true) => {
            (state.told, state.untold) = (Known::Firing, None);
            steps.push(Step::TellFiring);
        }
        (Known::Firing, false) => {
            state.told = Known::Fine;
            steps.push(Step::TellCleared);
        }
        (_, false) => {}
    }
    if let Some(fired) = state.untold.take() {
        steps.push(Step::TellPassed(fired));
    }
    if fires {
        return;
    }
    let (told, without) = (state.told == Known::NoData, state.no_data.as_ref().map(|n| since(n.since, now)));
    match (told, without, policy.no_data_after) {
        (false, Some(without), Some(after)) if without >= after => {
            state.told = Known::NoData;
            steps.push(Step::TellNoData);
        }
        (true, None, _) => {
            state.told = Known::Fine;
            steps.push(if over { Step::TellCleared } else { Step::TellData });
        }
        _ => {}
    }
}

/// A clock that was set back makes nothing longer.
fn since(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or_default()
}
