//! `tfx network create --preset`: a network with its template `default`, and the URL to paste into it.

use super::super::entity::{Ready, Spec, failed};
use crate::{
    complete,
    exit::Failure,
    output::text,
    presets::{self, OfNetwork, Preset, PresetKind},
};
use clap::Args;
use serde_json::{Value, json};
use tfx_api::Client;
use tfx_domain::entity::Kind;

/// Which preset.
#[derive(Debug, Args)]
pub(crate) struct NetworkPreset {
    /// Begin with what is known of a network: its macros, its words, and the URL to paste into it. Other flags win; 'tfx
    /// preset list --kind network' shows them.
    #[arg(long, value_name = "PRESET", add = complete::presets(PresetKind::Network))]
    preset: Option<String>,
}

impl NetworkPreset {
    fn found(&self) -> Result<Option<(&'static Preset, &'static OfNetwork)>, Failure> {
        let Some(name) = &self.preset else { return Ok(None) };
        let preset = presets::find(Some(PresetKind::Network), name)?;
        Ok(preset.network.as_ref().map(|of| (preset, of)))
    }
}

impl Ready for NetworkPreset {
    fn begin(&self) -> Result<Spec, Failure> {
        Ok(self.found()?.map(|(_, of)| of.fields.clone()).unwrap_or_default())
    }

    fn along(&self, spec: &mut Spec) -> Option<(Kind, Spec)> {
        let (preset, of) = self.found().ok()??;
        presets::name(spec, preset);
        let slug = spec.get("slug").cloned().unwrap_or_default();
        let mut template = of.template.clone();
        // A currency that is said is that of what the network pays.
        if let (Some(currency), Some(Value::Object(defaults))) =
            (spec.get("currency"), template.get_mut("defaults"))
            && of.fields.get("currency") != Some(currency)
            && defaults.contains_key("currency")
        {
            defaults.insert("currency".to_owned(), currency.clone());
        }
        if spec.contains_key("signing_key") && !of.signature.is_empty() {
            template.insert("signature".to_owned(), json!(of.signature));
        }
        template.extend([
            ("network".to_owned(), slug),
            ("slug".to_owned(), json!("default")),
            ("name".to_owned(), json!(preset.title)),
        ]);
        Some((Kind::Template, template))
    }

    async fn after(&self, client: &Client, created: &Value) -> Result<Vec<String>, Failure> {
        let Some((preset, of)) = self.found()? else { return Ok(Vec::new()) };
        let slug = text(&created["slug"]);
        let link = client.postback_url(&slug, None).await.map_err(|e| failed(Kind::Network, &slug, e))?;
        let title = &preset.title;
        let mut lines = vec![
            format!("paste this URL into {title}, as it is (its secret is for {title} only):"),
            link.url,
        ];
        match &of.click_param {
            Some(param) => lines.push(format!(
                "put {param}={{click_id}} into the URLs of its destinations, so that it knows the click"
            )),
            None => lines.push(format!(
                "put {{click_id}} into the URLs of its destinations, into the parameter that comes back as {}",
                text(&of.template["macros"]["click_id"])
            )),
        }
        let tells_payout = of.template.get("macros").is_some_and(|macros| macros.get("payout").is_some());
        if !tells_payout
            && of.template.get("defaults").is_none_or(|defaults| defaults.get("payout").is_none())
        {
            lines.push(format!(
                "it is not known by what macro {title} tells what it pays: give its destinations a --payout, or add the macro here"
            ));
        }
        if !of.signature.is_empty() && created["has_signing_key"] != true {
            lines.push(format!(
                "{title} signs what it sends: --signing-key-file FILE with its key has that asked for"
            ));
        }
        lines.extend(presets::origin(preset));
        lines.push(format!("next: tfx postback test {slug} '{}' tries it", of.example.postback));
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_called_as_it_was_said_else_as_its_preset() {
        let ready = NetworkPreset { preset: Some("cake".to_owned()) };
        for (said, name, slug) in [
            (json!({}), "CAKE", "cake"),
            (json!({ "name": "Ad Net" }), "Ad Net", "ad-net"),
            (json!({ "slug": "adnet" }), "CAKE", "adnet"),
            (json!({ "name": "A", "slug": "b" }), "A", "b"),
        ] {
            let mut spec = said.as_object().cloned().unwrap_or_default();
            let (_, template) = ready.along(&mut spec).expect("a template");
            let [said_name, said_slug, of] = [&spec["name"], &spec["slug"], &template["network"]].map(text);
            assert_eq!((said_name.as_str(), said_slug.as_str(), of.as_str()), (name, slug, slug), "{said}");
        }
    }
}
