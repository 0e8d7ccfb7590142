//! `tfx network reconcile`: what a network's own export says, held against the conversions here.

mod found;
mod job;
mod theirs;

use super::super::conversion::import::{
    ReadAs,
    network::{network, template},
    send::Sender,
};
use crate::{
    complete,
    context::Context,
    exit::Failure,
    input, prompt,
    rows::{Rows, mapping::Mapping, name_of},
    when::{self, Window},
};
use clap::{Args, ValueHint};
use found::{Found, Kind};
use jiff::tz::TimeZone;
use job::Job;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};
use tfx_api::imports::ImportRequest;
use tfx_domain::{Timestamp, entity::Kind as EntityKind, moment};
use theirs::{Reader, Sums, Theirs};

/// Hold a network's own export against the conversions here.
///
/// Rows are read by the network's template, as its postbacks are, and found by transaction id and click; where one side has no
/// transaction id, by click and kind. Rows of other networks are left out. It tells what is missing
/// here and there, other clicks, statuses and payouts, and the sums of both sides; 1 is the exit code where they differ. What is missing
/// here is asked of the server as an import would be, so that the reason is told.
#[derive(Debug, Args)]
#[command(after_help = "Without --since and --until the days are compared that the file's times span.\n\n\
    Examples:\n  \
    tfx network reconcile adnet --csv may.csv --map transaction_id=Order,time=Date\n  \
    tfx network reconcile adnet --csv may.csv --since lastmonth --fix")]
pub(crate) struct Reconcile {
    /// The network.
    #[arg(value_name = "NETWORK", add = complete::of(EntityKind::Network))]
    network: String,
    /// Its export: CSV with a header, or an object of JSON on each line.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    csv: PathBuf,
    /// The template that reads it [default: the network's template 'default', if it has one].
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
    #[command(flatten)]
    read: ReadAs,
    #[command(flatten)]
    window: Window,
    /// Name at most so many differences; all are counted.
    #[arg(long, value_name = "N", default_value = "100", value_parser = input::positive)]
    limit: u64,
    /// Import what is missing here, and what differs, after it is shown.
    #[arg(long)]
    fix: bool,
}

impl Reconcile {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        if self.csv == Path::new("-") {
            return Err(Failure::usage("the file is read twice, and standard input comes once")
                .hint("keep it in a file"));
        }
        if self.fix && !context.yes && !prompt::possible() {
            return Err(Failure::usage("importing needs a yes: give --yes")
                .hint("without --fix it only tells what differs"));
        }
        let bounds = self.window.bounds()?;
        let client = context.client()?;
        let (id, spec) = network(&client, &self.network).await?;
        let (mut rows, mut mapping) = self.read.open(&self.csv, self.template.as_deref(), context.out)?;
        if !mapping.ours {
            mapping.template = template(&client, &self.network, self.template.as_deref()).await?;
        }
        self.read.check(&rows, &mapping, self.fix, context.out)?;
        let by = mapping.template.clone();
        let names = [id.as_str(), spec.slug.as_str()];
        let reader = Reader { network: &spec, names, template: by.as_ref(), ours: mapping.ours };
        let within = |at: Timestamp| bounds.0.is_none_or(|s| at >= s) && bounds.1.is_none_or(|u| at < u);
        let mut theirs = Theirs::read(&mut rows, &mut mapping, &reader, within)?;
        mapping.tell_unguarded(context.out);
        let window = self.days(bounds, &theirs, &mapping.zone)?;
        self.tell(context, &theirs, window, &mapping);
        let mut job = Job {
            client: &client,
            sender: Sender::new(&client, context.out),
            network: &id,
            reader: &reader,
            asked: self.asked(&mapping),
            found: Found::new(usize::try_from(self.limit).unwrap_or(usize::MAX)),
            window,
            mends: HashMap::new(),
            ours: Sums::new(),
            silent: 0,
            elsewhere: 0,
        };
        job.compare(&mut theirs).await?;
        let (mut rows, mut again) = self.again(&mapping)?;
        job.missing(&mut rows, &mut again, &mut theirs).await?;
        let sums = theirs.sums();
        let ours = std::mem::take(&mut job.ours);
        let differ = ours != sums;
        job.found.print(context.out, &ours, &sums)?;
        self.tell_more(context, &job, &theirs);
        if theirs.rows > theirs.unread_rows && ours.is_empty() && sums.is_empty() {
            let (rows, file) = (theirs.rows, name_of(&self.csv));
            return Err(Failure::failed(format!(
                "nothing was compared: none of the {rows} rows of {file} counts, and nothing is here of that time"
            ))
            .hint("is it the file of those days and of that network? --since and --until say which days are compared"));
        }
        let total = job.found.total();
        if total == 0 && theirs.unread_rows == 0 && !differ {
            context.out.note("both say the same");
            return Ok(());
        }
        let told = match total {
            0 if differ => "the sums".to_owned(),
            0 => "some rows cannot be read".to_owned(),
            _ => job.found.told(),
        };
        let failure = Failure::failed(format!("{} and its file differ: {told}", self.network));
        if !self.fix || job.mends.is_empty() {
            return Err(match (job.mends.is_empty(), self.fix) {
                (false, false) => failure.hint("--fix imports what is missing here, and what differs"),
                _ if job.found.of(Kind::MissingThere) > 0 => {
                    failure.hint("what is missing there is for the network to say")
                }
                _ => failure.hint("no row of the file mends that: the reasons say what is in the way"),
            });
        }
        let question = format!("import {} rows of {}?", job.mends.len(), self.csv.display());
        if !context.yes && !prompt::confirm(&question, false)? {
            context.out.note("nothing was imported");
            return Err(failure);
        }
        let (mut rows, mut again) = self.again(&mapping)?;
        let tally = job.fix(context, &mut rows, &mut again).await?;
        tally.print(context.out)?;
        // What no row of the file mends stays.
        let left = total.saturating_sub(job.mends.len() as u64) + tally.refused() + theirs.unread_rows;
        if left == 0 {
            context.out.note("the same command without --fix says whether both say the same now");
            return Ok(());
        }
        Err(Failure::failed(
            "not all could be brought together: what no row mends, and what was refused, stays",
        )
        .hint("the same command without --fix tells what differs still"))
    }

    fn asked(&self, mapping: &Mapping) -> ImportRequest {
        let file = self.csv.file_name().map(|name| name.to_string_lossy().chars().take(200).collect());
        ImportRequest {
            network: Some(self.network.clone()),
            template: self.template.clone(),
            ours: mapping.ours,
            file: file.unwrap_or_default(),
            ..ImportRequest::default()
        }
    }

    /// The file once more, from its beginning.
    fn again(&self, mapping: &Mapping) -> Result<(Rows, Mapping), Failure> {
        let quiet =
            crate::output::Out { quiet: true, ..crate::output::Out::new(Default::default(), true, true) };
        let (rows, mut again) = self.read.open(&self.csv, self.template.as_deref(), quiet)?;
        again.template.clone_from(&mapping.template);
        Ok((rows, again))
    }

    /// The time that is compared: what was said, else the days of the file.
    fn days(
        &self,
        said: (Option<Timestamp>, Option<Timestamp>),
        theirs: &Theirs,
        zone: &TimeZone,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), Failure> {
        if said.0.is_some() || said.1.is_some() {
            return Ok(said);
        }
        let (Some(first), Some(last)) = (theirs.first, theirs.last) else {
            return Err(Failure::usage(format!("{} does not say of which days it is", name_of(&self.csv)))
                .hint("--since and --until say it, or --map time=COLUMN"));
        };
        let day = |at: Timestamp| at.to_zoned_datetime(zone.clone()).date();
        let begins = moment::local(day(first).at(0, 0, 0, 0), zone);
        Ok((Some(begins), Some(moment::end_of_day(day(last), zone))))
    }

    fn tell(
        &self,
        context: &Context,
        theirs: &Theirs,
        (since, until): (Option<Timestamp>, Option<Timestamp>),
        mapping: &Mapping,
    ) {
        let zone = &mapping.zone;
        let shown =
            |at: Option<Timestamp>, none: &str| at.map_or(none.to_owned(), |at| when::clock_time(at, zone));
        let (since, until) = (shown(since, "the beginning"), shown(until, "now"));
        let out = context.out;
        out.note(format!("{} rows; conversions first reported from {since} to {until}", theirs.rows));
        for (line, why) in &theirs.unread {
            out.note(format!("line {line}: {why}"));
        }
        if theirs.outside > 0 {
            out.note(format!("{} rows are from outside of that time, and left out", theirs.outside));
        }
        if theirs.of_others > 0 {
            let (n, network) = (theirs.of_others, &self.network);
            // Of an export that would be another reading of its amounts too.
            let all = if mapping.ours { "" } else { "; with --map network= all are taken for its own" };
            out.note(format!("{n} rows are of other networks than {network}, and left out{all}"));
        }
        if theirs.ignored > 0 {
            out.note(format!("{} rows have a status that the template ignores", theirs.ignored));
        }
        if theirs.double_rows > 0 {
            let lines: Vec<String> = theirs.doubles.iter().map(u64::to_string).collect();
            let more = if theirs.double_rows as usize > lines.len() { ", …" } else { "" };
            let (n, lines) = (theirs.double_rows, lines.join(", "));
            out.note(format!(
                "{n} rows speak of what an earlier row does, and hold in its place: lines {lines}{more}"
            ));
        }
    }

    fn tell_more(&self, context: &Context, job: &Job<'_>, theirs: &Theirs) {
        let out = context.out;
        if job.elsewhere > 0 {
            let n = job.elsewhere;
            out.note(format!(
                "{n} rows are here, first reported at another time; the sums have them on both sides"
            ));
        }
        if job.silent > 0 {
            let n = job.silent;
            out.note(format!("{n} rows do not say what they pay: the sums have it as it is here"));
        }
        if theirs.unread_rows > 0 {
            let n = theirs.unread_rows;
            out.note(format!("{n} rows of the file cannot be read, and are in none of this"));
        }
    }
}
