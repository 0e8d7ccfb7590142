//! `tfx check disk`: how much room there is for the data folder and for the outboxes in it, and how long it lasts.

use super::found::{CheckArgs, Figure, Found, Unit, tell};
use crate::{
    context::Context,
    exit::{Failure, Verdict},
    input,
    pipeline::Producer,
    room::{self, Amount, Room},
};
use clap::Args;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tfx_ops::clock;
use tfx_settings::Settings;
use tokio::{task::spawn_blocking, time::timeout};

/// So long the services are asked for the rate: without it the check goes on.
const RATE_WITHIN: Duration = Duration::from_secs(2);
/// A rate over less time than this says little. Seconds.
const LEAST: i64 = 600;

/// When it is how bad.
#[derive(Debug, Args)]
#[command(after_help = "Exits 0 if all is well, 1 for WARNING, 2 for CRITICAL, 3 for UNKNOWN.\n\
    It looks at the disks of this machine. Embedded, it also says how long the room\n\
    lasts at the rate of the events since the services started.\n\n\
    Example, a line of cron:\n  \
    */5 * * * *  tfx check disk --warn 20% --crit 5G || mail -s disk ops@x.example")]
pub(crate) struct Disk {
    /// Less free room than this is a WARNING: a part or a size.
    #[arg(long, value_name = "ROOM", default_value = "10%", value_parser = room::amount)]
    warn: Amount,
    /// Less than this is CRITICAL.
    #[arg(long, value_name = "ROOM", default_value = "3%", value_parser = room::amount)]
    crit: Amount,
    /// Room for fewer files (inodes) than this is a WARNING.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = input::within::<u64>(0, u64::MAX >> 1))]
    warn_files: u64,
    /// Room for fewer than this is CRITICAL.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = input::within::<u64>(0, u64::MAX >> 1))]
    crit_files: u64,
    #[command(flatten)]
    asked: CheckArgs,
}

/// A folder, and the room there.
type Place = (&'static str, PathBuf, Room);

impl Disk {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        // Of sizes and parts together, no order can be told before the disk is known.
        let of_all = |amount: Amount| amount.of(1 << 40);
        let alike = matches!(
            (self.warn, self.crit),
            (Amount::Bytes(_), Amount::Bytes(_)) | (Amount::Percent(_), Amount::Percent(_))
        );
        if alike && of_all(self.crit) > of_all(self.warn) || self.crit_files > self.warn_files {
            let message = "a --crit that is more than its --warn leaves no WARNING";
            return Err(Failure::usage(message).hint("--crit ROOM: less than that is CRITICAL"));
        }
        let found = async {
            let settings = context.settings()?;
            let data = settings.data_dir.clone();
            let places = spawn_blocking(move || places(&data)).await.map_err(Failure::failed)??;
            let rate = timeout(RATE_WITHIN, rate(&self.asked, context, &settings)).await.unwrap_or_default();
            Ok(self.judge(&places, rate))
        };
        tell(context, "disk", &self.asked, "the file system", found).await
    }

    fn judge(&self, places: &[Place], rate: Option<f64>) -> Found {
        let (mut verdict, mut what) = (Verdict::Ok, Vec::new());
        for (name, path, room) in places {
            let (warn, crit) = (self.warn.of(room.of_bytes), self.crit.of(room.of_bytes));
            let no_files = |least: u64| room.of_files > 0 && room.files < least;
            let here = match () {
                () if room.bytes < crit || no_files(self.crit_files) => Verdict::Critical,
                () if room.bytes < warn || no_files(self.warn_files) => Verdict::Warning,
                () => Verdict::Ok,
            };
            if here.code() > verdict.code() {
                verdict = here;
            }
            let part = (room.bytes * 100).checked_div(room.of_bytes).unwrap_or(0);
            let mut text = format!("{name} {} free ({part}%)", room::shown(room.bytes));
            if no_files(self.warn_files) {
                text.push_str(&format!(", room for {} more files", room.files));
            }
            if here != Verdict::Ok {
                text.push_str(&format!(" at {}", path.display()));
            }
            what.push(text);
        }
        let lasts = places.first().zip(rate).and_then(|((.., room), rate)| room::hours(room.bytes, rate));
        if let Some(hours) = lasts {
            let text = if hours < 72 { format!("{hours} hours") } else { format!("{} days", hours / 24) };
            what.push(format!("lasts for {text} at the rate since the services started"));
        }
        let mut figures = Vec::new();
        for (name, _, room) in places {
            let data = *name == "data folder";
            let (free, files) = if data { ("free", "files") } else { ("outbox_free", "outbox_files") };
            let (warn, crit) = (self.warn.of(room.of_bytes), self.crit.of(room.of_bytes));
            figures.push(Figure {
                name: free,
                value: room.bytes,
                unit: Unit::Bytes,
                help: if data { "Room for the data folder" } else { "Room for the outboxes" },
                limits: format!(";{warn}:;{crit}:;0;{}", room.of_bytes),
            });
            if room.of_files > 0 {
                figures.push(Figure {
                    name: files,
                    value: room.files,
                    unit: Unit::Count,
                    help: if data {
                        "Files that can be made in the data folder"
                    } else {
                        "Files that the outboxes can make"
                    },
                    limits: format!(";{}:;{}:;0;{}", self.warn_files, self.crit_files, room.of_files),
                });
            }
        }
        figures.extend(lasts.map(|hours| Figure {
            name: "lasts",
            value: hours * 3_600,
            unit: Unit::Seconds,
            help: "How long the room lasts at the rate since the services started",
            limits: ";;;0".to_owned(),
        }));
        Found { figures, ..Found::new(verdict, &what.join(", ")) }
    }
}

/// The data folder, and the outboxes' if they are on another disk.
fn places(data: &Path) -> Result<Vec<Place>, Failure> {
    let ask = |name, path: PathBuf| match room::at(&path) {
        Ok(room) => Ok((name, path, room)),
        Err(e) => Err(Failure::failed(format!("{} cannot be asked for its room: {e}", path.display()))
            .hint("--data-dir or TFX_DATA_DIR says where the data folder is")),
    };
    let mut places = vec![ask("data folder", data.to_owned())?];
    let journal = data.join("journal");
    if journal.is_dir() && is_elsewhere(data, &journal) {
        places.push(ask("outboxes", journal)?);
    }
    Ok(places)
}

fn is_elsewhere(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => one.dev() != other.dev(),
        _ => false,
    }
}

/// Bytes of events a second since the services started, where they are kept in the data folder; none: not known.
async fn rate(asked: &CheckArgs, context: &Context, settings: &Settings) -> Option<f64> {
    if settings.engines.events.is_some() {
        return None;
    }
    let client = asked.client(context).await.ok()?;
    let (stats, now) = (client.event_stats().await.ok()?, clock::now());
    let mut rate = 0.0;
    for stats in [&stats.traffic, &stats.postback] {
        let producer = Producer::of(stats).ok()?;
        let seconds = now.duration_since(producer.started_at?).as_secs();
        if seconds < LEAST {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let bytes = producer.bytes_written_total as f64;
        rate += bytes / Duration::from_secs(u64::try_from(seconds).ok()?).as_secs_f64();
    }
    Some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::check::style::Style;

    #[test]
    fn bytes_and_files_each_have_limits() {
        let asked = CheckArgs { format: Style::Nagios, timeout: 10 };
        let check = Disk {
            warn: Amount::Percent(10),
            crit: Amount::Bytes(30),
            warn_files: 100,
            crit_files: 10,
            asked,
        };
        let place = |bytes, files, of_files| {
            ("data folder", PathBuf::from("/data"), Room { bytes, of_bytes: 1_000, files, of_files })
        };
        for (place, rate, line) in [
            (
                place(100, 100, 200),
                None,
                "DISK OK - data folder 100 B free (10%) | free=100B;100:;30:;0;1000 files=100;100:;10:;0;200",
            ),
            (
                place(99, 0, 0),
                None,
                "DISK WARNING - data folder 99 B free (9%) at /data | free=99B;100:;30:;0;1000",
            ),
            (
                place(29, 0, 0),
                None,
                "DISK CRITICAL - data folder 29 B free (2%) at /data | free=29B;100:;30:;0;1000",
            ),
            (
                place(900, 99, 200),
                None,
                "DISK WARNING - data folder 900 B free (90%), room for 99 more files at /data | free=900B;100:;30:;0;1000 files=99;100:;10:;0;200",
            ),
            (
                place(900, 9, 200),
                None,
                "DISK CRITICAL - data folder 900 B free (90%), room for 9 more files at /data | free=900B;100:;30:;0;1000 files=9;100:;10:;0;200",
            ),
            (
                place(720, 0, 0),
                Some(0.001),
                "DISK OK - data folder 720 B free (72%), lasts for 8 days at the rate since the services started | free=720B;100:;30:;0;1000 lasts=720000s;;;0",
            ),
        ] {
            assert_eq!(Style::Nagios.lines("disk", &check.judge(&[place], rate)), [line]);
        }
    }
}
