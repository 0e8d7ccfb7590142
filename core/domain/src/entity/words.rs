//! Serde's messages in words for people.

/// What is wrong and what is allowed, as a sentence about the value at the problem's path.
pub(super) fn readable(message: &str) -> String {
    let text = message.split(" at line ").next().unwrap_or(message);
    if text.starts_with("missing field ") {
        return "is required".to_owned();
    }
    if let Some(rest) = text.strip_prefix("unknown field ") {
        return match rest.split_once(", expected ") {
            Some((_, known)) => format!("is not a known field; known are {}", list(known)),
            None => "is not a known field".to_owned(),
        };
    }
    if let Some((word, known)) =
        text.strip_prefix("unknown variant ").and_then(|r| r.split_once(", expected "))
    {
        return format!("must be one of {}, not '{}'", list(known), cut(word.trim_matches('`')));
    }
    let mismatch =
        ["invalid type: ", "invalid value: ", "invalid length "].iter().find_map(|p| text.strip_prefix(p));
    if let Some((got, wanted)) = mismatch.and_then(|r| r.rsplit_once(", expected ")) {
        let number = ["integer `", "floating point `"].iter().find_map(|p| got.strip_prefix(p));
        return match (number.map(|n| n.trim_end_matches('`')), kind(wanted)) {
            (Some(n), "a text") => format!("must be a text: write \"{n}\" in quotes"),
            (_, wanted) => format!("must be {wanted}, not {}", value(got)),
        };
    }
    text.replace('`', "'")
}

/// "one of `a`, `b`" or "`a` or `b`" as "a, b".
fn list(known: &str) -> String {
    known.trim_start_matches("one of ").replace(" or ", ", ").replace('`', "")
}

/// What serde expects.
fn kind(wanted: &str) -> &str {
    match wanted {
        "a string" | "string or map" | "a borrowed string" | "variant identifier" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0",
        other if other.starts_with("struct ") => "an object",
        other => other,
    }
}

/// What serde found.
fn value(got: &str) -> String {
    match got {
        "map" => "an object".to_owned(),
        "sequence" => "a list".to_owned(),
        "null" | "unit value" | "Option value" => "null".to_owned(),
        _ => {
            let words = ["integer ", "floating point ", "string ", "boolean "];
            cut(words.iter().find_map(|w| got.strip_prefix(w)).unwrap_or(got).trim_matches('`'))
        }
    }
}

/// At most 60 characters of what somebody sent.
fn cut(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
