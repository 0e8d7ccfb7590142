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
        let found = async { Ok(self.judge(&reconcile::look(context, window, patience, 3).await?)) };
        tell(context, "reconcile", &self.asked, "api-service", found).await
    }

    fn judge(&self, balance: &Balance) -> Found {
        let missing = balance.missing();
        let verdict = match () {
            () if missing >= self.crit => Verdict::Critical,
            () if missing >= self.warn => Verdict::Warning,
            () if balance.silent.is_empty() => Verdict::Ok,
            () => Verdict::Unknown,
        };
        let kinds = balance.kinds.iter().filter(|k| k.missing > 0);
        let told: Vec<String> = kinds.map(|k| format!("{} {} missing", k.missing, k.kind)).collect();
        let mut what =
            if missing == 0 { "all that was accepted is stored".to_owned() } else { told.join(", ") };
        if let Some(why) = balance.why.first() {
            what.push_str(&format!(": {}", why.found));
        }
        balance.silent.iter().for_each(|why| what.push_str(&format!("; {why}")));
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
