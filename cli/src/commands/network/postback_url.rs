//! `tfx network postback-url`.

use super::{
    super::{
        campaign::print_url,
        entity::{Reference, failed},
    },
    Network,
};
use crate::{context::Context, exit::Failure};
use clap::Args;
use tfx_domain::entity::Kind;

/// What is to be known of the URL.
pub(super) const SECRET: &str = "the secret is for the network only";

/// Which network's.
#[derive(Debug, Args)]
pub(crate) struct PostbackUrl {
    #[command(flatten)]
    network: Reference<Network>,
    /// With the parameter names of this template.
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
}

impl PostbackUrl {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let reference = &self.network.reference;
        let link = context.client()?.postback_url(reference, self.template.as_deref()).await;
        let link = link.map_err(|e| failed(Kind::Network, reference, e))?;
        print_url(context, &link.url)?;
        let note = link.note.map(|note| format!("{note}; ")).unwrap_or_default();
        context.out.note(format!("{note}{SECRET}"));
        Ok(())
    }
}
