//! `tfx NOUN update`.

use super::{Fields as _, Noun, Reference, Spec, create::SpecInput, failed, not_saved, said, view};
use crate::{
    context::Context,
    exit::Failure,
    input::{self, Step},
};
use clap::Args;
use serde_json::{Value, json};
use tfx_api::{ApiError, Client};
use tfx_domain::{entity::Kind, problem::Problems};

/// How often one item of a list is changed again when somebody else was faster.
const ATTEMPTS: u32 = 5;

/// Flags of every update. A list that is said (`--destination`, `--filter`, …) replaces the one that was there; one item
/// of it is changed with `--set 'destinations[offer].weight=60'`.
#[derive(Debug, Args)]
pub(crate) struct Update<N: Noun> {
    #[command(flatten)]
    reference: Reference<N>,
    #[command(flatten)]
    fields: N::Fields,
    #[command(flatten)]
    input_spec: SpecInput,
    /// Take a field away, by its path; also one item of a list, by its name in brackets.
    #[arg(long, value_name = "PATH")]
    unset: Vec<String>,
    /// With another slug: let links with the one before end, instead of leading here too.
    #[arg(long)]
    drop_old_link: bool,
    /// Only if it is at this version.
    #[arg(long, value_name = "VERSION", value_parser = input::number::<u64>)]
    if_match: Option<u64>,
}

impl<N: Noun> Update<N> {
    /// What is wrong with what it says.
    pub(super) fn problems(&self) -> Problems {
        said::problems(N::KIND, &self.input_spec, &self.fields)
    }

    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (kind, reference) = (N::KIND, &self.reference.reference);
        said::once(kind, &self.input_spec, &self.fields)?;
        let items = self.input_spec.items()?;
        let mut patch = self.input_spec.spec(&self.fields)?;
        let mut unset_items = Vec::new();
        for path in &self.unset {
            match input::steps(path).map_err(Failure::usage)? {
                steps if steps.iter().any(|s| matches!(s, Step::Item(_))) => unset_items.push((path, steps)),
                _ => input::put(&mut patch, path, Value::Null),
            }
        }
        if patch.is_empty() && items.is_empty() && unset_items.is_empty() {
            return Err(Failure::usage("there is nothing to change").hint(format!(
                "tfx {kind} update --help lists the flags; tfx {kind} show {reference} what is there"
            )));
        }
        let drops = self.drop_old_link;
        if drops && !(has_links(kind) && patch.contains_key("slug")) {
            let why = "--drop-old-link goes with another --slug of a campaign, a network or a template";
            return Err(Failure::usage(why));
        }
        let client = context.client()?;
        let mut attempt = 0;
        let changed = loop {
            attempt += 1;
            let (mut patch, mut version) = (patch.clone(), self.if_match);
            if self.fields.adds() || !(items.is_empty() && unset_items.is_empty()) {
                let now = client.get(kind, reference).await.map_err(|e| failed(kind, reference, e))?;
                self.fields.add(&mut patch, &now)?;
                for (path, steps, value) in &items {
                    input::put_item(&mut patch, &now, path, steps, Some(value))?;
                }
                for (path, steps) in &unset_items {
                    input::put_item(&mut patch, &now, path, steps, None)?;
                }
                // The list that was read must be the one that is replaced.
                version = version.or_else(|| now["version"].as_u64());
            }
            match send(&client, kind, reference, patch, version, drops).await {
                Err(e)
                    if e.code() == Some("version_mismatch")
                        && self.if_match.is_none()
                        && attempt < ATTEMPTS => {}
                answer => break answer.map_err(|e| not_saved(kind, reference, e))?,
            }
        };
        view::show(context, kind, &changed)?;
        if patch.contains_key("slug") {
            tell_old_links(context, kind, &changed);
        }
        context.out.warnings(&changed);
        Ok(())
    }
}

async fn send(
    client: &Client,
    kind: Kind,
    reference: &str,
    patch: Spec,
    version: Option<u64>,
    drops: bool,
) -> Result<Value, ApiError> {
    let patch = Value::Object(patch);
    if drops {
        client.update_dropping_slug(kind, reference, &patch, version).await
    } else {
        client.update(kind, reference, &patch, version).await
    }
}

/// Whether its slug stands in links that other people have.
const fn has_links(kind: Kind) -> bool {
    matches!(kind, Kind::Campaign | Kind::Network | Kind::Template)
}

fn tell_old_links(context: &Context, kind: Kind, changed: &Value) {
    let old: Vec<&str> =
        changed["aliases"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if old.is_empty() || !has_links(kind) {
        return;
    }
    let links = if kind == Kind::Campaign { "links" } else { "postback URLs" };
    context.out.note(format!(
        "{links} with {} still lead here; tfx {kind} update {} --set 'aliases={}' ends them",
        old.join(", "),
        view::name(kind)(changed),
        json!([])
    ));
}
