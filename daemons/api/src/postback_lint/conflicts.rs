//! Reports of other clicks than their transaction's or their network's.

use super::linter::Linter;
use crate::{failure::Failure, postback_test::Trial};
use tfx_api::postbacks::{Finding, FindingKind};
use tfx_domain::{
    event::{PostbackLogEvent, PostbackResult},
    postback::advice,
};

impl Linter<'_> {
    /// A conflict is tried again, as it would be now.
    pub(super) async fn conflict(&mut self, line: &PostbackLogEvent) -> Result<(), Failure> {
        let app = self.app;
        let Some((known, template)) = self.known(line).await? else { return Ok(()) };
        let named = template.map(|t| t.slug.clone());
        let answer =
            Trial::new(app, &known.record, template, !line.template.is_empty())?.run(&line.params).await?;
        let slug = known.spec.slug.to_string();
        let transaction =
            answer.understood.as_ref().and_then(|u| u.transaction_id.clone()).unwrap_or_default();
        let (kind, command, because) = match answer.result {
            PostbackResult::Conflict if answer.existing.is_some() => {
                (FindingKind::KnownTransaction, advice::scope_click(&known.spec), answer.reason)
            }
            PostbackResult::Conflict => {
                (FindingKind::ForeignClick, advice::foreign_clicks(&known.spec), answer.reason)
            }
            PostbackResult::Recorded | PostbackResult::Updated => {
                let because = "it was a conflict, and would be none any more".to_owned();
                (
                    FindingKind::Retry,
                    format!("tfx postback retry --network {slug} --result conflict"),
                    because,
                )
            }
            _ => return Ok(()),
        };
        let mut finding = Finding { network: slug, because, command, ..Finding::new(kind, line.at) };
        match kind {
            FindingKind::KnownTransaction => {
                (finding.template, finding.what) = (named, transaction.clone());
                self.add("", &transaction, line, finding);
            }
            // Of each network that the clicks were sent to.
            FindingKind::ForeignClick => {
                let to = finding.because.clone();
                self.add(&to, "", line, finding);
            }
            _ => {
                finding.what = "conflict".to_owned();
                self.add("", "", line, finding);
            }
        }
        Ok(())
    }
}
