//! `POST /postbacks/test`: what would become of a postback, by the same rules as postback-service, storing nothing.
//!
//! Secret and address are not asked for: whoever may call this may read the secret. An earlier conversion is looked
//! for among those of the click.

use crate::{
    app::App,
    entities::refs,
    failure::Failure,
    input::{Body, Query, typed},
    links::template_record,
    reply::json,
};
use axum::{Router, extract::State, response::Response, routing::post};
use http::StatusCode;
use std::sync::Arc;
use tfx_api::{
    page::EntityRef,
    postbacks::{ExistingConversion, PostbackTest, PostbackTestAnswer, Understood},
};
use tfx_domain::{
    entity::{DestinationSpec, Kind, NetworkSpec, Status, TemplateSpec},
    event::{ClickEvent, PostbackResult},
    id::{ConversionId, NetworkId},
    money::{Amount, Money},
    postback::{Applied, Conversion, Incoming, Interpreted, Postback, apply, interpret},
    problem::Problems,
};
use tfx_ports::{clock, config::Record, conversions::ConversionQuery, entropy, page::PageRequest};
use tfx_service::ProblemResponse;
use tfx_settings::LookupFailure;

/// The most parameters of a test.
const MAX_PARAMS: usize = 1000;

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/postbacks/test", post(test))
}

async fn test(State(app): State<Arc<App>>, query: Query, Body(input): Body) -> Result<Response, Failure> {
    query.finish()?;
    let test: PostbackTest = typed(input)?;
    let mut problems = Problems::default();
    problems.require(test.params.len() <= MAX_PARAMS, "params", &format!("must be at most {MAX_PARAMS}"));
    let network = refs::find(app.stores.config.as_ref(), Kind::Network, &test.network).await?;
    let template = match (&network, &test.template) {
        (Some(network), Some(text)) => template_record(&app, &network.id, text).await?,
        (Some(network), None) => {
            let found = template_record(&app, &network.id, "default").await?;
            found.filter(|t| t.status == Status::Active)
        }
        (None, _) => {
            problems.add(
                "network",
                refs::unknown(app.stores.config.as_ref(), Kind::Network, &test.network).await,
            );
            None
        }
    };
    if let (Some(text), Some(network), None) = (&test.template, &network, &template) {
        problems.add("template", format!("the network {} has no template '{text}'", network.slug));
    }
    let network =
        problems.into_result(network)?.ok_or_else(|| ProblemResponse::internal("a network was found"))?;
    let answer = Trial::new(&app, &network, template.as_ref())?.run(&test.params).await?;
    Ok(json(StatusCode::OK, &answer))
}

/// A postback being tried.
struct Trial<'a> {
    app: &'a App,
    network: &'a Record,
    spec: NetworkSpec,
    template: Option<(&'a Record, TemplateSpec)>,
    answer: PostbackTestAnswer,
}

impl<'a> Trial<'a> {
    fn new(app: &'a App, network: &'a Record, template: Option<&'a Record>) -> Result<Self, Failure> {
        let named = |r: &Record| EntityRef { id: r.id.clone(), slug: r.slug.clone() };
        let answer = PostbackTestAnswer {
            result: PostbackResult::Rejected,
            status: 400,
            reason: String::new(),
            parameter: None,
            network: named(network),
            template: template.map(named),
            understood: None,
            click_found: None,
            existing: None,
        };
        let spec = network.typed::<NetworkSpec>()?.spec;
        let template = match template {
            Some(record) => Some((record, record.typed::<TemplateSpec>()?.spec)),
            None => None,
        };
        Ok(Self { app, network, spec, template, answer })
    }

    fn end(mut self, result: PostbackResult, status: u16, reason: impl Into<String>) -> PostbackTestAnswer {
        (self.answer.result, self.answer.status, self.answer.reason) = (result, status, reason.into());
        self.answer
    }

    async fn run(mut self, params: &[(String, String)]) -> Result<PostbackTestAnswer, Failure> {
        use PostbackResult::{Duplicate, Ignored, Parked, Recorded, Rejected, Stale, Updated};
        if self.network.status != Status::Active {
            let reason = format!("the network is {}; resume it first", self.network.status.as_str());
            return Ok(self.end(Rejected, 404, reason));
        }
        if let Some((record, _)) = &self.template
            && record.status != Status::Active
        {
            let reason = format!("the template is {}; resume it first", record.status.as_str());
            return Ok(self.end(Rejected, 404, reason));
        }
        let postback = match interpret(&self.spec, self.template.as_ref().map(|(_, t)| t), params, &[]) {
            Err(refusal) => {
                self.answer.parameter = Some(refusal.parameter.clone());
                return Ok(self.end(Rejected, 400, refusal.to_string()));
            }
            Ok(Interpreted::Ignored { raw_status }) => {
                let reason = format!("the template ignores the status '{raw_status}'");
                return Ok(self.end(Ignored, 200, reason));
            }
            Ok(Interpreted::Report(postback)) => postback,
        };
        let click = self.app.stores.analytics.click(postback.click_id).await?;
        self.answer.click_found = Some(click.is_some());
        let given = postback.payout.map(|amount| Money { amount, currency: postback.currency });
        self.answer.understood = Some(understood(&postback, given));
        let Some(click) = click else {
            return Ok(match self.app.settings.postback.lookup_failure {
                LookupFailure::Park => {
                    self.end(Parked, 200, "its click is not known (yet); it would be kept until it is")
                }
                LookupFailure::Reject => {
                    self.end(Rejected, 404, "its click is not known (CLICK_LOOKUP_FAILURE_POLICY=reject)")
                }
            });
        };
        let incoming = self.incoming(&postback, &click).await?;
        self.answer.understood = Some(understood(&postback, Some(incoming.revenue)));
        let known = self.conversions_of(&incoming).await?;
        let existing = known.iter().find(|c| c.key == incoming.key);
        let shown = |c: &Conversion| ExistingConversion {
            id: c.id.clone(),
            status: c.status.clone(),
            revenue: c.revenue,
        };
        self.answer.existing = existing.map(shown);
        // As stores do it: one sale for a click, unless its destination allows several.
        let claimed = |c: &Conversion| {
            known.iter().find(|k| c.sale_claim.is_some() && k.sale_claim == c.sale_claim && k.id != c.id)
        };
        let applied = apply(existing, &incoming);
        if let Applied::New(c) | Applied::Updated(c) = &applied
            && let Some(other) = claimed(c)
        {
            self.answer.existing = Some(shown(other));
            return Ok(self.end(
                Duplicate,
                200,
                "the click has its one sale already; its destination allows no upsell",
            ));
        }
        Ok(match applied {
            Applied::New(_) => self.end(Recorded, 200, "a new conversion"),
            Applied::Updated(_) => self.end(Updated, 200, "the conversion would change"),
            Applied::Duplicate => self.end(Duplicate, 200, "the conversion is known just so"),
            Applied::Stale => self.end(Stale, 200, "a step backwards; the conversion would stay as it is"),
        })
    }

    /// The report as postback-service would record it: the payout of the postback, else of the destination.
    async fn incoming(&self, postback: &Postback, click: &ClickEvent) -> Result<Incoming, Failure> {
        let destination = match &click.dims.destination_id {
            Some(id) => self.app.stores.config.get(Kind::Destination, id.as_str()).await?,
            None => None,
        };
        let destination = destination.map(|r| r.typed::<DestinationSpec>()).transpose()?.map(|d| d.spec);
        let of_destination = destination.as_ref().and_then(|d| d.payout);
        let revenue = match (postback.payout, of_destination) {
            (Some(amount), _) => Money { amount, currency: postback.currency },
            (None, Some(payout)) => payout,
            (None, None) => Money { amount: Amount::ZERO, currency: postback.currency },
        };
        let network: NetworkId = self
            .network
            .id
            .parse()
            .map_err(|_| ProblemResponse::internal("a network with an id of another kind"))?;
        let at = clock::now();
        Ok(Incoming {
            new_id: ConversionId::generate(at, entropy::random_u128()),
            network,
            key: postback.key(),
            transaction_id: postback.transaction_id.clone(),
            click_id: postback.click_id,
            status: postback.status.clone(),
            raw_status: postback.raw_status.clone(),
            revenue,
            revenue_given: postback.payout_given,
            allow_upsell: destination.is_some_and(|d| d.allow_upsell),
            at,
            click: click.dims.clone(),
        })
    }

    async fn conversions_of(&self, incoming: &Incoming) -> Result<Vec<Conversion>, Failure> {
        let query = ConversionQuery {
            since: None,
            until: None,
            campaign: None,
            network: Some(incoming.network.clone()),
            status: None,
            click: Some(incoming.click_id),
            page: PageRequest::first(1000),
        };
        Ok(self.app.stores.conversions.list(&query).await?.items)
    }
}

fn understood(postback: &Postback, revenue: Option<Money>) -> Understood {
    Understood {
        click_id: postback.click_id,
        transaction_id: postback.transaction_id.clone(),
        status: postback.status.clone(),
        raw_status: postback.raw_status.clone(),
        revenue,
        key: postback.key(),
    }
}
