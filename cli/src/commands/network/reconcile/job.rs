//! The conversions here held against what a file says, and brought to it.

use super::{
    super::super::conversion::{
        export::not_shown,
        import::{
            send::{self, Sender},
            tally::Tally,
        },
    },
    found::{Difference, Found, Kind, Side},
    theirs::{Ours, Reader, Sums, Theirs, add},
};
use crate::{
    context::Context,
    exit::Failure,
    rows::{Rows, mapping::Mapping},
};
use std::collections::{HashMap, HashSet};
use tfx_api::{
    Client,
    conversions::ConversionQuery,
    imports::{ImportRequest, ImportedRow, There},
};
use tfx_domain::{
    Timestamp,
    event::PostbackResult,
    money::Money,
    postback::{Interpreted, Postback},
};

const PAGE: usize = 1_000;

/// A row that would bring both together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mend {
    /// Its conversion is here, and counts from now: the file says when it was first reported.
    is_here: bool,
    /// Here its conversion has this transaction id, or none.
    known_as: Option<Option<String>>,
}

pub(super) struct Job<'a> {
    pub(super) client: &'a Client,
    pub(super) sender: Sender<'a>,
    pub(super) network: &'a str,
    pub(super) reader: &'a Reader<'a>,
    pub(super) asked: ImportRequest,
    pub(super) found: Found,
    /// The time that is compared.
    pub(super) window: (Option<Timestamp>, Option<Timestamp>),
    /// What a file would mend, by line.
    pub(super) mends: HashMap<u64, Mend>,
    pub(super) ours: Sums,
    /// Rows that do not say what they pay.
    pub(super) silent: u64,
    /// Rows whose conversions were first reported at another time.
    pub(super) elsewhere: u64,
}

impl Job<'_> {
    /// Goes through the conversions here.
    pub(super) async fn compare(&mut self, theirs: &mut Theirs) -> Result<(), Failure> {
        let (since, until) = self.window;
        let scope = self.reader.network.transaction_scope;
        let network = Some(self.network.to_owned());
        let mut query =
            ConversionQuery { since, until, network, limit: Some(PAGE), ..ConversionQuery::default() };
        // What is named exactly goes first.
        let mut left = Vec::new();
        loop {
            let page = self.client.conversions(&query).await?;
            for conversion in page.items {
                let ours = Ours {
                    id: conversion.id.to_string(),
                    transaction_id: conversion.transaction_id,
                    click_id: conversion.click_id,
                    status: conversion.status,
                    revenue: conversion.revenue.ok_or_else(not_shown)?,
                };
                add(&mut self.ours, &ours.status, ours.revenue);
                match theirs.exactly(&ours) {
                    Some(at) => self.meet(&ours, theirs, at),
                    None if theirs.may_have(&ours, scope) => left.push(ours),
                    None => self.found.add(difference(&ours)),
                }
            }
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        for ours in left {
            match theirs.likely(&ours, scope) {
                Some(at) => self.meet(&ours, theirs, at),
                None => self.found.add(difference(&ours)),
            }
        }
        Ok(())
    }

    /// Holds a conversion against its report.
    fn meet(&mut self, ours: &Ours, theirs: &mut Theirs, at: usize) {
        let report = &mut theirs.reports[at];
        report.met = true;
        let before = *report;
        if report.payout.is_none() {
            // What it does not say is as it is here.
            (report.payout, report.currency) = (Some(ours.revenue.amount), ours.revenue.currency);
            self.silent += 1;
        }
        let payout = before.payout.map(|amount| Money { amount, currency: before.currency });
        let status = theirs.status(&before);
        let mut reason = String::new();
        let kind = if before.click != ours.click_id {
            reason = format!("there of click {}", before.click);
            Kind::OtherClick
        } else if *status != ours.status {
            Kind::OtherStatus
        } else if payout.is_some_and(|payout| payout != ours.revenue) {
            Kind::OtherPayout
        } else {
            return;
        };
        if kind != Kind::OtherClick {
            let other_name = before.transaction.is_some() != ours.transaction_id.is_some();
            let known_as = other_name.then(|| ours.transaction_id.clone());
            self.mends.insert(before.line, Mend { is_here: true, known_as });
        }
        let theirs = Some(Side { status: status.to_string(), payout });
        self.found.add(Difference { kind, line: Some(before.line), theirs, reason, ..difference(ours) });
    }

    /// Asks what would become of the rows that no conversion of that time is.
    pub(super) async fn missing(
        &mut self,
        rows: &mut Rows,
        mapping: &mut Mapping,
        theirs: &mut Theirs,
    ) -> Result<(), Failure> {
        let unmet = theirs.reports.iter().enumerate().filter(|(_, r)| !r.met);
        let unmet: HashMap<u64, usize> = unmet.map(|(at, r)| (r.line, at)).collect();
        if unmet.is_empty() {
            return Ok(());
        }
        let asked = ImportRequest { dry_run: true, ..self.asked.clone() };
        // A conversion of another time is one row's.
        let mut taken = HashSet::new();
        while let Some(batch) = send::next(rows, mapping, |line| unmet.contains_key(&line))? {
            let became = self.sender.send(&asked, &batch.rows).await?;
            for ((row, read), became) in batch.rows.iter().zip(became) {
                let Ok(said) = read else { continue };
                let Ok(Interpreted::Report(postback)) = self.reader.read(said) else { continue };
                let here = became.there.as_ref().filter(|there| {
                    let id = became.conversion_id.as_ref();
                    !there.test
                        && speaks_of(&postback, there)
                        && !self.is_of_another_row(&postback, there)
                        && id.is_some_and(|id| taken.insert(id.clone()))
                });
                if let Some(there) = here {
                    self.is_elsewhere(row.line, &postback, there, theirs, unmet.get(&row.line).copied());
                } else {
                    self.is_missing(row.line, &postback, &became);
                }
            }
        }
        Ok(())
    }

    /// Whether another row has what stands: it is of the time that is compared, where a row met it that names it as well.
    fn is_of_another_row(&self, postback: &Postback, there: &There) -> bool {
        let (since, until) = self.window;
        let of_this_time =
            since.is_none_or(|s| there.created_at >= s) && until.is_none_or(|u| there.created_at < u);
        of_this_time && postback.transaction_id.is_some() != there.transaction_id.is_some()
    }

    /// A row whose conversion is here, first reported at another time.
    fn is_elsewhere(
        &mut self,
        line: u64,
        postback: &Postback,
        there: &There,
        theirs: &mut Theirs,
        at: Option<usize>,
    ) {
        self.elsewhere += 1;
        add(&mut self.ours, &there.status, there.revenue);
        if let Some(report) = at.map(|at| &mut theirs.reports[at]).filter(|r| r.payout.is_none()) {
            (report.payout, report.currency) = (Some(there.revenue.amount), there.revenue.currency);
            self.silent += 1;
        }
        let payout = payout(postback);
        let kind = if postback.status != there.status {
            Kind::OtherStatus
        } else if payout.is_some_and(|payout| payout != there.revenue) {
            Kind::OtherPayout
        } else {
            return;
        };
        let other_name = postback.transaction_id != there.transaction_id;
        let known_as = other_name.then(|| there.transaction_id.clone());
        self.mends.insert(line, Mend { is_here: true, known_as });
        self.found.add(Difference {
            kind,
            ours: Some(Side { status: there.status.to_string(), payout: Some(there.revenue) }),
            ..of_file(line, postback)
        });
    }

    /// A row that an import would record, or would not.
    fn is_missing(&mut self, line: u64, postback: &Postback, became: &ImportedRow) {
        use PostbackResult::{Duplicate, Recorded, Stale, Updated};
        let of_before = became.there.is_none() && became.reason.is_empty();
        if became.result == Duplicate && of_before {
            // A server of before there was more to tell: it is here, of another time.
            self.elsewhere += 1;
            return;
        }
        if matches!(became.result, Recorded | Updated) {
            self.mends.insert(line, Mend::default());
        }
        let other = became.result == Updated || became.result == Stale && became.there.is_none();
        let is_test = became.there.as_ref().is_some_and(|there| there.test && speaks_of(postback, there));
        let reason = match &became.there {
            _ if is_test => "here it is a test's, and those are left out".to_owned(),
            Some(there) if became.reason.is_empty() => match &there.transaction_id {
                Some(id) => format!("the click has its sale under {id}"),
                None => "the click has its sale without a transaction id".to_owned(),
            },
            _ => became.reason.clone(),
        };
        self.found.add(Difference {
            kind: if other { Kind::OtherStatus } else { Kind::MissingHere },
            conversion_id: became.conversion_id.as_ref().map(ToString::to_string),
            reason,
            ..of_file(line, postback)
        });
    }

    /// Imports the rows that mend something.
    pub(super) async fn fix(
        &self,
        context: &Context,
        rows: &mut Rows,
        mapping: &mut Mapping,
    ) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        while let Some(mut batch) = send::next(rows, mapping, |line| self.mends.contains_key(&line))? {
            for (row, read) in &mut batch.rows {
                let (Ok(said), Some(mend)) = (read, self.mends.get(&row.line)) else { continue };
                if mend.is_here {
                    said.at = None;
                }
                if let Some(known_as) = &mend.known_as {
                    said.transaction_id.clone_from(known_as);
                }
            }
            let became = self.sender.send(&self.asked, &batch.rows).await?;
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

/// Whether a row speaks of what stands: it has its transaction id, or one of the two has none and they are of one click.
fn speaks_of(postback: &Postback, there: &There) -> bool {
    let same = match (&postback.transaction_id, &there.transaction_id) {
        (Some(theirs), Some(ours)) => theirs == ours,
        _ => true,
    };
    same && postback.click_id == there.click_id
}

fn payout(postback: &Postback) -> Option<Money> {
    postback.payout.map(|amount| Money { amount, currency: postback.currency })
}

/// A conversion that the network does not have.
fn difference(ours: &Ours) -> Difference {
    Difference {
        kind: Kind::MissingThere,
        transaction_id: ours.transaction_id.clone(),
        click_id: ours.click_id.to_string(),
        conversion_id: Some(ours.id.clone()),
        line: None,
        ours: Some(Side { status: ours.status.to_string(), payout: Some(ours.revenue) }),
        theirs: None,
        reason: String::new(),
    }
}

/// A row that is not here.
fn of_file(line: u64, postback: &Postback) -> Difference {
    Difference {
        kind: Kind::MissingHere,
        transaction_id: postback.transaction_id.clone(),
        click_id: postback.click_id.to_string(),
        conversion_id: None,
        line: Some(line),
        ours: None,
        theirs: Some(Side { status: postback.status.to_string(), payout: payout(postback) }),
        reason: String::new(),
    }
}
