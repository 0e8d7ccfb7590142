//! `tfx network reconcile`: what a network's own export says, held against the conversions here.

mod found;
mod theirs;

use super::super::conversion::import::{
    ReadAs,
    network::{network, template},
    send,
    tally::Tally,
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
use found::{Difference, Found, Kind, Side};
use jiff::tz::TimeZone;
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};
use tfx_api::{
    Client,
    conversions::{Conversion, ConversionQuery},
    imports::ImportRequest,
};
use tfx_domain::{
    Timestamp, entity::Kind as EntityKind, event::PostbackResult, moment, money::Money, postback::Interpreted,
};
use theirs::{Reader, Sums, Theirs, add};

const PAGE: usize = 1_000;

/// Hold a network's own export against the conversions here.
///
/// Rows are read by the network's template, as its postbacks are, and found by transaction id, else by click. It tells what is missing
/// here and there, other statuses and payouts, and the sums of both sides; 1 is the exit code where they differ. What is missing
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
        let (mut rows, mut mapping) = self.read.open(&self.csv, context.out)?;
        mapping.ours &= self.template.is_none();
        if !mapping.ours {
            mapping.template = template(&client, &self.network, self.template.as_deref()).await?;
        }
        self.read.check(&rows, &mapping, self.fix, context.out)?;
        let by = mapping.template.clone();
        let reader = Reader { network: &spec, template: by.as_ref(), ours: mapping.ours };
        let within = |at: Timestamp| bounds.0.is_none_or(|s| at >= s) && bounds.1.is_none_or(|u| at < u);
        let mut theirs = Theirs::read(&mut rows, &mut mapping, &reader, within)?;
        let window = self.days(bounds, &theirs, &mapping.zone)?;
        self.tell(context, &theirs, window, &mapping.zone);
        let job = Job { client: &client, network: &id, reader: &reader, asked: self.asked(&mapping) };
        let mut found = Found::new(usize::try_from(self.limit).unwrap_or(usize::MAX));
        let mut lines = HashSet::new();
        let ours = job.ours(window, &mut theirs, &mut found, &mut lines).await?;
        let (mut rows, mut again) = self.again(&mapping)?;
        job.missing(context, &mut rows, &mut again, &theirs, &mut found, &mut lines).await?;
        found.print(context.out, &ours, &theirs.sums())?;
        if theirs.unread_rows > 0 {
            let n = theirs.unread_rows;
            context.out.note(format!("{n} rows of the file cannot be read, and are in none of this"));
        }
        if found.total() == 0 && theirs.unread_rows == 0 {
            context.out.note("both say the same");
            return Ok(());
        }
        if !self.fix || lines.is_empty() {
            let told = if found.total() == 0 { "some rows cannot be read".to_owned() } else { found.told() };
            let failure = Failure::failed(format!("{} and its file differ: {told}", self.network));
            return Err(match (lines.is_empty(), self.fix) {
                (false, false) => failure.hint("--fix imports what is missing here, and what differs"),
                _ => failure.hint("what is missing there is for the network to say"),
            });
        }
        let question = format!("import {} rows of {}?", lines.len(), self.csv.display());
        if !context.yes && !prompt::confirm(&question, false)? {
            context.out.note("nothing was imported");
            return Err(Failure::failed(format!("{} and its file differ: {}", self.network, found.told())));
        }
        let (mut rows, mut again) = self.again(&mapping)?;
        let tally = job.fix(context, &mut rows, &mut again, &theirs, &lines).await?;
        tally.print(context.out)?;
        let left = found.of(Kind::MissingThere) + tally.refused() + theirs.unread_rows;
        if left == 0 {
            context.out.note("the same command without --fix says whether both say the same now");
            return Ok(());
        }
        Err(Failure::failed(
            "not all could be brought together: what is missing there, and what was refused, stays",
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
        let (rows, mut again) = self.read.open(&self.csv, quiet)?;
        again.ours = mapping.ours;
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
        zone: &TimeZone,
    ) {
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
}

struct Job<'a> {
    client: &'a Client,
    network: &'a str,
    reader: &'a Reader<'a>,
    asked: ImportRequest,
}

impl Job<'_> {
    /// Goes through the conversions here; what differs is found, and the lines that would mend it.
    async fn ours(
        &self,
        (since, until): (Option<Timestamp>, Option<Timestamp>),
        theirs: &mut Theirs,
        found: &mut Found,
        lines: &mut HashSet<u64>,
    ) -> Result<Sums, Failure> {
        let mut sums = Sums::new();
        let network = Some(self.network.to_owned());
        let mut query =
            ConversionQuery { since, until, network, limit: Some(PAGE), ..ConversionQuery::default() };
        loop {
            let page = self.client.conversions(&query).await?;
            for conversion in &page.items {
                let Some(revenue) = conversion.revenue else {
                    return Err(super::super::conversion::export::not_shown());
                };
                add(&mut sums, &conversion.status, revenue.currency, revenue.amount);
                self.compare(conversion, revenue, theirs, found, lines);
            }
            query.cursor = page.next;
            if query.cursor.is_none() {
                return Ok(sums);
            }
        }
    }

    fn compare(
        &self,
        conversion: &Conversion,
        revenue: Money,
        theirs: &mut Theirs,
        found: &mut Found,
        lines: &mut HashSet<u64>,
    ) {
        let ours = Side { status: conversion.status.to_string(), payout: Some(revenue) };
        let mut difference = Difference {
            kind: Kind::MissingThere,
            transaction_id: conversion.transaction_id.clone(),
            click_id: conversion.click_id.to_string(),
            conversion_id: Some(conversion.id.to_string()),
            line: None,
            ours: Some(ours),
            theirs: None,
            reason: String::new(),
        };
        let Some(report) = theirs.reports.get_mut(&self.reader.of_ours(conversion)) else {
            return found.add(difference);
        };
        report.met = true;
        let report = *report;
        let payout = report.payout.map(|amount| Money { amount, currency: report.currency });
        let status = theirs.status(&report);
        difference.kind = if *status != conversion.status {
            Kind::OtherStatus
        } else if payout.is_some_and(|payout| payout != revenue) {
            Kind::OtherPayout
        } else {
            return;
        };
        difference.line = Some(report.line);
        difference.theirs = Some(Side { status: status.to_string(), payout });
        lines.insert(report.line);
        found.add(difference);
    }

    /// Asks what would become of the rows that no conversion of that time is.
    async fn missing(
        &self,
        context: &Context,
        rows: &mut Rows,
        mapping: &mut Mapping,
        theirs: &Theirs,
        found: &mut Found,
        lines: &mut HashSet<u64>,
    ) -> Result<(), Failure> {
        let unmet: HashSet<u64> = theirs.reports.values().filter(|r| !r.met).map(|r| r.line).collect();
        if unmet.is_empty() {
            return Ok(());
        }
        let asked = ImportRequest { dry_run: true, ..self.asked.clone() };
        let mut elsewhere = 0_u64;
        while let Some(batch) = send::next(rows, mapping, |line| unmet.contains(&line))? {
            let became = send::send(self.client, context.out, &asked, &batch.rows).await?;
            for ((row, read), became) in batch.rows.iter().zip(became) {
                let Ok(said) = read else { continue };
                let Ok(Interpreted::Report(postback)) = self.reader.read(said) else { continue };
                let payout = postback.payout.map(|amount| Money { amount, currency: postback.currency });
                let kind = match became.result {
                    // It is here, of another time.
                    PostbackResult::Duplicate => {
                        elsewhere += 1;
                        continue;
                    }
                    PostbackResult::Updated | PostbackResult::Stale => Kind::OtherStatus,
                    _ => Kind::MissingHere,
                };
                if matches!(became.result, PostbackResult::Recorded | PostbackResult::Updated) {
                    lines.insert(row.line);
                }
                found.add(Difference {
                    kind,
                    transaction_id: postback.transaction_id.clone(),
                    click_id: postback.click_id.to_string(),
                    conversion_id: became.conversion_id.map(|id| id.to_string()),
                    line: Some(row.line),
                    ours: None,
                    theirs: Some(Side { status: postback.status.to_string(), payout }),
                    reason: became.reason,
                });
            }
        }
        if elsewhere > 0 {
            context.out.note(format!("{elsewhere} rows are here, first reported at another time"));
        }
        Ok(())
    }

    /// Imports rows. What is here already counts from now: a file says when it was first reported.
    async fn fix(
        &self,
        context: &Context,
        rows: &mut Rows,
        mapping: &mut Mapping,
        theirs: &Theirs,
        lines: &HashSet<u64>,
    ) -> Result<Tally, Failure> {
        let here: HashSet<u64> = theirs.reports.values().filter(|r| r.met).map(|r| r.line).collect();
        let mut tally = Tally::default();
        while let Some(mut batch) = send::next(rows, mapping, |line| lines.contains(&line))? {
            for (row, read) in &mut batch.rows {
                if let (Ok(said), true) = (read, here.contains(&row.line)) {
                    said.at = None;
                }
            }
            let became = send::send(self.client, context.out, &self.asked, &batch.rows).await?;
            for ((row, _), became) in batch.rows.iter().zip(&became) {
                if became.is_refused() {
                    context.out.note(format!("line {}: {}", row.line, became.reason));
                }
                tally.add(became);
            }
        }
        Ok(tally)
    }
}
