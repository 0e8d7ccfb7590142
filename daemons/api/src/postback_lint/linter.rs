//! What all that is looked for in the log share: the networks as they are now, and the findings.

use crate::{app::App, failure::Failure, links::template_record};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
};
use tfx_api::postbacks::{Finding, FindingKind};
use tfx_domain::{
    entity::{Kind, NetworkSpec, Status, TemplateSpec},
    event::PostbackLogEvent,
    id::ConversionId,
    postback::{
        WrittenBy,
        advice::{self, UnknownWord},
        written_by,
    },
};
use tfx_ports::{analytics::PostbackQuery, config::Record};

/// So many ids and addresses stand in a finding; the rest is counted.
const FEW: usize = 5;

/// A network of the log: its record, and its templates by what a postback asked for.
pub(super) struct LoggedNetwork {
    pub(super) record: Record,
    pub(super) spec: NetworkSpec,
    templates: HashMap<String, Option<Record>>,
}

/// What is found, line by line, the newest line first.
pub(super) struct Linter<'a> {
    pub(super) app: &'a App,
    networks: HashMap<String, Option<LoggedNetwork>>,
    found: BTreeMap<Key, Finding>,
    /// What each finding is of: ids and addresses.
    of: BTreeMap<Key, HashSet<String>>,
    /// Conversions that were looked at, the newest line of each.
    pub(super) standing: HashSet<ConversionId>,
    /// Those that stand as nothing.
    pub(super) paid_nothing: HashSet<ConversionId>,
    /// Amounts that are not read, of each finding about them.
    pub(super) amounts: BTreeMap<Key, UnreadAmounts>,
    /// Those behind whose rejection a sale came.
    pub(super) rejected: HashSet<ConversionId>,
    /// From where postbacks of a network, and which networks, were not refused since.
    pub(super) admitted: HashSet<(String, String)>,
    pub(super) served: HashSet<String>,
    /// Networks that there are not.
    pub(super) strangers: HashMap<String, Option<String>>,
    /// Words that nobody knows, by network and template.
    pub(super) words: BTreeMap<Words, (NetworkSpec, Option<TemplateSpec>, Vec<UnknownWord>)>,
}

/// A network and a template.
pub(super) type Words = (String, Option<String>);
/// A network, a template, a kind, and what one command mends.
pub(super) type Key = (String, Option<String>, FindingKind, String);

/// Amounts that a template does not read.
pub(super) struct UnreadAmounts {
    pub(super) network: NetworkSpec,
    /// Also one that is not active.
    pub(super) template: Option<TemplateSpec>,
    /// As they were said, the first of them.
    pub(super) said: Vec<String>,
}

impl<'a> Linter<'a> {
    pub(super) fn new(app: &'a App) -> Self {
        Self {
            app,
            networks: HashMap::new(),
            found: BTreeMap::new(),
            of: BTreeMap::new(),
            standing: HashSet::new(),
            paid_nothing: HashSet::new(),
            amounts: BTreeMap::new(),
            rejected: HashSet::new(),
            admitted: HashSet::new(),
            served: HashSet::new(),
            strangers: HashMap::new(),
            words: BTreeMap::new(),
        }
    }

    /// The newest lines, and whether these are all.
    pub(super) async fn read(
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
    pub(super) async fn known(
        &mut self,
        line: &PostbackLogEvent,
    ) -> Result<Option<(&LoggedNetwork, Option<&Record>)>, Failure> {
        let known = self.network(line).await?;
        Ok(known.filter(|(known, _)| known.record.status == Status::Active))
    }

    /// As [`Self::known`], also of a network that is not active.
    pub(super) async fn network(
        &mut self,
        line: &PostbackLogEvent,
    ) -> Result<Option<(&LoggedNetwork, Option<&Record>)>, Failure> {
        let Some(id) = &line.network_id else { return Ok(None) };
        let id = id.to_string();
        if !self.networks.contains_key(&id) {
            let known = match self.app.stores.config.get(Kind::Network, &id).await? {
                Some(record) => {
                    let spec = record.typed::<NetworkSpec>()?.spec;
                    Some(LoggedNetwork { record, spec, templates: HashMap::new() })
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

    /// Adds a line of the log to what it is an instance of: what `same` says is one finding. `id` is what that one is about.
    pub(super) fn add(&mut self, same: &str, id: &str, line: &PostbackLogEvent, finding: Finding) {
        let key = (finding.network.clone(), finding.template.clone(), finding.kind, same.to_owned());
        let there = self.found.entry(key.clone()).or_insert_with(|| Finding {
            postbacks: 0,
            different: 0,
            few: Vec::new(),
            example: example(line),
            ..finding
        });
        there.postbacks += 1;
        there.last = there.last.max(line.at);
        if !id.is_empty() && self.of.entry(key).or_default().insert(id.to_owned()) {
            there.different += 1;
            if there.few.len() < FEW {
                there.few.push(id.to_owned());
            }
        }
    }

    /// What was found; words of one template have one command, which maps them all, and amounts that one mark reads one that says
    /// it.
    pub(super) fn findings(mut self) -> Vec<Finding> {
        for (key, unread) in std::mem::take(&mut self.amounts) {
            let Some(finding) = self.found.get_mut(&key) else { continue };
            let command = advice::template_command(&unread.network, unread.template.as_ref());
            let (say, mark) = match written_by(unread.template.as_ref(), &unread.said) {
                Some(WrittenBy::Mark(mark)) => ("with this they are all read", mark.as_str()),
                Some(WrittenBy::PointOrComma) => {
                    ("with a point they are other amounts than with a comma", "MARK")
                }
                None => continue,
            };
            finding.because += &format!("; {say}");
            finding.command = format!("{command} --decimal {mark}");
        }
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
}

/// What a postback said, as a query; its secret was masked when it was logged.
fn example(line: &PostbackLogEvent) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(&line.params);
    query.finish()
}
