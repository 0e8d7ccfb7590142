//! `tfx source create --preset`: a traffic source with its macros, and what to paste into it.

use super::super::entity::{Ready, Spec};
use crate::{
    complete,
    exit::Failure,
    input,
    output::text,
    presets::{self, OfSource, Preset, PresetKind},
};
use clap::Args;
use serde_json::Value;
use std::collections::BTreeMap;
use tfx_api::Client;
use tfx_domain::{entity::Kind, nearest::did_you_mean};

/// Which preset, and what only an account with it knows.
#[derive(Debug, Args)]
pub(crate) struct SourcePreset {
    /// Begin with what is known of a source: its macros, and where it is told of conversions. Other flags win; 'tfx preset
    /// list --kind source' shows them.
    #[arg(long, value_name = "PRESET", add = complete::presets(PresetKind::Source))]
    preset: Option<String>,
    /// What only your account with it knows, for its postback URL: aid=123; may be repeated. 'tfx preset show' says what
    /// it asks for.
    #[arg(long, value_name = "KEY=VALUE", value_parser = input::pair, requires = "preset")]
    account: Vec<(String, String)>,
}

impl SourcePreset {
    fn found(&self) -> Result<Option<(&'static Preset, &'static OfSource)>, Failure> {
        let Some(name) = &self.preset else { return Ok(None) };
        let preset = presets::find(Some(PresetKind::Source), name)?;
        Ok(preset.traffic.as_ref().map(|of| (preset, of)))
    }

    fn said(&self) -> BTreeMap<&str, &str> {
        self.account.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }
}

impl Ready for SourcePreset {
    fn begin(&self) -> Result<Spec, Failure> {
        let Some((preset, of)) = self.found()? else { return Ok(Spec::new()) };
        for (key, value) in &self.account {
            if !of.account.contains_key(key) {
                let known: Vec<&str> = of.account.keys().map(String::as_str).collect();
                let meant = did_you_mean(key, known.iter().copied());
                let asks = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
                return Err(Failure::usage(format!(
                    "--account {key}: the preset {} asks for {asks}{meant}",
                    preset.name
                )));
            }
            if value.is_empty() || value.contains(|c: char| c.is_whitespace() || "&#<>{}".contains(c)) {
                let message = "must be what stands in the URL, without blanks, &, #, < > and braces";
                return Err(Failure::usage(format!("--account {key}: '{value}' {message}")));
            }
        }
        Ok(of.fields(&self.said()).0)
    }

    fn along(&self, spec: &mut Spec) -> Option<(Kind, Spec)> {
        let (preset, _) = self.found().ok()??;
        presets::name(spec, preset);
        None
    }

    async fn after(&self, _client: &Client, created: &Value) -> Result<Vec<String>, Failure> {
        let Some((preset, of)) = self.found()? else { return Ok(Vec::new()) };
        let (slug, title) = (text(&created["slug"]), &preset.title);
        let mut lines = vec![
            format!("paste this into {title}, behind the campaign's link (tfx campaign link prints both):"),
            presets::links(created["params"].clone()),
        ];
        let told = created["postback_url"].is_string();
        let missing = of.fields(&self.said()).1;
        if !told && !missing.is_empty() {
            lines.push(format!("{title} is told of no conversion yet: its postback URL needs"));
            lines.extend(missing.iter().map(|(key, found)| format!("  {key}: {found}")));
            let url = text(&of.fields["postback_url"]);
            lines.push(format!("then: tfx source update {slug} --postback-url '{url}'"));
        }
        lines.extend(presets::origin(preset));
        if told {
            lines.push(format!("next: tfx source test {slug} shows what it will be told"));
        }
        Ok(lines)
    }
}
