//! `tfx export`: the configuration into files.

use super::{Folder, some, written};
use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Format},
    set,
};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tfx_api::{Client, entities::EntityQuery, sets::ConfigSet};
use tfx_domain::entity::Kind;

/// Write the configuration into files, one for each entity.
#[derive(Debug, Args)]
#[command(after_help = "The same configuration is always the same bytes: git shows what changed.\n\
    Secrets are not in it. A file that an earlier export wrote is removed when its\n\
    entity is gone; other files stay.\n\n\
    Examples:\n  \
    tfx export -f config\n  \
    tfx export -f config && git -C config diff")]
pub(crate) struct Export {
    #[command(flatten)]
    folder: Folder,
    /// Also into a folder that holds other things, and over files that no export wrote.
    #[arg(long)]
    force: bool,
}

impl Export {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let dir = &self.folder.dir;
        if !self.force && !set::is_export(dir)? {
            return Err(Failure::usage(format!("{} is not empty, and no export", dir.display()))
                .hint("name another folder, or --force writes into it and leaves other files"));
        }
        let client = context.client()?;
        let there = client.config_set().await?;
        let mut files = BTreeMap::new();
        let mut masked: Vec<String> = Vec::new();
        for kind in ConfigSet::SECTIONS {
            for item in there.set.section(kind) {
                let path = written::path(kind, item)?;
                masked.extend(
                    set::masked_fields(item).into_iter().map(|field| format!("{}: {field}", path.display())),
                );
                files.insert(path, item.clone());
            }
        }
        let secrets = secrets(&client).await?;
        let done = written::write(dir, &files, self.force).await?;
        let item = json!({
            "folder": dir, "revision": there.revision, "files": files.len(),
            "new": done.new, "changed": done.changed, "removed": done.removed, "left": done.left,
            "masked": masked, "secrets": secrets,
        });
        if context.out.format == Format::Table {
            let names = |list: &[String]| {
                Value::String(if list.len() == files.len() { list.len().to_string() } else { some(list) })
            };
            let mut short = item.clone();
            for (field, list) in [
                ("new", &done.new),
                ("changed", &done.changed),
                ("removed", &done.removed),
                ("left", &done.left),
            ] {
                short[field] = names(list);
            }
            let fields = ["folder", "revision", "files", "new", "changed", "removed", "left"];
            context.out.item(&short, &fields.map(|field| Column::text(field, field)), "folder")?;
        } else {
            context.out.item(
                &item,
                &[Column::text("folder", "folder"), Column::number("files", "files")],
                "folder",
            )?;
        }
        tell(context, &masked, &secrets);
        Ok(())
    }
}

/// What is not in the files, and how it comes to another installation.
fn tell(context: &Context, masked: &[String], secrets: &BTreeMap<String, Vec<String>>) {
    for (field, files) in secrets {
        context.out.note(format!(
            "{field} is in no file, and stays as it is where this is applied: {}",
            some(files)
        ));
    }
    if !masked.is_empty() {
        context.out.note(format!("shown in part (***), and kept so where it is: {}", some(masked)));
    }
    if !masked.is_empty() || !secrets.is_empty() {
        context.out.note(
            "to bring them to another installation, say where they are: FIELD_from: env:NAME, or file:PATH",
        );
    }
}

/// Which files have which secrets beside them.
async fn secrets(client: &Client) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for kind in [Kind::Network, Kind::Source] {
        let mut query = EntityQuery { limit: Some(1_000), ..EntityQuery::default() };
        loop {
            let page = client.list(kind, &query).await?;
            for entity in page.items.iter().filter_map(Value::as_object) {
                let slug = entity.get("slug").and_then(Value::as_str).unwrap_or_default();
                for (name, _) in entity.iter().filter(|(_, there)| **there == Value::Bool(true)) {
                    if let Some(field) = name.strip_prefix("has_") {
                        found
                            .entry(field.to_owned())
                            .or_default()
                            .push(format!("{}/{slug}.yaml", kind.plural()));
                    }
                }
            }
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
    }
    found.values_mut().for_each(|files| files.sort());
    Ok(found)
}
