//! The engines: whether each answers, its version, and whether topics, tables and indexes are as this version needs them.

use super::{Finding, State};
use std::{sync::Arc, time::Duration};
use tfx_ops::migrate::{self, Migrations, Remedy, Row, StepState};
use tfx_settings::Settings;
use tokio::time::timeout;

/// So long each engine is waited for.
const WITHIN: Duration = Duration::from_secs(15);

/// What there is to say of the engines that the settings name; nothing where all is embedded.
pub(super) async fn look(settings: &Settings) -> Vec<Finding> {
    let engines = match tfx_wiring::migrations(settings).await {
        Ok(engines) => engines,
        Err(e) => {
            let found = Finding::new(State::Wrong, "engines", e.to_string()).told("they cannot be asked");
            return vec![found.next("tfx config show --set shows the settings that name them")];
        }
    };
    let mut found = Vec::new();
    for engine in &engines {
        let target = engine.target();
        match timeout(WITHIN, of_engine(&engines, engine)).await {
            Ok(said) => found.extend(said),
            Err(_) => {
                let what = format!("no answer within {} s", WITHIN.as_secs());
                found.push(Finding::new(State::Wrong, target, what).plain().next(UNANSWERED));
            }
        }
    }
    found
}

const UNANSWERED: &str = "is it running, and do the settings say where? tfx config show --set";

async fn of_engine(all: &[Arc<dyn Migrations>], engine: &Arc<dyn Migrations>) -> Vec<Finding> {
    let target = engine.target();
    let mut found = Vec::new();
    match engine.engine().await {
        Ok(Some(version)) => found.push(Finding::new(State::Ok, format!("{target} version"), version)),
        Ok(None) => {}
        Err(e) => {
            return vec![
                Finding::new(State::Wrong, target, e.to_string())
                    .told("it does not answer as it should")
                    .next(UNANSWERED),
            ];
        }
    }
    match migrate::status(all, &[target]).await {
        Ok((rows, silent)) => {
            found.extend(silent.iter().map(|e| {
                Finding::new(State::Wrong, target, e.to_string())
                    .told("it does not answer as it should")
                    .next(UNANSWERED)
            }));
            if silent.is_empty() {
                found.extend(of_steps(target, &rows));
            }
        }
        Err(e) => found.push(
            Finding::new(State::Wrong, target, e.to_string())
                .told("it does not answer as it should")
                .next(UNANSWERED),
        ),
    }
    found
}

/// What is not as the steps of `tfx migrate` make it.
fn of_steps(target: &str, rows: &[Row]) -> Vec<Finding> {
    let of = format!("{target} schema");
    let due = rows.iter().filter(|row| row.due).count();
    let mut found = Vec::new();
    if due > 0 {
        let steps: Vec<&str> = rows.iter().filter(|r| r.due).map(|r| r.step.as_str()).take(5).collect();
        let what = format!("{due} of {} steps are to be applied: {}", rows.len(), steps.join(", "));
        let told = format!("{due} of {} steps are to be applied", rows.len());
        let due = Finding::new(State::Wrong, of.clone(), what).told(told);
        found.push(due.next(format!("tfx migrate up {target}")));
    }
    let by_hand = rows.iter().flat_map(|row| &row.differs).filter(|d| d.remedy == Remedy::ByHand);
    found.extend(
        by_hand.map(|d| Finding::new(State::Warning, of.clone(), d.what.clone()).next(d.todo.clone())),
    );
    if found.is_empty() && rows.iter().all(|row| row.state == StepState::Applied) {
        let what = format!("as this version needs it ({} steps)", rows.len());
        found.push(Finding::new(State::Ok, of, what).plain());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use tfx_ops::migrate::Difference;

    #[test]
    fn steps_that_are_due_are_wrong_and_differences_are_told() {
        let row = |state, due, differs| Row {
            target: "clickhouse",
            step: "003_events".to_owned(),
            state,
            applied_at: None,
            what: String::new(),
            differs,
            due,
        };
        let states =
            |rows: &[Row]| -> Vec<State> { of_steps("clickhouse", rows).iter().map(|f| f.state).collect() };
        let well = || row(StepState::Applied, false, Vec::new());
        assert_eq!(states(&[well(), well()]), [State::Ok]);
        assert_eq!(states(&[well(), row(StepState::Pending, true, Vec::new())]), [State::Wrong]);
        let by_hand = vec![Difference::new("partitions", Remedy::ByHand, "do")];
        assert_eq!(states(&[row(StepState::Differs, false, by_hand)]), [State::Warning]);
        let kept = vec![Difference::new("more partitions", Remedy::Kept, "nothing")];
        assert_eq!(states(&[row(StepState::Applied, false, kept)]), [State::Ok]);
    }
}
