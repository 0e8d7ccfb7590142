//! `tfx check reconcile`: whether what was accepted is stored. What is compared is in [`crate::commands::reconcile`].

use super::found::{CheckArgs, Figure, Found, Unit, in_order, tell};
use crate::{
    commands::reconcile::{self, Balance},
    context::Context,
    exit::{Failure, Verdict},
    input,
    when::Window,
};
use clap::Args;
use std::time::Duration;

/// When it is how bad.
#[derive(Debug, Args)]
#[command(after_help = "Exits 0 if all is well, 1 for WARNING, 2 for CRITICAL, 3 for UNKNOWN.\n\
    Events on their way are waited for until a second before --timeout.\n\n\
    Example, a line of cron:\n  \
    0 * * * *  tfx check reconcile --timeout 2m || mail -s events ops@example.com")]
pub(crate) struct Reconcile {
    #[command(flatten)]
    window: Window,
    /// So many missing events are a WARNING.
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
        in_order(&self.warn, &self.crit, u64::to_string, "--crit N: so many missing events are CRITICAL")?;
        let window = self.window.bounds()?;
        let patience = Duration::from_secs(self.asked.timeout.saturating_sub(1));
        let found = async {
            let client = self.asked.client(context).await?;
            Ok(self.judge(&reconcile::look(&client, window, patience, 3).await?))
        };
        tell(context, "reconcile", &self.asked, "api-service", found).await
    }

    fn judge(&self, balance: &Balance) -> Found {
        let missing = balance.missing();
        let verdict = match () {
            // Nobody there is CRITICAL, as in every check.
            () if missing >= self.crit || !balance.silent.is_empty() => Verdict::Critical,
            () if missing >= self.warn => Verdict::Warning,
            () => Verdict::Ok,
        };
        let kinds = balance.kinds.iter().filter(|k| k.missing > 0);
        let told: Vec<String> = kinds.map(|k| format!("{} {} missing", k.missing, k.kind)).collect();
        let mut what = match (missing, balance.silent.is_empty()) {
            (0, true) => "all that was accepted is stored".to_owned(),
            (0, false) => "all is stored that the others accepted".to_owned(),
            _ => told.join(", "),
        };
        if let Some(why) = balance.why.first() {
            what.push_str(&format!(": {}", why.found));
        }
        let silent = balance.silent.iter().map(|why| format!("{why}; ")).collect::<String>();
        let what = format!("{silent}{what}");
        let sum = |of: fn(&reconcile::Kind) -> u64| balance.kinds.iter().map(of).sum::<u64>();
        let figure = |name, value, help, limits| Figure { name, value, unit: Unit::Count, help, limits };
        let figures = vec![
            figure(
                "missing",
                missing,
                "Events that were accepted and are not stored",
                format!(";0:{};0:{};0", self.warn - 1, self.crit - 1),
            ),
            figure(
                "accepted",
                sum(|k| k.accepted.unwrap_or(0)),
                "Events that were accepted",
                ";;;0".to_owned(),
            ),
            figure("stored", sum(|k| k.stored), "Events that are stored", ";;;0".to_owned()),
        ];
        Found { figures, ..Found::new(verdict, &what) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::check::style::Style;

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
        let silent = vec!["traffic-service did not tell".to_owned()];
        let found = check.judge(&Balance { silent, ..Balance::default() });
        assert_eq!(found.verdict, Verdict::Critical);
        assert_eq!(found.what, "traffic-service did not tell; all is stored that the others accepted");
    }
}
