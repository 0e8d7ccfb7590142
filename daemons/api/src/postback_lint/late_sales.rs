//! Sales that came behind a rejection: they change nothing, and may be money.

use super::{PAGE, linter::Linter};
use crate::{app::App, failure::Failure};
use tfx_api::postbacks::{Finding, FindingKind};
use tfx_domain::{
    entity::{Status, TemplateSpec},
    event::{PostbackLogEvent, PostbackResult, TestTraffic},
    postback::{Conversion, ConversionStatus, Interpreted, Postback, advice, interpret},
    report::Conditions,
};
use tfx_ports::{config::Record, conversions::ConversionQuery, page::PageRequest};

impl Linter<'_> {
    /// A step backwards that says that what is rejected is a sale.
    pub(super) async fn late_sale(&mut self, line: &PostbackLogEvent) -> Result<(), Failure> {
        let (PostbackResult::Stale, Some(id)) = (line.result, &line.conversion_id) else { return Ok(()) };
        let app = self.app;
        let (known, template) = match self.known(line).await? {
            Some((known, template)) => (known, template.filter(|t| t.status == Status::Active)),
            None => return Ok(()),
        };
        let template = template.map(Record::typed::<TemplateSpec>).transpose()?.map(|t| t.spec);
        let Ok(Interpreted::Report(now)) = interpret(&known.spec, template.as_ref(), &line.params, &[])
        else {
            return Ok(());
        };
        let (network, network_id) = (known.spec.slug.to_string(), known.record.id.clone());
        let command = advice::sale_again(&known.spec, template.as_ref(), &line.params);
        if now.status != ConversionStatus::Sale || !self.rejected.insert(id.clone()) {
            return Ok(());
        }
        // One sale under another id is what is advised: then all is done.
        let conversions = of_click(app, &now, &network_id).await?;
        let stands = conversions.iter().find(|c| c.id == *id);
        if !stands.is_some_and(|c| c.status == ConversionStatus::Rejected && !c.displaced)
            || conversions.iter().any(|c| c.status == ConversionStatus::Sale && c.created_at >= line.at)
        {
            return Ok(());
        }
        let transaction = now.transaction_id.unwrap_or_default();
        let because = "they change nothing, since what is rejected stays so; if the network pays them after all, record \
                       each under a transaction id of its own, as this does the last one";
        let named = if transaction.is_empty() { id.to_string() } else { format!("{transaction} ({id})") };
        self.add(
            "",
            &named,
            line,
            Finding {
                network,
                template: template.map(|t| t.slug.to_string()),
                what: named.clone(),
                because: because.to_owned(),
                command,
                ..Finding::new(FindingKind::SaleAfterRejection, line.at)
            },
        );
        Ok(())
    }
}

/// The conversions of a postback's click that its network reported.
async fn of_click(app: &App, postback: &Postback, network: &str) -> Result<Vec<Conversion>, Failure> {
    let query = ConversionQuery {
        since: None,
        until: None,
        campaign: None,
        network: network.parse().ok(),
        status: None,
        click: Some(postback.click_id),
        test: TestTraffic::Include,
        conditions: Conditions::default(),
        page: PageRequest::first(PAGE),
    };
    Ok(app.stores.conversions.list(&query).await?.items)
}
