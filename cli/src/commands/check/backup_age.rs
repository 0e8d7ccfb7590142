//! `tfx check backup-age`: how old the newest whole set of backups is.

use super::found::{CheckArgs, Figure, Found, Unit, in_order, seconds, tell};
use crate::{
    commands::backup::Where,
    context::Context,
    exit::{Failure, Verdict},
};
use clap::{Args, ValueHint};
use tfx_domain::Timestamp;
use tfx_ops::{
    backup::set::{self, FoundSet, SetKind},
    clock,
};
use tokio::task::spawn_blocking;

/// An older one is a WARNING, unless something else is said.
const WARN: u64 = 25 * 3_600;

/// How old the newest whole set of backups is.
#[derive(Debug, Args)]
#[command(after_help = "Exits 0 if all is well, 1 for WARNING, 2 for CRITICAL, 3 for UNKNOWN.\n\
    Manifests and sizes are looked at; tfx backup verify reads everything.\n\
    Where there are sets of all stores, those of ClickHouse alone do not count.\n\
    No whole set, or a folder that cannot be read in time, is CRITICAL.\n\
    One of the future does not count, and is a WARNING.\n\n\
    Example, a line of cron:\n  \
    */5 * * * *  tfx check backup-age /backups || mail -s age ops@example.com")]
pub(crate) struct BackupAge {
    /// The folder of sets, or s3://BUCKET/PREFIX.
    #[arg(value_name = "DIR|s3://…", value_hint = ValueHint::AnyPath)]
    dir: Where,
    /// An older one is a WARNING: 25h, 2d [default: 25h, or --crit if that is shorter].
    #[arg(long, value_name = "LENGTH", value_parser = seconds)]
    warn: Option<u64>,
    /// An older one is CRITICAL.
    #[arg(long, value_name = "LENGTH", default_value = "26h", value_parser = seconds)]
    crit: u64,
    #[command(flatten)]
    asked: CheckArgs,
}

impl BackupAge {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let shown = |seconds: &u64| format!("{seconds} s");
        let warn = self.warn.unwrap_or(WARN.min(self.crit));
        in_order(&warn, &self.crit, shown, "--crit LENGTH: an older one is CRITICAL")?;
        let whose = self.dir.to_string();
        let found = async {
            let sets = self.dir.sets(context)?;
            let listed = spawn_blocking(move || set::list(&sets)).await.map_err(Failure::failed)?;
            Ok(match listed {
                Ok(sets) => self.judge(&sets, warn, clock::now()),
                Err(e) => Found::new(Verdict::Critical, &e.to_string()),
            })
        };
        tell(context, "backup_age", &self.asked, whose, found).await
    }

    fn judge(&self, sets: &[FoundSet], warn: u64, now: Timestamp) -> Found {
        let whole_of = |kind| {
            let of_kind = sets.iter().filter(move |set| set.kind == kind && !set.is_of_the_future(now));
            of_kind.filter_map(|set| Some((set.whole()?, set))).max_by_key(|(m, _)| m.moment)
        };
        // One of ClickHouse alone is none of the installation.
        let all = sets.iter().any(|set| set.kind == SetKind::All && set.whole().is_some());
        let newest = whole_of(if all { SetKind::All } else { SetKind::ClickHouse });
        let future: Vec<&str> =
            sets.iter().filter(|set| set.is_of_the_future(now)).map(|set| set.name.as_str()).collect();
        let whole = sets.iter().filter(|set| set.whole().is_some()).count() as u64;
        let half = sets.len() as u64 - whole;
        let age = newest.map(|(m, _)| u64::try_from(now.duration_since(m.moment).as_secs()).unwrap_or(0));
        let (verdict, what) = match (newest, age) {
            (Some((_, set)), Some(age)) => {
                let verdict = match age {
                    age if age > self.crit => Verdict::Critical,
                    age if age > warn || !future.is_empty() => Verdict::Warning,
                    _ => Verdict::Ok,
                };
                (verdict, format!("the newest of {whole} whole backups, {}, is {} old", set.name, span(age)))
            }
            _ if future.is_empty() => (Verdict::Critical, format!("{} has no whole backup", self.dir)),
            _ => (Verdict::Critical, format!("{} has no whole backup of a time that has been", self.dir)),
        };
        let broken = match half {
            0 => String::new(),
            1 => "; 1 is not whole".to_owned(),
            half => format!("; {half} are not whole"),
        };
        let future = match future.as_slice() {
            [] => String::new(),
            names => format!("; of the future, so that nobody knows their age: {}", names.join(", ")),
        };
        let mut figures = Vec::new();
        figures.extend(age.map(|age| Figure {
            name: "age",
            value: age,
            unit: Unit::Seconds,
            help: "Age of the newest whole backup",
            limits: format!(";0:{warn};0:{};0", self.crit),
        }));
        figures.extend(newest.map(|(manifest, _)| Figure {
            name: "size",
            value: manifest.bytes(),
            unit: Unit::Bytes,
            help: "Bytes of the newest whole backup",
            limits: ";;;0".to_owned(),
        }));
        let count =
            |name, value, help| Figure { name, value, unit: Unit::Count, help, limits: ";;;0".to_owned() };
        figures.push(count("whole", whole, "Backups that are whole"));
        figures.push(count("half", half, "Backups that are not whole, being made, or left over"));
        Found { figures, ..Found::new(verdict, &format!("{what}{broken}{future}")) }
    }
}

/// For people: the larger units alone.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
