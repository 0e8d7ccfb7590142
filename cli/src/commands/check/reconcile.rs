//! `tfx check reconcile`: whether what was accepted is stored. What is compared is in [`crate::commands::reconcile`].

use super::found::{CheckArgs, Figure, Found, Unit, in_order, tell};
use crate::{
    commands::reconcile::{self, Balance, Patience},
    context::Context,
    exit::{Failure, Verdict},
    input,
    when::Window,
};
use clap::Args;
use std::time::Duration;
use tfx_api::reconciliation::ReconciledCounts;

/// The most of its time for asking what holds up what is missing.
const MOST_FOR_WHY: Duration = Duration::from_secs(5);

/// When it is how bad.
#[derive(Debug, Args)]
#[command(after_help = "Exits 0 if all is well, 1 for WARNING, 2 for CRITICAL, 3 for UNKNOWN.\n\
    Events on their way are waited for as long as --timeout leaves time to say\n\
    what is found. Where a part of the time is not compared, it is a WARNING.\n\n\
    Example, a line of cron:\n  \
    0 * * * *  tfx check reconcile --timeout 2m || mail -s events ops@example.com")]
pub(crate) struct Reconcile {
    #[command(flatten)]
    window: Window,
    /// So many events missing, too many or stored otherwise are a WARNING.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = input::within::<u64>(1, u64::MAX >> 1))]
    warn: u64,
    /// So many are CRITICAL.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = input::within::<u64>(1, u64::MAX >> 1))]
    crit: u64,
    #[command(flatten)]
    asked: CheckArgs,
}

impl Reconcile {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        in_order(
            &self.warn,
            &self.crit,
            u64::to_string,
            "--crit N: so many events missing, too many or stored otherwise are CRITICAL",
        )?;
        let window = self.window.bounds()?;
        let (within, why) = (self.asked.each(), self.asked.each().mul_f64(0.2).min(MOST_FOR_WHY));
        let patience = Patience { way: within.saturating_sub(why), why };
        let found = async {
            let client = self.asked.client(context).await?;
            Ok(self.judge(&reconcile::look(&client, window, patience, 3).await?))
        };
        tell(context, "reconcile", &self.asked, "api-service", found).await
    }

    fn judge(&self, balance: &Balance) -> Found {
        let (missing, surplus, differing) = (balance.missing(), balance.surplus(), balance.differing());
        let (gap, silent, uncompared) = (balance.gap(), &balance.found.silent, &balance.found.uncompared);
        let verdict = match () {
            // Nobody there is CRITICAL, as in every check.
            () if gap >= self.crit || !silent.is_empty() => Verdict::Critical,
            () if gap >= self.warn || !uncompared.is_empty() => Verdict::Warning,
            () => Verdict::Ok,
        };
        let kinds = balance.found.kinds.iter().flat_map(|k| {
            let of =
                |n: u64, fault: &str| (n > 0).then(|| format!("{n} {} {fault}", reconcile::word(k.kind)));
            [
                of(k.sum.missing, "missing"),
                of(k.sum.surplus, "too many"),
                of(k.sum.differing, "stored otherwise than they are"),
            ]
        });
        let told: Vec<String> = kinds.flatten().collect();
        let mut what = match (gap, silent.is_empty()) {
            (0, true) if !uncompared.is_empty() => "all is stored that can be compared".to_owned(),
            (0, true) => "all that was accepted is stored".to_owned(),
            (0, false) => "all is stored that is known to be accepted".to_owned(),
            _ => told.join(", "),
        };
        if let Some(why) = balance.why.first() {
            what.push_str(&format!(": {}", why.found));
        }
        what.extend(uncompared.iter().map(|why| format!("; {why}")));
        let silent = silent.iter().map(|why| format!("{why}; ")).collect::<String>();
        let what = format!("{silent}{what}");
        let sum =
            |of: fn(&ReconciledCounts) -> u64| balance.found.kinds.iter().map(|k| of(&k.sum)).sum::<u64>();
        let figure = |name, value, help, limits| Figure { name, value, unit: Unit::Count, help, limits };
        let limits = || format!(";0:{};0:{};0", self.warn - 1, self.crit - 1);
        let none = || ";;;0".to_owned();
        let figures = vec![
            figure("missing", missing, "Events that were accepted and are not stored", limits()),
            figure("surplus", surplus, "Events that are stored and were not accepted", limits()),
            figure("differing", differing, "Events that are stored otherwise than they are", limits()),
            figure("accepted", sum(|k| k.accepted), "Events that were accepted", none()),
            figure("stored", sum(|k| k.stored), "Events that are stored", none()),
        ];
        Found { figures, ..Found::new(verdict, &what) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::check::style::Style;
    use tfx_api::reconciliation::Reconciliation;

    #[test]
    fn who_does_not_tell_what_he_accepted_is_critical_and_is_named_first() {
        let check = Reconcile {
            window: Window::default(),
            warn: 1,
            crit: 1,
            asked: CheckArgs { format: Style::Nagios, timeout: 10 },
        };
        let well = check.judge(&Balance::default());
        assert_eq!((well.verdict, well.what.as_str()), (Verdict::Ok, "all that was accepted is stored"));
        let uncompared = vec!["an hour is not compared".to_owned()];
        let found = Reconciliation { uncompared, ..Reconciliation::default() };
        let found = check.judge(&Balance { found, ..Balance::default() });
        assert_eq!(found.verdict, Verdict::Warning, "what is not compared is not well");
        assert_eq!(found.what, "all is stored that can be compared; an hour is not compared");
        let silent = vec!["traffic-service did not tell".to_owned()];
        let found = Reconciliation { silent, ..Reconciliation::default() };
        let found = check.judge(&Balance { found, ..Balance::default() });
        assert_eq!(found.verdict, Verdict::Critical);
        assert_eq!(found.what, "traffic-service did not tell; all is stored that is known to be accepted");
    }
}
