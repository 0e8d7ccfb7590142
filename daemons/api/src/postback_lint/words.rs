//! Words of networks that nobody knows, and conversions that they made before they were mapped.

use super::linter::Linter;
use crate::failure::Failure;
use tfx_api::postbacks::{Finding, FindingKind};
use tfx_domain::{
    entity::{Status, TemplateSpec},
    event::{PostbackLogEvent, PostbackResult},
    postback::{interpret, is_mapped_since, still_stands, unknown_word},
};
use tfx_ports::config::Record;

impl Linter<'_> {
    /// A word that nobody knows; whether there is one that is told.
    pub(super) async fn word(&mut self, line: &PostbackLogEvent) -> Result<bool, Failure> {
        // What became later of a parked one has said it already.
        if line.status == 0 || line.result == PostbackResult::Ignored {
            return Ok(false);
        }
        let Some((known, template)) = self.known(line).await? else { return Ok(false) };
        let active = template.is_some_and(|t| t.status == Status::Active);
        let named = template.map(Record::typed::<TemplateSpec>).transpose()?.map(|t| t.spec);
        let read_by = named.as_ref().filter(|_| active);
        let Some(mut said) = unknown_word(read_by, &line.params) else { return Ok(false) };
        said.after_sale = line.result == PostbackResult::Stale;
        // Of what is refused, only what a word is to blame for.
        let refused = line.result == PostbackResult::Rejected;
        let readable = || interpret(&known.spec, read_by, &line.params, &[]).is_ok();
        if if refused { line.status != 400 || !said.taken_back } else { !readable() } {
            return Ok(false);
        }
        let because = if said.taken_back {
            "nobody knows what this status means; it takes money back and is refused"
        } else if said.is_macro() {
            "the network left its macro as it is: give it its own for the status in its URL, or say what all its postbacks mean; \
             each counts as a lead, and never as a sale"
        } else {
            "nobody knows what this status means; it counts as a lead, and never as a sale"
        };
        let finding = Finding {
            network: known.spec.slug.to_string(),
            template: named.as_ref().map(|t| t.slug.to_string()),
            what: said.word.to_lowercase(),
            because: because.to_owned(),
            // The command: one for all words of the template, when all are known.
            ..Finding::new(FindingKind::UnmappedWord, line.at)
        };
        let (network, words) = (known.spec.clone(), (finding.network.clone(), finding.template.clone()));
        self.words.entry(words).or_insert_with(|| (network, named, Vec::new())).2.push(said);
        let what = finding.what.clone();
        self.add(&what, "", line, finding);
        Ok(true)
    }

    /// A conversion that stands under a word that was mapped since.
    pub(super) async fn mapped_since(&mut self, line: &PostbackLogEvent) -> Result<(), Failure> {
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
        let what = was.to_string();
        let finding = Finding {
            command: format!("tfx postback retry --network {network} --result recorded --result updated"),
            network,
            what: what.clone(),
            because: "the word is mapped now; conversions that it brought before still stand under it"
                .to_owned(),
            ..Finding::new(FindingKind::MappedSince, line.at)
        };
        self.add(&what, "", line, finding);
        Ok(())
    }
}
