//! What was recorded and is less money than was meant: macros that a network left as they are, and sales of nothing.

use super::linter::Linter;
use crate::failure::Failure;
use tfx_api::postbacks::{Finding, FindingKind};
use tfx_domain::{
    entity::{Status, TemplateSpec},
    event::{PostbackLogEvent, PostbackResult},
    money::Amount,
    postback::{
        AnotherReading, ConversionStatus, Field, advice, left_macros, read_otherwise, still_stands,
        unread_payout,
    },
};
use tfx_ports::config::Record;

/// Of so many sales of nothing it is asked whether they still stand so.
const MOST_ASKED: usize = 1_000;

impl Linter<'_> {
    /// Macros in place of payout, currency or status, if the network was taken at less than it may have said.
    pub(super) async fn left_macros(&mut self, line: &PostbackLogEvent) -> Result<(), Failure> {
        if line.status == 0 || matches!(line.result, PostbackResult::Rejected | PostbackResult::Ignored) {
            return Ok(());
        }
        let Some((known, template)) = self.known(line).await? else { return Ok(()) };
        let template = active(template)?;
        let left = left_macros(template.as_ref(), &line.params);
        let (network, slug) = (known.spec.slug.to_string(), template.as_ref().map(|t| t.slug.to_string()));
        let counts_as = known.spec.currency;
        let named = slug.as_deref().filter(|slug| *slug != "default");
        let by = named.map(|slug| format!(" --template {slug}")).unwrap_or_default();
        for macro_ in left {
            let (what, otherwise) = match macro_.field {
                Field::Payout => (
                    "the payout is that of its destination, if it has one, or nothing".to_owned(),
                    "--default-payout",
                ),
                Field::Currency => (format!("it counts as {counts_as}"), "--default-currency"),
                _ => ("each counts as the template's default says, its rejections too".to_owned(), "--map"),
            };
            let because = format!(
                "the network left its macro as it is, so {what}; give it its own macro for that in its URL, or say what holds \
                 without one, by {otherwise} of its template"
            );
            let what = format!("{}={}", macro_.name, macro_.value);
            let finding = Finding {
                network: network.clone(),
                template: slug.clone(),
                what: what.clone(),
                because,
                command: format!("tfx network postback-url {network}{by}"),
                ..Finding::new(FindingKind::LeftMacro, line.at)
            };
            self.add(&what, "", line, finding);
        }
        Ok(())
    }

    /// A sale that stands as nothing, where its postback may name a payout.
    pub(super) async fn no_payout(&mut self, line: &PostbackLogEvent) -> Result<(), Failure> {
        let is_sale =
            matches!(line.conversion_status, Some(ConversionStatus::Sale | ConversionStatus::Rebill));
        let is_nothing = line.revenue.is_some_and(|revenue| revenue.amount == Amount::ZERO);
        let (true, true, Some(id)) = (is_sale, is_nothing, &line.conversion_id) else { return Ok(()) };
        let app = self.app;
        let Some((known, template)) = self.known(line).await? else { return Ok(()) };
        let spec = known.spec.clone();
        let named = template.map(Record::typed::<TemplateSpec>).transpose()?.map(|t| t.spec);
        let template = active(template)?;
        let network = spec.slug.to_string();
        let is_mended = read_otherwise(&spec, template.as_ref(), line) == Some(AnotherReading::Paid);
        let (because, command) = if is_mended {
            let because = "their template reads a payout by now, and they still stand as nothing";
            (
                because.to_owned(),
                format!("tfx postback retry --network {network} --result recorded --result updated"),
            )
        } else {
            match unread_payout(&spec, template.as_ref(), named.as_ref(), &line.params) {
                Some(found) => found,
                None => return Ok(()),
            }
        };
        if !self.paid_nothing.insert(id.clone()) {
            return Ok(());
        }
        if self.paid_nothing.len() <= MOST_ASKED
            && !app.stores.conversions.get(id).await?.is_some_and(|c| still_stands(&c, line))
        {
            return Ok(());
        }
        // What differs in the values alone is one.
        let same = format!("{command} {}", advice::pattern(&because));
        let finding = Finding {
            network,
            template: template.map(|t| t.slug.to_string()),
            because,
            command,
            ..Finding::new(FindingKind::NoPayout, line.at)
        };
        self.add(&same, "", line, finding);
        Ok(())
    }
}

/// The template by which postbacks are read.
fn active(template: Option<&Record>) -> Result<Option<TemplateSpec>, Failure> {
    let template = template.filter(|t| t.status == Status::Active);
    Ok(template.map(Record::typed::<TemplateSpec>).transpose()?.map(|t| t.spec))
}
