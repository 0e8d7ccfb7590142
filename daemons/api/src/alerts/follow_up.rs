//! What comes of a look: lines of the log and jobs, with the words that people have for groups and targets.

use super::{KIND, facts::Group, new_id};
use crate::{app::App, labels};
use tfx_api::Labels;
use tfx_domain::{
    Timestamp,
    alert::{
        AlertEvent, AlertJob, AlertState, GroupPart, Happened, Notice, Paused, Said, Step, Target,
        TargetKind, Told, notice::group_text, state::Acted,
    },
    entity::{Alert, AlertSpec, Kind},
};
use tfx_ports::{
    alerts::Looked,
    clock,
    queue::{NewJob, WaitingJob},
};

/// A group that is not looked at any more: what was done about it is taken back.
pub(super) fn over(mut state: AlertState) -> Looked {
    state.version += 1;
    let jobs = state.to_return().and_then(|paused| action_job(&state, paused, true, clock::now()));
    let jobs = jobs.into_iter().collect();
    Looked { state, over: true, log: Vec::new(), jobs }
}

/// A group that a person alone made who is erased: as [`over`], and nothing of it names him.
pub(crate) fn forgotten(state: AlertState, said: &Said) -> Looked {
    let group = said.taken_off(&state.group);
    let looked = over(AlertState { group, ..state.clone() });
    Looked { state: AlertState { group: state.group, ..looked.state }, ..looked }
}

/// The job to be done in place of one that names an erased person; none: it is only taken off.
pub(crate) fn renamed(job: &WaitingJob, what: AlertJob, said: &Said) -> Option<NewJob> {
    let what = what.without(said)?;
    let (AlertJob::Pause { alert, .. } | AlertJob::Return { alert, .. }) = &what else { return None };
    new_job(&what, format!("{}.renamed", job.key), format!("{alert}/act"), job.came)
}

fn action_job(state: &AlertState, paused: &Paused, returns: bool, now: Timestamp) -> Option<NewJob> {
    let (id, alert, group) = (new_id(now), state.alert.clone(), state.group.clone());
    let Paused { actor, target } = paused.clone();
    let job = if returns {
        AlertJob::Return { id, alert, group, actor, target }
    } else {
        AlertJob::Pause { id, alert, group, actor, target }
    };
    new_job(&job, id.to_string(), format!("{}/act", state.alert), now)
}

fn new_job(job: &AlertJob, key: String, group: String, now: Timestamp) -> Option<NewJob> {
    let payload = serde_json::to_string(job).ok()?;
    Some(NewJob { kind: KIND, key, group: Some(group), came: now, payload })
}

/// A state with what people call its parts.
pub(super) struct Named<'r> {
    rule: &'r Alert,
    state: &'r AlertState,
    group: Vec<GroupPart>,
    /// What its action is done to, and what people call that.
    target: Option<(Target, String)>,
}

/// A group as people read it.
pub(super) fn parts(group: &Group, labels: &Labels) -> Vec<GroupPart> {
    let part = |text: &String| {
        let (dimension, value) = text.split_once('=').unwrap_or(("", text));
        let label = labels.get(value).cloned().unwrap_or_else(|| value.to_owned());
        GroupPart { dimension: dimension.to_owned(), value: value.to_owned(), label }
    };
    group.iter().map(part).collect()
}

/// The values of groups that may be ids.
pub(super) fn ids<'g>(groups: impl IntoIterator<Item = &'g Group>) -> Vec<String> {
    let values = groups.into_iter().flatten().filter_map(|part| part.split_once('='));
    values.map(|(_, value)| value.to_owned()).collect()
}

/// `stream summer/main`.
pub(super) fn target_text(target: &Target, labels: &Labels) -> String {
    let kind = match target.kind {
        TargetKind::Stream => Kind::Stream,
        TargetKind::Destination => Kind::Destination,
    };
    format!("{kind} {}", labels.get(&target.id).unwrap_or(&target.id))
}

impl<'r> Named<'r> {
    pub(super) async fn of(app: &App, rule: &'r Alert, state: &'r AlertState) -> Self {
        let target = rule.spec.target(&state.group);
        let mut ids = ids([&state.group]);
        ids.extend(target.iter().map(|t| t.id.clone()));
        // Without the store the ids have to do.
        let labels = labels::of(app.stores.config.as_ref(), ids).await.unwrap_or_default();
        let group = parts(&state.group, &labels);
        let target = target.map(|target| {
            let text = target_text(&target, &labels);
            (target, text)
        });
        Self { rule, state, group, target }
    }

    /// What comes of a step: lines of the log, and jobs.
    pub(super) fn follow(
        &self,
        step: &Step,
        now: Timestamp,
        log: &mut Vec<AlertEvent>,
        jobs: &mut Vec<NewJob>,
    ) {
        let values = &self.state.values;
        let fired = self.state.fired.unwrap_or(self.state.since);
        match step {
            Step::Fired => log.push(self.line(Happened::Fired, values.clone(), now)),
            Step::Cleared(fired) => {
                let since = fired.strftime("%Y-%m-%d %H:%M:%S UTC");
                log.push(self.line(Happened::Cleared, format!("it had fired at {since}; {values}"), now));
            }
            Step::TellFiring => self.tell(Told::Firing, self.state.since, now, jobs),
            Step::TellCleared => self.tell(Told::Cleared, fired, now, jobs),
            Step::TellPassed(fired) => self.tell(Told::Passed, *fired, now, jobs),
            Step::TellAction if self.target.is_some() => {
                let returned = self.state.acted.as_ref().is_some_and(|acted| acted.returned);
                let told = if returned { Told::Returned } else { Told::Paused };
                self.tell(told, self.state.since, now, jobs);
            }
            Step::TellAction => {}
            Step::TellNoData => {
                let since = self.state.no_data.as_ref().map_or(now, |n| n.since);
                self.tell(Told::NoData, since, now, jobs);
            }
            Step::TellData => self.tell(Told::Data, now, now, jobs),
            Step::Act(dry) => match (&self.target, dry) {
                (None, _) => {
                    let text = "there is nothing to pause in this group".to_owned();
                    log.push(self.line(Happened::LeftAlone, text, now));
                }
                (Some((_, text)), true) => {
                    let text =
                        format!("would pause the {text}; tfx alert arm {} lets it", self.rule.spec.slug);
                    log.push(self.line(Happened::WouldPause, text, now));
                }
                (Some(_), false) => {
                    let paused = self.state.acted.as_ref().and_then(|acted| acted.paused.as_ref());
                    jobs.extend(paused.and_then(|paused| action_job(self.state, paused, false, now)));
                }
            },
            Step::Return(paused) => {
                jobs.extend(paused.as_ref().and_then(|paused| action_job(self.state, paused, true, now)));
            }
        }
    }

    fn line(&self, happened: Happened, text: String, now: Timestamp) -> AlertEvent {
        let (alert, group) = (self.state.alert.clone(), self.state.group.clone());
        AlertEvent { id: new_id(now), at: now, alert, group, happened, text }
    }

    fn tell(&self, told: Told, since: Timestamp, now: Timestamp, jobs: &mut Vec<NewJob>) {
        let notice = notice(self.rule, self.state, self.group.clone(), told, (since, now));
        let action = match (&self.state.acted, &self.target) {
            (Some(acted), Some((_, text))) if matches!(told, Told::Firing | Told::Paused) => {
                acted_text(acted, text, &self.rule.spec)
            }
            (Some(acted), Some((_, text))) if acted.returned => {
                let slug = &self.rule.spec.slug;
                format!("takes its pause of the {text} back; tfx alert log {slug} says what came of it")
            }
            _ => String::new(),
        };
        let notice = Notice { action, ..notice };
        for (place, channel) in self.rule.spec.channels().iter().enumerate() {
            let job = AlertJob::Tell {
                notice: Box::new(notice.clone()),
                group: self.state.group.clone(),
                place,
                channel: channel.shown(),
            };
            let (key, lane) = (format!("{}.{place}", notice.id), format!("{}/{place}", self.state.alert));
            jobs.extend(new_job(&job, key, lane, now));
        }
    }
}

/// What is done, or would be.
pub(super) fn acted_text(acted: &Acted, target: &str, rule: &AlertSpec) -> String {
    match (acted.dry, acted.returned) {
        (true, _) => format!("would pause the {target} (dry run; tfx alert arm {} lets it)", rule.slug),
        (false, false) => format!("pauses the {target}"),
        (false, true) => format!("had paused the {target}"),
    }
}

/// What is told of a rule.
pub(super) fn notice(
    rule: &Alert,
    state: &AlertState,
    group: Vec<GroupPart>,
    told: Told,
    (since, at): (Timestamp, Timestamp),
) -> Notice {
    let values = match &state.no_data {
        Some(none) if told != Told::Firing => none.why.clone(),
        _ => state.values.clone(),
    };
    Notice {
        id: new_id(at),
        alert: rule.id.clone(),
        slug: rule.spec.slug.to_string(),
        name: rule.spec.name.clone(),
        told,
        group,
        when: rule.spec.when.clone(),
        values,
        since,
        at,
        action: String::new(),
    }
}

/// A group in one text, for the log.
pub(super) fn text_of(group: &Group, labels: &Labels) -> String {
    group_text(&parts(group, labels))
}
