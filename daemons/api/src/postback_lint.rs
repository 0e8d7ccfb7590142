//! `GET /postbacks/lint`: what networks sent of late that their configuration does not fit, and what sources could not be
//! told, with the command that mends it; and `POST /postbacks/retry`, which has postback-service take postbacks again.
//!
//! The log is read with the configuration of now: what was mended since is no finding. What sources could not be told is in
//! [`untold`].

mod untold;

use crate::{
    app::App,
    entities::refs,
    failure::Failure,
    input::{Body, Query, read},
    links::template_record,
    postback_test::Trial,
    reply::json,
};
use axum::{Router, extract::State, response::Response, routing::get, routing::post};
use http::{Method, StatusCode};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};
use tfx_api::postbacks::{Finding, FindingKind, Lint, PostbackRetry, PostbackRetryAnswer};
use tfx_domain::{
    Timestamp,
    entity::{Kind, NetworkSpec, Status, TemplateSpec},
    event::{PostbackDirection, PostbackLogEvent, PostbackResult},
    id::ConversionId,
    postback::{
        advice::{self, UnknownWord},
        interpret, is_mapped_since, still_stands, unknown_word,
    },
    problem::Problems,
};
use tfx_ports::{analytics::PostbackQuery, clock, config::Record, page::PageRequest};
use tfx_service::ProblemResponse;

/// How far back is looked when nobody says it.
const DAYS: i64 = 7;
/// The most lines that are read of all postbacks, and of conflicts, each of which is tried.
const MOST: usize = 20_000;
const MOST_CONFLICTS: usize = 500;
const PAGE: usize = 1_000;

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/postbacks/lint", get(lint)).route("/postbacks/retry", post(retry))
}

async fn lint(State(app): State<Arc<App>>, mut query: Query) -> Result<Response, Failure> {
    let (since, until) = query.window();
    let network = query.text("network");
    let most = query.value::<usize>("most").unwrap_or(MOST).clamp(1, MOST);
    query.finish()?;
    let network = match network {
        Some(text) => Some(network_of(&app, &text).await?.slug),
        None => None,
    };
    let days = Timestamp::from_second(clock::now().as_second() - DAYS * 86_400).ok();
    let mut linter = Linter {
        app: &app,
        networks: HashMap::new(),
        found: BTreeMap::new(),
        standing: HashSet::new(),
        words: BTreeMap::new(),
    };
    let asked = |result| PostbackQuery {
        since: since.or(days),
        until,
        network: network.clone(),
        result,
        direction: Some(PostbackDirection::In),
        test: tfx_domain::event::TestTraffic::Include,
        filters: Vec::new(),
        page: PageRequest::first(PAGE.min(most)),
    };
    let (conflicts, all_conflicts) =
        linter.read(asked(Some(PostbackResult::Conflict)), MOST_CONFLICTS.min(most)).await?;
    for line in &conflicts {
        linter.conflict(line).await?;
    }
    let (lines, all_lines) = linter.read(asked(None), most).await?;
    for line in &lines {
        linter.word(line).await?;
        linter.mapped_since(line).await?;
    }
    let mut findings = linter.findings();
    if network.is_none() {
        findings.extend(untold::of(&app, (since, since.or(days)), until, most).await?);
    }
    let answer = Lint { findings, postbacks: lines.len() as u64, complete: all_conflicts && all_lines };
    Ok(json(StatusCode::OK, &answer))
}

async fn network_of(app: &App, text: &str) -> Result<Record, Failure> {
    let config = app.stores.config.as_ref();
    match refs::find(config, Kind::Network, text).await? {
        Some(record) => Ok(record),
        None => Err(Problems::one("network", refs::unknown(config, Kind::Network, text).await).into()),
    }
}

/// A network of the log: its record, and its templates by what a postback asked for.
struct Known {
    record: Record,
    spec: NetworkSpec,
    templates: HashMap<String, Option<Record>>,
}

struct Linter<'a> {
    app: &'a App,
    networks: HashMap<String, Option<Known>>,
    found: BTreeMap<(String, Option<String>, FindingKind, String), Finding>,
    /// Conversions that were looked at, the newest line of each.
    standing: HashSet<ConversionId>,
    /// Words that nobody knows, by network and template.
    words: BTreeMap<(String, Option<String>), (NetworkSpec, Option<TemplateSpec>, Vec<UnknownWord>)>,
}

impl Linter<'_> {
    /// The newest lines, and whether these are all.
    async fn read(
        &self,
        mut query: PostbackQuery,
        most: usize,
    ) -> Result<(Vec<PostbackLogEvent>, bool), Failure> {
        let mut lines = Vec::new();
        loop {
            let page = self.app.stores.analytics.postbacks(&query).await?;
            lines.extend(page.items);
            query.page.cursor = page.next;
            if query.page.cursor.is_none() {
                return Ok((lines, true));
            }
            if lines.len() >= most {
                return Ok((lines, false));
            }
        }
    }

    /// The network of a line as it is now, and the template that it asked for, else `default`, also one that is not active;
    /// none for what nobody knows or uses any more.
    async fn known(&mut self, line: &PostbackLogEvent) -> Result<Option<(&Known, Option<&Record>)>, Failure> {
        let Some(id) = &line.network_id else { return Ok(None) };
        let id = id.to_string();
        if !self.networks.contains_key(&id) {
            let record = self.app.stores.config.get(Kind::Network, &id).await?;
            let active = record.filter(|r| r.status == Status::Active);
            let known = match active {
                Some(record) => {
                    let spec = record.typed::<NetworkSpec>()?.spec;
                    Some(Known { record, spec, templates: HashMap::new() })
                }
                None => None,
            };
            self.networks.insert(id.clone(), known);
        }
        let Some(Some(known)) = self.networks.get_mut(&id) else { return Ok(None) };
        if !known.templates.contains_key(line.template.as_str()) {
            let slug = if line.template.is_empty() { "default" } else { line.template.as_str() };
            let found = template_record(self.app, &known.record.id, slug).await?;
            known.templates.insert(line.template.to_string(), found);
        }
        let template = known.templates.get(line.template.as_str()).and_then(Option::as_ref);
        Ok(Some((known, template)))
    }

    /// A conflict is tried again, as it would be now.
    async fn conflict(&mut self, line: &PostbackLogEvent) -> Result<(), Failure> {
        let app = self.app;
        let Some((known, template)) = self.known(line).await? else { return Ok(()) };
        let answer =
            Trial::new(app, &known.record, template, !line.template.is_empty())?.run(&line.params).await?;
        let slug = known.spec.slug.to_string();
        let transaction =
            answer.understood.as_ref().and_then(|u| u.transaction_id.clone()).unwrap_or_default();
        let (kind, what, command) = match answer.result {
            PostbackResult::Conflict if answer.existing.is_some() => {
                (FindingKind::KnownTransaction, transaction, advice::scope_click(&known.spec))
            }
            PostbackResult::Conflict => {
                (FindingKind::ForeignClick, String::new(), advice::foreign_clicks(&known.spec))
            }
            PostbackResult::Recorded | PostbackResult::Updated => {
                let command = format!("tfx postback retry --network {slug} --result conflict");
                (FindingKind::Retry, "conflict".to_owned(), command)
            }
            _ => return Ok(()),
        };
        let because = match kind {
            FindingKind::Retry => "it was a conflict, and would be none any more".to_owned(),
            _ => answer.reason,
        };
        let template = None;
        self.add(Finding {
            network: slug,
            source: String::new(),
            template,
            kind,
            what,
            postbacks: 1,
            last: line.at,
            because,
            command,
        });
        Ok(())
    }

    async fn word(&mut self, line: &PostbackLogEvent) -> Result<(), Failure> {
        // What became later of a parked one has said it already.
        if line.status == 0 || line.result == PostbackResult::Ignored {
            return Ok(());
        }
        let Some((known, template)) = self.known(line).await? else { return Ok(()) };
        let active = template.is_some_and(|t| t.status == Status::Active);
        let named = template.map(Record::typed::<TemplateSpec>).transpose()?.map(|t| t.spec);
        let read_by = named.as_ref().filter(|_| active);
        let Some(mut said) = unknown_word(read_by, &line.params) else { return Ok(()) };
        said.after_sale = line.result == PostbackResult::Stale;
        // Of what is refused, only what a word is to blame for.
        let refused = line.result == PostbackResult::Rejected;
        let readable = || interpret(&known.spec, read_by, &line.params, &[]).is_ok();
        if if refused { line.status != 400 || !said.taken_back } else { !readable() } {
            return Ok(());
        }
        let because = if said.taken_back {
            "nobody knows what this status means; it takes money back and is refused"
        } else {
            "nobody knows what this status means; it counts as a lead, and never as a sale"
        };
        let finding = Finding {
            network: known.spec.slug.to_string(),
            source: String::new(),
            template: named.as_ref().map(|t| t.slug.to_string()),
            kind: FindingKind::UnmappedWord,
            what: said.word.to_lowercase(),
            postbacks: 1,
            last: line.at,
            because: because.to_owned(),
            // One for all words of the template, when all are known.
            command: String::new(),
        };
        let (network, words) = (known.spec.clone(), (finding.network.clone(), finding.template.clone()));
        self.words.entry(words).or_insert_with(|| (network, named, Vec::new())).2.push(said);
        self.add(finding);
        Ok(())
    }

    /// A conversion that stands under a word that was mapped since.
    async fn mapped_since(&mut self, line: &PostbackLogEvent) -> Result<(), Failure> {
        let app = self.app;
        let (Some(was), Some(id)) = (&line.conversion_status, &line.conversion_id) else { return Ok(()) };
        let Some((known, template)) = self.known(line).await? else { return Ok(()) };
        let template = template.filter(|t| t.status == Status::Active);
        let template = template.map(Record::typed::<TemplateSpec>).transpose()?.map(|t| t.spec);
        let network = known.spec.slug.to_string();
        if !is_mapped_since(&known.spec, template.as_ref(), line) || !self.standing.insert(id.clone()) {
            return Ok(());
        }
        if !app.stores.conversions.get(id).await?.is_some_and(|c| still_stands(&c, line)) {
            return Ok(());
        }
        self.add(Finding {
            command: format!("tfx postback retry --network {network} --result recorded --result updated"),
            network,
            source: String::new(),
            template: None,
            kind: FindingKind::MappedSince,
            what: was.to_string(),
            postbacks: 1,
            last: line.at,
            because: "the word is mapped now; conversions that it brought before still stand under it"
                .to_owned(),
        });
        Ok(())
    }

    /// What was found; words of one template have one command, which maps them all.
    fn findings(self) -> Vec<Finding> {
        let mut commands = BTreeMap::new();
        for (of, (network, template, mut words)) in self.words {
            // One that took back once, or came after a sale, does so whenever it comes.
            words.sort_by_key(|said| said.word.to_lowercase());
            words.dedup_by(|next, said| {
                let same = next.word.to_lowercase() == said.word.to_lowercase();
                said.taken_back |= same && next.taken_back;
                said.after_sale |= same && next.after_sale;
                same
            });
            commands.insert(of, advice::map_words(&network, template.as_ref(), &words));
        }
        let with_command = |mut f: Finding| {
            if f.kind == FindingKind::UnmappedWord {
                f.command =
                    commands.get(&(f.network.clone(), f.template.clone())).cloned().unwrap_or_default();
            }
            f
        };
        let mut findings: Vec<Finding> = self.found.into_values().map(with_command).collect();
        // The most frequent first; what one command mends stands together.
        let mut most: HashMap<String, u64> = HashMap::new();
        for f in &findings {
            let most = most.entry(f.command.clone()).or_default();
            *most = (*most).max(f.postbacks);
        }
        findings.sort_by_cached_key(|f| {
            (Reverse(most.get(&f.command).copied()), f.command.clone(), Reverse(f.postbacks))
        });
        findings
    }

    fn add(&mut self, finding: Finding) {
        // One command mends all ids of a network.
        let what = match finding.kind {
            FindingKind::UnmappedWord | FindingKind::MappedSince => finding.what.clone(),
            _ => String::new(),
        };
        let key = (finding.network.clone(), finding.template.clone(), finding.kind, what);
        let (postbacks, last) = (finding.postbacks, finding.last);
        let there = self.found.entry(key).or_insert(Finding { postbacks: 0, ..finding });
        there.postbacks += postbacks;
        there.last = there.last.max(last);
    }
}

async fn retry(State(app): State<Arc<App>>, query: Query, Body(input): Body) -> Result<Response, Failure> {
    query.finish()?;
    let mut asked: PostbackRetry = read(input)?;
    let known = asked.results.iter().all(|r| PostbackRetry::RESULTS.contains(r)) && !asked.results.is_empty();
    let words = PostbackRetry::RESULTS.map(PostbackResult::as_str).join(" or ");
    let mut problems = Problems::default();
    problems.require(known, "results", &format!("must be {words}"));
    problems.into_result(())?;
    if let Some(text) = &asked.network {
        asked.network = Some(network_of(&app, text).await?.slug);
    }
    let body = serde_json::to_value(&asked).map_err(|e| ProblemResponse::internal(e.to_string()))?;
    let answer = app.peers.postback.call(Method::POST, "/internal/postbacks/retry", Some(&body)).await?;
    let answer: PostbackRetryAnswer =
        serde_json::from_value(answer).map_err(|e| app.peers.postback.unreadable(&e))?;
    Ok(json(StatusCode::OK, &answer))
}
