//! `tfx campaign link`.

use super::{
    super::entity::{Reference, failed},
    Campaign, print_url,
};
use crate::{context::Context, exit::Failure};
use clap::Args;
use tfx_domain::entity::Kind;

/// Which campaign's.
#[derive(Debug, Args)]
pub(crate) struct Link {
    #[command(flatten)]
    campaign: Reference<Campaign>,
}

impl Link {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let reference = &self.campaign.reference;
        let link = context.client()?.campaign_link(reference).await;
        print_url(context, &link.map_err(|e| failed(Kind::Campaign, reference, e))?.url)
    }
}
