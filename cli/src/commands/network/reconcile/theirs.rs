//! What a network's file says, kept small: of each report what names it, its status and what it pays.

use crate::{exit::Failure, rows::Rows, rows::mapping::Mapping};
use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};
use tfx_api::imports::ImportRow;
use tfx_domain::{
    Timestamp,
    entity::{NetworkSpec, TemplateSpec},
    id::ClickId,
    money::{Amount, Currency, Money, Total},
    postback::{ConversionStatus, Field, Interpreted, Postback, TransactionScope, interpret, interpret_ours},
};

/// Sums by status and currency: how many, and what they pay.
pub(super) type Sums = BTreeMap<(String, Currency), (u64, Total)>;

pub(super) fn add(sums: &mut Sums, status: &ConversionStatus, money: Money) {
    let sum = sums.entry((status.to_string(), money.currency)).or_default();
    *sum = (sum.0 + 1, sum.1 + money.amount);
}

/// A conversion here, as far as it is compared.
#[derive(Debug, Clone)]
pub(super) struct Ours {
    pub(super) id: String,
    pub(super) transaction_id: Option<String>,
    pub(super) click_id: ClickId,
    pub(super) status: ConversionStatus,
    pub(super) revenue: Money,
}

/// A report of the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    pub(super) click: ClickId,
    /// The hash of its transaction id; none: it has none.
    pub(super) transaction: Option<u64>,
    /// Which of the conversions of a click without transaction ids it speaks of.
    slot: u16,
    pub(super) line: u64,
    /// None: it does not say.
    pub(super) payout: Option<Amount>,
    pub(super) currency: Currency,
    status: u16,
    /// A conversion here is it.
    pub(super) met: bool,
}

impl Report {
    fn name(&self) -> (ClickId, Option<u64>, u16) {
        (self.click, self.transaction, if self.transaction.is_some() { 0 } else { self.slot })
    }
}

/// Reads rows as postback-service would.
pub(super) struct Reader<'a> {
    pub(super) network: &'a NetworkSpec,
    /// What a row may call it: id and slug.
    pub(super) names: [&'a str; 2],
    pub(super) template: Option<&'a TemplateSpec>,
    pub(super) ours: bool,
}

impl Reader<'_> {
    pub(super) fn read(&self, row: &ImportRow) -> Result<Interpreted, String> {
        let mut row = row.clone();
        let fact = |field: Field| {
            let name = field.names(self.template).first().copied().unwrap_or(field.as_str()).to_owned();
            Some((name, row.fact(field).take()?))
        };
        let params: Vec<(String, String)> = Field::ALL.into_iter().filter_map(fact).collect();
        let read = match self.ours {
            true => interpret_ours(self.network, &params),
            false => interpret(self.network, self.template, &params, &[]),
        };
        read.map_err(|refusal| refusal.to_string())
    }

    fn is_of_another(&self, row: &ImportRow) -> bool {
        row.network.as_deref().is_some_and(|name| !self.names.contains(&name))
    }
}

fn hashed(transaction: Option<&str>) -> Option<u64> {
    let id = transaction?;
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    Some(hasher.finish())
}

/// All of a file.
#[derive(Default)]
pub(super) struct Theirs {
    /// In the order of what names them.
    pub(super) reports: Vec<Report>,
    /// Their places, in the order of their transactions.
    by_transaction: Vec<u32>,
    statuses: Vec<ConversionStatus>,
    pub(super) rows: u64,
    /// Rows that cannot be read, the first of them with the reason.
    pub(super) unread: Vec<(u64, String)>,
    pub(super) unread_rows: u64,
    /// Rows whose status the template ignores.
    pub(super) ignored: u64,
    /// Rows that speak of what an earlier one speaks of; the last one holds.
    pub(super) doubles: Vec<u64>,
    pub(super) double_rows: u64,
    /// Rows from outside of the window.
    pub(super) outside: u64,
    /// Rows of other networks.
    pub(super) of_others: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
}

/// So many lines are named of each kind.
const NAMED: usize = 10;

impl Theirs {
    /// Reads a file to its end.
    ///
    /// # Errors
    /// It cannot be read on.
    pub(super) fn read(
        rows: &mut Rows,
        mapping: &mut Mapping,
        reader: &Reader<'_>,
        within: impl Fn(Timestamp) -> bool,
    ) -> Result<Self, Failure> {
        let mut all = Self::default();
        while let Some(row) = rows.next()? {
            all.rows += 1;
            let said = mapping.row(&row);
            if said.as_ref().is_ok_and(|said| reader.is_of_another(said)) {
                all.of_others += 1;
                continue;
            }
            match said.and_then(|said| Ok((said.at, reader.read(&said)?))) {
                Err(why) => {
                    all.unread_rows += 1;
                    if all.unread.len() < NAMED {
                        all.unread.push((row.line, why));
                    }
                }
                Ok((Some(at), _)) if !within(at) => all.outside += 1,
                Ok((_, Interpreted::Ignored { .. })) => all.ignored += 1,
                Ok((at, Interpreted::Report(postback))) => all.add(row.line, at, &postback),
            }
        }
        all.sort();
        Ok(all)
    }

    fn add(&mut self, line: u64, at: Option<Timestamp>, postback: &Postback) {
        if let Some(at) = at {
            self.first = Some(self.first.map_or(at, |first| first.min(at)));
            self.last = Some(self.last.map_or(at, |last| last.max(at)));
        }
        let (payout, currency, status) = (postback.payout, postback.currency, self.number(&postback.status));
        let (click, transaction) = (postback.click_id, hashed(postback.transaction_id.as_deref()));
        let slot = slot(&postback.status, status);
        self.reports.push(Report { click, transaction, slot, line, payout, currency, status, met: false });
    }

    /// Brings reports into order; of several about one thing the last one stays.
    fn sort(&mut self) {
        self.reports.sort_unstable_by_key(|r| (r.name(), r.line));
        let mut doubles = Vec::new();
        self.reports.dedup_by(|next, kept| {
            let same = next.name() == kept.name();
            if same {
                doubles.push(next.line);
                *kept = *next;
            }
            same
        });
        doubles.sort_unstable();
        self.double_rows = doubles.len() as u64;
        doubles.truncate(NAMED);
        self.doubles = doubles;
        let places = 0..u32::try_from(self.reports.len()).unwrap_or(u32::MAX);
        let reports = &self.reports;
        let mut by: Vec<u32> = places.filter(|at| reports[*at as usize].transaction.is_some()).collect();
        by.sort_unstable_by_key(|at| reports[*at as usize].transaction);
        self.by_transaction = by;
    }

    fn number(&mut self, status: &ConversionStatus) -> u16 {
        let known = self.statuses.iter().position(|s| s == status);
        let at = known.unwrap_or_else(|| {
            // A network has a handful of words; what is beyond all numbers is told as the last.
            if self.statuses.len() < usize::from(u16::MAX) {
                self.statuses.push(status.clone());
            }
            self.statuses.len() - 1
        });
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    /// Where the report of a conversion stands: that of its click with its transaction id, or with none as well.
    pub(super) fn exactly(&self, ours: &Ours) -> Option<usize> {
        let transaction = hashed(ours.transaction_id.as_deref());
        let slot = if transaction.is_some() { 0 } else { self.slot_of(&ours.status)? };
        self.reports.binary_search_by_key(&(ours.click_id, transaction, slot), Report::name).ok()
    }

    /// Whether a report may be that of a conversion which none is exactly.
    pub(super) fn may_have(&self, ours: &Ours, scope: TransactionScope) -> bool {
        !self.of_click(ours.click_id).is_empty() || self.of_transaction(ours, scope).next().is_some()
    }

    /// The report of a conversion among those that no conversion is: under its transaction id with another click, or of its
    /// click and kind where one of the two has no transaction id. One that says the same goes first.
    pub(super) fn likely(&self, ours: &Ours, scope: TransactionScope) -> Option<usize> {
        let says_the_same = |at: &usize| {
            let report = &self.reports[*at];
            let payout = report.payout.map(|amount| Money { amount, currency: report.currency });
            self.status(report) == &ours.status && payout.is_none_or(|payout| payout == ours.revenue)
        };
        let first =
            |places: Vec<usize>| places.iter().copied().find(says_the_same).or(places.first().copied());
        let left = |at: &usize| !self.reports[*at].met;
        let under_its_id = first(self.of_transaction(ours, scope).filter(left).collect());
        under_its_id.or_else(|| {
            let slot = self.slot_of(&ours.status)?;
            let bare = ours.transaction_id.is_none();
            let fits = |at: &usize| {
                let report = &self.reports[*at];
                report.slot == slot && report.transaction.is_some() == bare
            };
            first(self.of_click(ours.click_id).filter(left).filter(fits).collect())
        })
    }

    fn of_click(&self, click: ClickId) -> std::ops::Range<usize> {
        let begin = self.reports.partition_point(|r| r.click < click);
        begin..self.reports.partition_point(|r| r.click <= click)
    }

    /// Those under its transaction id, where that is one for all clicks.
    fn of_transaction(&self, ours: &Ours, scope: TransactionScope) -> impl Iterator<Item = usize> {
        let id = hashed(ours.transaction_id.as_deref()).filter(|_| scope == TransactionScope::Network);
        let of = |at: &u32| self.reports[*at as usize].transaction;
        let begin = self.by_transaction.partition_point(|at| of(at) < id);
        let end = if id.is_some() { self.by_transaction.partition_point(|at| of(at) <= id) } else { begin };
        self.by_transaction[begin..end].iter().map(|at| *at as usize)
    }

    fn slot_of(&self, status: &ConversionStatus) -> Option<u16> {
        let number = self.statuses.iter().position(|s| s == status).and_then(|at| u16::try_from(at).ok());
        match slot(status, 0) {
            0 => Some(0),
            _ => number.map(|number| slot(status, number)),
        }
    }

    pub(super) fn status(&self, report: &Report) -> &ConversionStatus {
        self.statuses.get(usize::from(report.status)).unwrap_or(&ConversionStatus::Sale)
    }

    pub(super) fn sums(&self) -> Sums {
        let mut sums = Sums::new();
        for report in &self.reports {
            let (amount, currency) = (report.payout.unwrap_or(Amount::ZERO), report.currency);
            add(&mut sums, self.status(report), Money { amount, currency });
        }
        sums
    }
}

/// A lead, the sale that it becomes and its rejection are one; every other status is one of its own.
fn slot(status: &ConversionStatus, number: u16) -> u16 {
    use ConversionStatus::{Lead, Rejected, Sale};
    if matches!(status, Lead | Sale | Rejected) { 0 } else { number.saturating_add(1) }
}
