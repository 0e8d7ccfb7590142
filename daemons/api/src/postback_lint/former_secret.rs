//! Networks that still send the secret they had before.

use super::linter::Linter;
use crate::failure::Failure;
use tfx_api::postbacks::{Finding, FindingKind};
use tfx_domain::{event::PostbackLogEvent, postback::advice};
use tfx_ports::clock;

impl Linter<'_> {
    /// One that came with it while it works: the network is to move before it ends.
    pub(super) async fn former_secret(&mut self, line: &PostbackLogEvent) -> Result<(), Failure> {
        if advice::came_with_former_secret(&line.reason) != Some(true) {
            return Ok(());
        }
        let Some((known, template)) = self.known(line).await? else { return Ok(()) };
        let Some(former) = known.spec.former_secret.as_ref().filter(|f| f.works(clock::now())) else {
            return Ok(());
        };
        let (slug, template) = (known.spec.slug.to_string(), template.map(|t| t.slug.clone()));
        let finding = Finding {
            what: "secret".to_owned(),
            because: format!(
                "the secret before the present one still comes, and is refused from {}; the URL that the network is to use \
                 has the present one",
                former.until
            ),
            command: match template.as_deref().filter(|t| *t != "default") {
                Some(template) => format!("tfx network postback-url {slug} --template {template}"),
                None => format!("tfx network postback-url {slug}"),
            },
            network: slug,
            template,
            ..Finding::new(FindingKind::FormerSecret, line.at)
        };
        self.add("former_secret", &line.remote_ip, line, finding);
        Ok(())
    }
}
