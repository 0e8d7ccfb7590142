//! What a network's file says, kept small: of each report a hash of what names it, its status and what it pays.

use crate::{exit::Failure, rows::Rows, rows::mapping::Mapping};
use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};
use tfx_api::{conversions::Conversion, imports::ImportRow};
use tfx_domain::{
    Timestamp,
    entity::{NetworkSpec, TemplateSpec},
    money::{Amount, Currency},
    postback::{ConversionStatus, Field, Interpreted, Postback, TransactionScope, interpret, interpret_ours},
};

/// Sums by status and currency: how many, and what they pay.
pub(super) type Sums = BTreeMap<(String, Currency), (u64, Amount)>;

pub(super) fn add(sums: &mut Sums, status: &ConversionStatus, currency: Currency, amount: Amount) {
    let sum = sums.entry((status.to_string(), currency)).or_insert((0, Amount::ZERO));
    *sum = (sum.0 + 1, sum.1 + amount);
}

/// A report of the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    pub(super) line: u64,
    /// None: it does not say.
    pub(super) payout: Option<Amount>,
    pub(super) currency: Currency,
    status: u16,
    /// A conversion here is it.
    pub(super) met: bool,
}

/// Reads rows as postback-service would.
pub(super) struct Reader<'a> {
    pub(super) network: &'a NetworkSpec,
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

    fn name(&self, transaction: Option<&String>, click: &str, key: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        match (transaction, self.network.transaction_scope) {
            (Some(id), TransactionScope::Network) => ("tx", id).hash(&mut hasher),
            (Some(id), TransactionScope::Click) => ("tx", id, click).hash(&mut hasher),
            (None, _) => ("key", key).hash(&mut hasher),
        }
        hasher.finish()
    }

    /// What names a report of the file.
    pub(super) fn of(&self, postback: &Postback) -> u64 {
        let click = postback.click_id.to_string();
        self.name(postback.transaction_id.as_ref(), &click, &postback.key())
    }

    /// What names a conversion of ours.
    pub(super) fn of_ours(&self, c: &Conversion) -> u64 {
        self.name(c.transaction_id.as_ref(), &c.click_id.to_string(), &c.key)
    }
}

/// All of a file.
#[derive(Default)]
pub(super) struct Theirs {
    pub(super) reports: HashMap<u64, Report>,
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
            let read = mapping.row(&row).and_then(|said| Ok((said.at, reader.read(&said)?)));
            match read {
                Err(why) => {
                    all.unread_rows += 1;
                    if all.unread.len() < NAMED {
                        all.unread.push((row.line, why));
                    }
                }
                Ok((Some(at), _)) if !within(at) => all.outside += 1,
                Ok((_, Interpreted::Ignored { .. })) => all.ignored += 1,
                Ok((at, Interpreted::Report(postback))) => all.add(row.line, at, reader, &postback),
            }
        }
        Ok(all)
    }

    fn add(&mut self, line: u64, at: Option<Timestamp>, reader: &Reader<'_>, postback: &Postback) {
        if let Some(at) = at {
            self.first = Some(self.first.map_or(at, |first| first.min(at)));
            self.last = Some(self.last.map_or(at, |last| last.max(at)));
        }
        let (payout, currency, status) = (postback.payout, postback.currency, self.number(&postback.status));
        let report = Report { line, payout, currency, status, met: false };
        if self.reports.insert(reader.of(postback), report).is_some() {
            self.double_rows += 1;
            if self.doubles.len() < NAMED {
                self.doubles.push(line);
            }
        }
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

    pub(super) fn status(&self, report: &Report) -> &ConversionStatus {
        self.statuses.get(usize::from(report.status)).unwrap_or(&ConversionStatus::Sale)
    }

    pub(super) fn sums(&self) -> Sums {
        let mut sums = Sums::new();
        for report in self.reports.values() {
            add(&mut sums, self.status(report), report.currency, report.payout.unwrap_or(Amount::ZERO));
        }
        sums
    }
}
