//! One look at everything that `tfx top` shows, by what anybody may ask who has a token. Rates come of two looks.

use super::{
    figures::{Answers, COUNTED, Counters, Rates, rates},
    state::{METRICS, Question},
};
use crate::{
    commands::status::{Status, look},
    context::Context,
    exit::Failure,
    services,
};
use futures_util::future::join_all;
use jiff::SignedDuration;
use std::time::Duration;
use tfx_api::{
    Client,
    report::{Attribution, Dimension, Figures, ReportAnswer, ReportFilter, ReportRequest, Sort},
};
use tfx_domain::{Timestamp, money::Currency};
use tfx_ops::{clock, probe::Probe};
use tokio::time::timeout;

/// So long anything is waited for.
const WITHIN: Duration = Duration::from_secs(15);
/// The most rows of a table; more are not looked through on a screen.
const ROWS: usize = 500;
/// Rates are counted from so long before the first look on: a conversion may be of an earlier click.
const EARLIER: SignedDuration = SignedDuration::from_hours(1);

/// How the services are, and what waits.
pub(super) type Seen = Status;

/// What one look saw; of each part what it is, or why it is not known.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) at: Timestamp,
    pub(super) seen: Result<Seen, String>,
    pub(super) asked: Question,
    pub(super) rows: Result<ReportAnswer, String>,
    pub(super) sources: Result<ReportAnswer, String>,
    /// None: there was no look before that could be compared.
    pub(super) answers: Result<Option<Answers>, String>,
    pub(super) rates: Result<Option<Rates>, String>,
}

/// Who looks, and what it saw last.
pub(super) struct Looker<'c> {
    context: &'c Context,
    currency: Option<Currency>,
    /// Rates are counted from then on.
    from: Timestamp,
    totals: Option<(Timestamp, Figures)>,
    counters: Option<(Timestamp, Counters)>,
}

impl<'c> Looker<'c> {
    pub(super) fn new(context: &'c Context, currency: Option<Currency>) -> Self {
        let now = clock::now();
        let from = now.checked_sub(EARLIER).unwrap_or(now);
        Self { context, currency, from, totals: None, counters: None }
    }

    /// Looks.
    pub(super) async fn look(&mut self, asked: Question) -> Look {
        let client = self.client();
        let (seen, rows, sources, totals, counters) = tokio::join!(
            within(async { look(self.context).await.map_err(|f| f.message) }),
            within(self.report(&client, self.of(&asked))),
            within(self.report(
                &client,
                self.of(&Question { by: Dimension::Source, of: Vec::new(), ..asked.clone() })
            )),
            within(self.report(&client, self.in_all())),
            within(self.metrics()),
        );
        let at = clock::now();
        let rates = totals.map(|answer| {
            let before = self.totals.replace((at, answer.totals.clone()));
            before.and_then(|(then, before)| rates((then, &before), (at, &answer.totals)))
        });
        let answers = counters.map(|now| {
            let before = self.counters.replace((at, now.clone()));
            before.and_then(|(then, before)| now.since(&before, at.duration_since(then).as_secs_f64()))
        });
        Look { at, seen, asked, rows, sources, answers, rates }
    }

    fn client(&self) -> Result<Client, String> {
        self.context.client().map_err(|f| f.message)
    }

    async fn report(
        &self,
        client: &Result<Client, String>,
        asked: ReportRequest,
    ) -> Result<ReportAnswer, String> {
        let client = client.as_ref().map_err(Clone::clone)?;
        client.report(&asked).await.map_err(|e| Failure::from(e).message)
    }

    /// The rows of a table.
    fn of(&self, question: &Question) -> ReportRequest {
        let now = clock::now();
        let filters = question.of.iter().map(|value| ReportFilter {
            dimension: value.dimension,
            values: vec![value.value.clone()],
            negate: false,
        });
        ReportRequest {
            since: Some(now.checked_sub(SignedDuration::from_secs(question.window_s)).unwrap_or(now)),
            dimensions: vec![question.by],
            filters: filters.collect(),
            currency: self.currency,
            metrics: METRICS.to_vec(),
            sort: Some(Sort { by: METRICS[0].as_str().to_owned(), desc: true }),
            limit: Some(ROWS),
            ..ReportRequest::default()
        }
    }

    /// What came in since the begin, each conversion at its own time.
    fn in_all(&self) -> ReportRequest {
        ReportRequest {
            since: Some(self.from),
            attribution: Attribution::Conversion,
            currency: self.currency,
            metrics: COUNTED.to_vec(),
            ..ReportRequest::default()
        }
    }

    /// The counters of traffic-service and postback-service.
    async fn metrics(&self) -> Result<Counters, String> {
        let settings = self.context.settings().map_err(|f| f.message)?;
        let token = services::internal_token(&settings)
            .ok_or("/metrics wants the internal token: INTERNAL_TOKEN, or the data folder of the services")?;
        let probe = Probe::new().map_err(|e| e.to_string())?;
        let urls = [&settings.addresses.traffic_url, &settings.addresses.postback_url];
        let mut counters = Counters::default();
        for page in join_all(urls.map(|url| probe.metrics(url, Some(&token)))).await {
            counters.add(&page?);
        }
        Ok(counters)
    }
}

async fn within<T>(asked: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    timeout(WITHIN, asked).await.unwrap_or_else(|_| Err(format!("no answer within {} s", WITHIN.as_secs())))
}
