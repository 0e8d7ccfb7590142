//! `POST /postbacks/test`: what would become of a postback, by the same rules as postback-service, storing nothing.
//!
//! Secret and address are not asked for: whoever may call this may read the secret; one that is given must be right. An
//! earlier conversion is looked for among those of the click.

use crate::{
    app::App,
    entities::refs,
    failure::Failure,
    input::{Body, Query, read},
    links::template_record,
    reply::json,
    signed_postback,
};
use axum::{Router, extract::State, response::Response, routing::post};
use http::StatusCode;
use serde_json::Value;
use std::sync::Arc;
use tfx_api::{
    page::EntityRef,
    postbacks::{ExistingConversion, PostbackTest, PostbackTestAnswer, Understood},
};
use tfx_domain::{
    entity::{DestinationSpec, FormerSecret, Kind, Network, NetworkSpec, Secret, Status, TemplateSpec},
    event::{ClickDims, PostbackResult, TestTraffic},
    id::{ClickId, NetworkId},
    money::Money,
    postback::{
        Conversion, Decided, Incoming, Interpreted, Postback, Signed, Standing, Terms,
        advice::{self, UnknownWord},
        decide, interpret, report, unknown_word,
    },
    problem::Problems,
};
use tfx_ports::{
    StoreError, clock,
    config::Record,
    conversions::{self, ConversionQuery},
    page::PageRequest,
};
use tfx_service::ProblemResponse;
use tfx_settings::LookupFailure;

/// The most parameters of a test.
const MAX_PARAMS: usize = 1000;

/// The parameter that carries the secret.
const SECRET: &str = "secret";

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/postbacks/test", post(test)).route("/postbacks/sign", post(signed_postback::make))
}

/// The network of a test and the template that it asks for, else its `default`; and the test.
pub(crate) async fn asked(
    app: &App,
    query: Query,
    input: Value,
) -> Result<(Record, Option<Record>, PostbackTest), Failure> {
    query.finish()?;
    let test: PostbackTest = read(input)?;
    let mut problems = Problems::default();
    problems.require(test.params.len() <= MAX_PARAMS, "params", &format!("must be at most {MAX_PARAMS}"));
    let network = refs::find(app.stores.config.as_ref(), Kind::Network, &test.network).await?;
    let template = match (&network, &test.template) {
        (Some(network), Some(text)) => template_record(app, &network.id, text).await?,
        (Some(network), None) => template_record(app, &network.id, "default").await?,
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
    Ok((network, template, test))
}

async fn test(State(app): State<Arc<App>>, query: Query, Body(input): Body) -> Result<Response, Failure> {
    let (network, template, test) = asked(&app, query, input).await?;
    let (secrets, params): (Vec<_>, Vec<_>) =
        test.params.into_iter().partition(|(name, _)| name.eq_ignore_ascii_case(SECRET));
    let trial = Trial::new(&app, &network, template.as_ref(), test.template.is_some())?;
    let spec = trial.network.spec.clone();
    // Whoever may call this may read the secret: how long a comparison takes tells nothing new.
    let is_given = |secret: &Secret| secrets.iter().any(|(_, given)| *given == secret.0);
    let is_right = spec.postback_secret.as_ref().is_none_or(is_given) || secrets.is_empty();
    let refused = |why: String| Err((403, why));
    let let_in = match spec.former_secret.as_ref().filter(|former| is_given(&former.secret)) {
        _ if is_right => Ok(None),
        Some(former) if former.works(clock::now()) => Ok(Some(advice::former_secret(&spec, former.until))),
        Some(FormerSecret { until, .. }) => refused(advice::ended_secret(*until)),
        None => refused("the secret is wrong".to_owned()),
    };
    let read =
        let_in.and_then(|note| trial.signed(params).map(|(params, left_out)| (note, params, left_out)));
    let answer = match read {
        Err((status, why)) => trial.end(PostbackResult::Rejected, status, why),
        Ok((note, params, left_out)) => {
            let left_out = (!left_out.is_empty()).then(|| advice::not_signed(&left_out));
            let answer = trial.run(&params).await?;
            let said = [Some(answer.reason), note, left_out];
            PostbackTestAnswer { reason: said.into_iter().flatten().collect::<Vec<_>>().join("; "), ..answer }
        }
    };
    Ok(json(StatusCode::OK, &answer))
}

/// A postback being tried.
pub(crate) struct Trial<'a> {
    app: &'a App,
    network: Network,
    template: Option<(&'a Record, TemplateSpec)>,
    /// The template whose words a person maps: also a `default` that is not active.
    named: Option<TemplateSpec>,
    answer: PostbackTestAnswer,
}

impl<'a> Trial<'a> {
    /// `named` is the template that the postback asks for, else the network's `default`. A `default` that is not active
    /// reads nothing.
    pub(crate) fn new(
        app: &'a App,
        network: &'a Record,
        named: Option<&'a Record>,
        asked: bool,
    ) -> Result<Self, Failure> {
        let template = named.filter(|t| asked || t.status == Status::Active);
        let reference = |r: &Record| EntityRef { id: r.id.clone(), slug: r.slug.clone() };
        let answer = PostbackTestAnswer {
            result: PostbackResult::Rejected,
            status: 400,
            reason: String::new(),
            commands: Vec::new(),
            parameter: None,
            network: reference(network),
            template: template.map(reference),
            understood: None,
            click_found: None,
            existing: None,
        };
        let network = network.typed::<NetworkSpec>()?;
        let template = match template {
            Some(record) => Some((record, record.typed::<TemplateSpec>()?.spec)),
            None => None,
        };
        let named = named.map(Record::typed::<TemplateSpec>).transpose()?.map(|t| t.spec);
        Ok(Self { app, network, template, named, answer })
    }

    fn end(mut self, result: PostbackResult, status: u16, reason: impl Into<String>) -> PostbackTestAnswer {
        (self.answer.result, self.answer.status, self.answer.reason) = (result, status, reason.into());
        self.answer
    }

    /// What is read of parameters that the network would sign, and the names of the others; or how it is answered.
    fn signed(
        &self,
        params: Vec<(String, String)>,
    ) -> Result<(Vec<(String, String)>, Vec<String>), (u16, String)> {
        let status = self.template.as_ref().map_or(Status::Active, |(record, _)| record.status);
        // Nothing of what is not active is looked at.
        if [self.network.spec.status, status].iter().any(|s| *s != Status::Active) {
            return Ok((params, Vec::new()));
        }
        let template = self.template.as_ref().map(|(_, t)| t);
        signed_postback::as_read(&self.network.spec, template, params)
            .map_err(|unsigned| (if unsigned.is_ours() { 503 } else { 403 }, unsigned.to_string()))
    }

    pub(crate) async fn run(mut self, params: &[(String, String)]) -> Result<PostbackTestAnswer, Failure> {
        use PostbackResult::{Conflict, Ignored, Parked, Recorded, Rejected, Stale, Updated};
        if self.network.spec.status != Status::Active {
            let reason = format!("the network is {}; resume it first", self.network.spec.status.as_str());
            return Ok(self.end(Rejected, 404, reason));
        }
        if let Some((record, _)) = &self.template
            && record.status != Status::Active
        {
            let reason = format!("the template is {}; resume it first", record.status.as_str());
            return Ok(self.end(Rejected, 404, reason));
        }
        let postback =
            match interpret(&self.network.spec, self.template.as_ref().map(|(_, t)| t), params, &[]) {
                Err(refusal) => {
                    self.answer.parameter = Some(refusal.parameter.clone());
                    let mut reason = refusal.to_string();
                    let said = unknown_word(self.template.as_ref().map(|(_, t)| t), params);
                    if let Some(said) = said.filter(|said| said.taken_back) {
                        reason = self.with_unknown(&reason, &said);
                    }
                    return Ok(self.end(Rejected, 400, reason));
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
        let dims = match click {
            Some(click) => Some(click.dims),
            // One that has left by age is known by the conversion that is reported again.
            None => conversions::reported(&*self.app.stores.conversions, &self.network.id, &postback)
                .await?
                .map(|there| there.click),
        };
        let Some(dims) = dims else {
            return Ok(match self.app.settings.postback.lookup_failure {
                LookupFailure::Park => {
                    self.end(Parked, 200, "its click is not known (yet); it would be kept until it is")
                }
                LookupFailure::Reject => {
                    self.end(Rejected, 404, "its click is not known (CLICK_LOOKUP_FAILURE_POLICY=reject)")
                }
            });
        };
        let terms = self.terms(&dims).await?;
        let incoming = match report(&self.network, terms.as_ref(), &postback, &dims, clock::now()) {
            Ok(incoming) => incoming,
            Err(other) => {
                let found = self.app.stores.config.get(Kind::Network, other.as_str()).await?;
                let name = found.map_or_else(|| other.to_string(), |r| r.slug);
                let reason = advice::foreign(&self.network.spec, &name);
                self.answer.commands.push(advice::foreign_clicks(&self.network.spec));
                let reason = self.with_word(reason, &postback, false);
                return Ok(self.end(Conflict, 200, reason));
            }
        };
        self.answer.understood = Some(understood(&postback, Some(incoming.revenue)));
        let there = KnownConversions(self.known(&incoming).await?);
        let Decided { result, conversion, displaced, .. } = decide(&there, &incoming)?;
        if result != Recorded {
            // What it would change, or what is in its way.
            let there = there.0.iter().find(|c| c.id == conversion.id);
            self.answer.existing = there.map(|c| ExistingConversion {
                id: c.id.clone(),
                status: c.status.clone(),
                revenue: c.revenue,
            });
        }
        let mut reason = match result {
            Recorded => "a new conversion".to_owned(),
            Updated => "the conversion would change".to_owned(),
            Conflict => advice::known_id(&self.network.spec, &postback, &conversion),
            Stale => "a step backwards; the conversion would stay as it is".to_owned(),
            _ if conversion.status == incoming.status
                && conversion.transaction_id == incoming.transaction_id =>
            {
                "the conversion is known just so".to_owned()
            }
            _ => "the click has its one sale already; its destination allows no upsell".to_owned(),
        };
        if let Some(displaced) = &displaced {
            reason += &format!("; {}", advice::displaced(displaced));
        }
        if result == Conflict {
            self.answer.commands.push(advice::scope_click(&self.network.spec));
        }
        let reason = self.with_word(reason, &postback, result == Stale);
        Ok(self.end(result, 200, reason))
    }

    /// And what to do about a word that nobody knows.
    fn with_word(&mut self, mut reason: String, postback: &Postback, after_sale: bool) -> String {
        if let (true, Some(word)) = (postback.unmapped, &postback.raw_status) {
            let said = UnknownWord { word: word.clone(), taken_back: false, after_sale };
            reason = self.with_unknown(&reason, &said);
        }
        reason
    }

    fn with_unknown(&mut self, reason: &str, said: &UnknownWord) -> String {
        let (network, named) = (&self.network.spec, self.named.as_ref());
        self.answer.commands.push(advice::map_words(network, named, std::slice::from_ref(said)));
        format!("{reason}; {}", advice::unmapped_word(network, named, said))
    }

    /// What the click's destination means for the report.
    async fn terms(&self, click: &ClickDims) -> Result<Option<Terms>, Failure> {
        let Some(id) = &click.destination_id else { return Ok(None) };
        let destination = self.app.stores.config.get(Kind::Destination, id.as_str()).await?;
        let destination = destination.map(|r| r.typed::<DestinationSpec>()).transpose()?;
        Ok(destination.map(|d| Terms::from(&d.spec)))
    }

    /// What the report may meet: the conversions of its click, and who has its transaction id.
    async fn known(&self, incoming: &Incoming) -> Result<Vec<Conversion>, Failure> {
        let query = ConversionQuery {
            since: None,
            until: None,
            campaign: None,
            network: Some(incoming.network.clone()),
            status: None,
            click: Some(incoming.click_id),
            test: TestTraffic::Include,
            conditions: tfx_domain::report::Conditions::default(),
            page: PageRequest::first(1000),
        };
        let mut known = self.app.stores.conversions.list(&query).await?.items;
        known.extend(self.app.stores.conversions.by_key(&incoming.network, &incoming.key).await?);
        Ok(known)
    }
}

/// Conversions in a list.
struct KnownConversions(Vec<Conversion>);

impl Standing for KnownConversions {
    type Error = StoreError;

    fn by_key(&self, _: &NetworkId, key: &str) -> Result<Option<Conversion>, StoreError> {
        Ok(self.0.iter().find(|c| c.key == key).cloned())
    }

    fn by_claim(&self, _: &NetworkId, claim: &str) -> Result<Option<Conversion>, StoreError> {
        Ok(self.0.iter().find(|c| c.sale_claim.as_deref() == Some(claim)).cloned())
    }

    fn by_signature(&self, click: ClickId, signed: &Signed) -> Result<Option<Conversion>, StoreError> {
        Ok(self.0.iter().find(|c| c.click_id == click && c.signatures.has(signed)).cloned())
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
