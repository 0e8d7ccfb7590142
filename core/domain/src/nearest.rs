//! Which known word was probably meant by one that is not known.

/// Longest word that is compared; a stranger's text may be long.
const LONGEST: usize = 64;

/// The known word that is nearest to `word`: the same but for case and separators, or one or two slips of typing away
/// (a third of its letters at most). None when nothing is near.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = squeezed(word);
    let slips = (word.chars().count() / 3).clamp(1, 3);
    let near = known.into_iter().map(|k| (strsim::osa_distance(&word, &squeezed(k)), k));
    near.filter(|(slip, _)| *slip <= slips).min_by_key(|(slip, _)| *slip).map(|(_, k)| k)
}

/// ` (did you mean 'clicks'?)` to put behind a message, or nothing.
pub fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(word, known).map(|meant| format!(" (did you mean '{meant}'?)")).unwrap_or_default()
}

fn squeezed(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_typing_are_seen_through_and_other_words_are_not() {
        let known = ["campaign", "country", "device_type", "os", "GEOIP_COUNTRY_DB"];
        for (word, meant) in [
            ("campain", Some("campaign")),
            ("Country", Some("country")),
            ("coutnry", Some("country")),
            ("devicetype", Some("device_type")),
            ("DEVICE-TYPE", Some("device_type")),
            ("GEO_COUNTRY_DB", Some("GEOIP_COUNTRY_DB")),
            ("oss", Some("os")),
            ("browser", None),
            ("", None),
            ("c", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), known), None);
        assert_eq!(did_you_mean("campain", known), " (did you mean 'campaign'?)");
        assert_eq!(did_you_mean("browser", known), "");
    }
}
