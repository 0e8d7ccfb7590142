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
        print_url(context, &link.map_err(|e| failed(Kind::Network, reference, e))?.url)?;
        context
            .out
            .note("put the network's own macros in the place of {…}; the secret is for the network only");
        Ok(())
    }
}
