//! `tfx network`: who pays.

mod postback_url;
mod ready;
mod reconcile;
mod rotate_secret;

use super::entity::{EntityCommand, Fields, NAMED, Named, Need, NoParent, Noun, Spec, put};
use crate::{context::Context, exit::Failure, input};
use clap::{Args, Subcommand, builder::PossibleValuesParser};
use serde_json::Value;
use std::{net::IpAddr, path::PathBuf};
use tfx_domain::{entity::Kind, money::Currency, postback::TransactionScope};

/// Affiliate networks.
#[derive(Debug)]
pub(crate) struct Network;

impl Noun for Network {
    const KIND: Kind = Kind::Network;
    type Fields = NetworkFields;
    type Parent = NoParent;
    type Ready = ready::NetworkPreset;
    const NEEDS: &'static [Need] = &[NAMED];
    const EXAMPLES: &'static str = "Examples:\n  \
        tfx network create --name AdNet --allow-ip 192.0.2.0/24\n  \
        tfx network create --preset everflow --currency EUR\n  \
        tfx network postback-url adnet\n  \
        tfx network rotate-secret adnet --grace 2d";

    fn next(created: &Value) -> Vec<String> {
        let slug = created["slug"].as_str().unwrap_or_default();
        vec![format!("next: tfx network postback-url {slug} prints the URL to give to the network")]
    }
}

/// The fields of a network.
#[derive(Debug, Args)]
pub(crate) struct NetworkFields {
    #[command(flatten)]
    named: Named,
    /// The currency of a payout that names none [default: USD].
    #[arg(long, value_name = "CODE")]
    currency: Option<Currency>,
    /// What its transaction ids number: orders of the network, or steps of a click [default: network].
    #[arg(long, value_name = "SCOPE", value_parser = PossibleValuesParser::new(TransactionScope::ALL.map(TransactionScope::as_str)))]
    transaction_scope: Option<String>,
    /// Whether it may report clicks that were sent to another network [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    foreign_clicks: Option<bool>,
    /// An address or CIDR block postbacks may come from; may be repeated [default: any].
    #[arg(long, value_name = "IP", value_parser = block)]
    allow_ip: Vec<String>,
    /// A file on postback-service's machine with more of them, one a line; what changes in it counts at once.
    #[arg(long, value_name = "PATH")]
    allow_ip_file: Option<String>,
    /// Read the postback secret from a file; - is standard input [default: one is made].
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Read the key with which it signs its postbacks from a file; - is standard input. From then on, what a template says of its
    /// signature must be there.
    #[arg(long, value_name = "FILE")]
    signing_key_file: Option<PathBuf>,
}

/// A CIDR block; an address is one of its own.
fn block(text: &str) -> Result<String, String> {
    let whole = match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => format!("{ip}/32"),
        Ok(IpAddr::V6(ip)) => format!("{ip}/128"),
        Err(_) if text.contains('/') => text.to_owned(),
        Err(_) => return Err("must be an address or a CIDR block: 192.0.2.1, 192.0.2.0/24".to_owned()),
    };
    Ok(whole)
}

impl Fields for NetworkFields {
    fn put(&self, spec: &mut Spec) -> Result<(), Failure> {
        self.named.put(spec)?;
        put(spec, "currency", self.currency.as_ref())?;
        put(spec, "transaction_scope", self.transaction_scope.as_ref())?;
        put(spec, "foreign_clicks", self.foreign_clicks.as_ref())?;
        if !self.allow_ip.is_empty() {
            put(spec, "allowed_ips", Some(&self.allow_ip))?;
        }
        put(spec, "allowed_ips_file", self.allow_ip_file.as_ref())?;
        if let Some(path) = &self.secret_file {
            put(spec, "postback_secret", Some(&input::text(path)?.trim()))?;
        }
        if let Some(path) = &self.signing_key_file {
            put(spec, "signing_key", Some(&input::text(path)?.trim()))?;
        }
        Ok(())
    }
}

/// What is done with networks.
#[derive(Debug, Subcommand)]
pub(crate) enum NetworkCommand {
    #[command(flatten)]
    Entity(Box<EntityCommand<Network>>),
    /// Print the postback URL to give to the network; it carries the secret.
    PostbackUrl(postback_url::PostbackUrl),
    /// Give the network another secret; the present one works for a while, until it has moved.
    RotateSecret(rotate_secret::RotateSecret),
    Reconcile(Box<reconcile::Reconcile>),
}

impl NetworkCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Entity(command) => command.run(context).await,
            Self::PostbackUrl(command) => command.run(context).await,
            Self::RotateSecret(command) => command.run(context).await,
            Self::Reconcile(command) => command.run(context).await,
        }
    }
}
