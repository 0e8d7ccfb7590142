//! `tfx preset`: what is known of networks and traffic sources. It asks nobody: presets are in the program.

use crate::{
    complete,
    context::Context,
    exit::Failure,
    output::{Column, Format, Listing, text},
    presets::{self, Preset, PresetKind},
};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum PresetCommand {
    List(List),
    Show(Show),
    Search(Search),
}

/// List them by name.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx preset list --kind source\n  \
    tfx preset list -o json")]
pub(crate) struct List {
    /// Only those of networks, or of traffic sources.
    #[arg(long, value_enum)]
    kind: Option<PresetKind>,
}

/// Show what one sets, where that is from, and what to paste.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx preset show everflow\n  \
    tfx preset show propellerads -o yaml")]
pub(crate) struct Show {
    /// Its name.
    #[arg(value_name = "PRESET", add = complete::preset_names())]
    name: String,
}

/// Find those that have a text in their name, title or macros.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx preset search push\n  \
    tfx preset search '#s2#'")]
pub(crate) struct Search {
    /// The text, in capitals or not.
    text: String,
    /// Only those of networks, or of traffic sources.
    #[arg(long, value_enum)]
    kind: Option<PresetKind>,
}

impl PresetCommand {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::List(list) => rows(context, presets::all(list.kind)),
            Self::Show(show) => show.run(context),
            Self::Search(search) => search.run(context),
        }
    }
}

fn rows(context: &Context, found: impl Iterator<Item = &'static Preset>) -> Result<(), Failure> {
    let columns = vec![
        Column::text("name", "name").whole(),
        Column::text("kind", "kind").whole(),
        Column::text("title", "title"),
        Column::text("what it is", "about"),
    ];
    let rows = found.map(row).collect();
    context.out.page(&Listing { columns, rows, name: "name" }, None, &[])
}

/// A preset in a list.
fn row(preset: &Preset) -> Value {
    json!({
        "name": preset.name, "kind": preset.kind().as_str(), "title": preset.title, "about": preset.about,
        "source": preset.source, "looked_up": preset.looked_up,
    })
}

impl Search {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let wanted = self.text.trim().to_lowercase();
        let found: Vec<&Preset> =
            presets::all(self.kind).filter(|preset| preset.words().contains(&wanted)).collect();
        if found.is_empty() {
            let near = presets::near(self.kind, &self.text);
            let meant = if near.is_empty() {
                "tfx preset list shows all of them".to_owned()
            } else {
                format!("did you mean {}?", near.join(", "))
            };
            context.out.note(format!("no preset has '{}' in it; {meant}", self.text));
        }
        rows(context, found.into_iter())
    }
}

impl Show {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let preset = presets::find(None, &self.name)?;
        if context.out.format != Format::Table {
            let mut item = serde_json::to_value(preset).map_err(Failure::failed)?;
            item["kind"] = preset.kind().as_str().into();
            item["paste"] = pasted(preset).into();
            return context.out.item(
                &item,
                &[Column::text("name", "name"), Column::text("paste", "paste")],
                "name",
            );
        }
        let (item, fields) = told(preset);
        let fields: Vec<Column> =
            fields.into_iter().map(|(title, field)| Column::text(&title, &field)).collect();
        context.out.item(&item, &fields, "name")?;
        let noun = preset.kind().as_str();
        context.out.note(format!("next: tfx {noun} create --preset {}", preset.name));
        Ok(())
    }
}

/// What is pasted: into a network its URL, with a place for what is not known before there is a network; into a source the
/// end of a campaign's link.
fn pasted(preset: &Preset) -> String {
    match (&preset.network, &preset.traffic) {
        (Some(of), _) => format!("POSTBACKS/{}?secret=SECRET&{}", preset.name, of.query()),
        (_, Some(of)) => of.query(),
        _ => String::new(),
    }
}

/// What it says, line by line: the item, and titles with the fields of it.
fn told(preset: &Preset) -> (Value, Vec<(String, String)>) {
    let mut item = Map::new();
    let mut fields = Vec::new();
    let mut say = |title: &str, value: String| {
        // A path of its own for each, whatever is in a title.
        let field = format!("f{}", fields.len());
        item.insert(field.clone(), value.into());
        fields.push((title.to_owned(), field));
    };
    say("name", preset.name.clone());
    say("kind", preset.kind().as_str().to_owned());
    say("title", format!("{}, {}", preset.title, preset.about));
    say("source", preset.source.clone());
    say("looked up", preset.looked_up.clone());
    if let Some(of) = &preset.network {
        for (field, value) in &of.fields {
            say(field, text(value));
        }
        for part in ["params", "statuses", "defaults"] {
            for (field, value) in of.template.get(part).and_then(Value::as_object).into_iter().flatten() {
                say(&format!("{part}.{field}"), text(value));
            }
        }
        for field in ["ignore", "decimal", "scale"] {
            say(field, of.template.get(field).map(text).unwrap_or_default());
        }
        for (field, value) in &of.signature {
            say(&format!("signature.{field}"), text(value));
        }
        say("click id in", of.click_param.clone().unwrap_or_default());
        say("URL to paste", pasted(preset));
        say("example", of.example.postback.clone());
        let means = &of.example.means;
        let means = [
            Some(&means.status),
            means.payout.as_ref(),
            means.currency.as_ref(),
            means.transaction_id.as_ref(),
        ];
        say("means", means.into_iter().flatten().cloned().collect::<Vec<_>>().join(" "));
    }
    if let Some(of) = &preset.traffic {
        say("links end in", pasted(preset));
        for field in ["currency", "postback_url", "postback_on", "postback_method"] {
            say(field, of.fields.get(field).map(text).unwrap_or_default());
        }
        for (key, found) in &of.account {
            say(&format!("--account {key}"), found.clone());
        }
        say("example", of.example.clone().unwrap_or_default());
    }
    for note in &preset.notes {
        say("note", note.clone());
    }
    (Value::Object(item), fields)
}
