//! `tfx campaign link`.

use super::{
    super::entity::{Reference, failed},
    Campaign, print_url,
};
use crate::{complete, context::Context, exit::Failure};
use clap::Args;
use tfx_domain::entity::Kind;

/// Which campaign's.
#[derive(Debug, Args)]
pub(crate) struct Link {
    #[command(flatten)]
    campaign: Reference<Campaign>,
    /// With the tokens of this traffic source [default: the campaign's own].
    #[arg(long, value_name = "SOURCE", add = complete::of(Kind::Source))]
    source: Option<String>,
}

impl Link {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let reference = &self.campaign.reference;
        let link = context.client()?.campaign_link(reference, self.source.as_deref()).await;
        let link = link.map_err(|e| {
            let names_source = e.to_string().contains("no source");
            match &self.source {
                Some(source) if names_source => failed(Kind::Source, source, e),
                _ => failed(Kind::Campaign, reference, e),
            }
        })?;
        print_url(context, &link.url)?;
        if let Some(note) = link.note {
            context.out.note(note);
        }
        Ok(())
    }
}
