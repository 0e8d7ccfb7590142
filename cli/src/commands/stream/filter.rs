//! Filters as people type them: `country=US,CA`, `bot!=true`, `os_version>=14.2`.
//!
//! Commas separate values; `\,` is a comma. A value that begins with `regex:`, and the hours of a `schedule`, are
//! taken whole.

use tfx_domain::{entity::FilterRule, routing::filter};

/// Longer ones first, so that `>=` is not taken for `>`.
const SIGNS: [&str; 6] = ["!=", ">=", "<=", "=", ">", "<"];

/// Reads a filter and checks it as it will be checked when saved.
///
/// # Errors
/// Its form, an unknown field, an operand that is not of the field's form.
pub(super) fn parse(text: &str) -> Result<FilterRule, String> {
    let rule = read(text)?;
    match filter::compile(&rule) {
        Ok(_) => Ok(rule),
        Err(problems) => Err(problems.to_string()),
    }
}

fn read(text: &str) -> Result<FilterRule, String> {
    let form = "must be FIELD=VALUES or FIELD!=VALUES, for versions also FIELD>=VERSION and its like";
    let at = text.find(['=', '!', '<', '>']).ok_or(form)?;
    let (field, rest) = text.split_at(at);
    let sign = SIGNS.into_iter().find(|s| rest.starts_with(s)).ok_or(form)?;
    let (field, operand) = (field.trim().to_owned(), rest[sign.len()..].trim());
    if field.is_empty() || operand.is_empty() {
        return Err(form.to_owned());
    }
    let (mut is, mut is_not) = (Vec::new(), Vec::new());
    match sign {
        "=" => is = values(&field, operand),
        "!=" => is_not = values(&field, operand),
        comparison => is = vec![format!("{comparison} {operand}")],
    }
    Ok(FilterRule { field, is, is_not })
}

fn values(field: &str, text: &str) -> Vec<String> {
    if field == "schedule" || text.starts_with("regex:") {
        return vec![text.to_owned()];
    }
    let mut out = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let last = out.len() - 1;
        match c {
            '\\' if chars.next_if_eq(&',').is_some() => out[last].push(','),
            ',' => out.push(String::new()),
            c => out[last].push(c),
        }
    }
    out.into_iter().map(|v| v.trim().to_owned()).filter(|v| !v.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_as_it_is_meant() {
        type Want = (&'static str, &'static [&'static str], &'static [&'static str]);
        let table: [(&str, Want); 9] = [
            ("country=US,CA", ("country", &["US", "CA"], &[])),
            ("country = US , CA ", ("country", &["US", "CA"], &[])),
            ("bot!=true", ("bot", &[], &["true"])),
            ("os_version>=14.2", ("os_version", &[">= 14.2"], &[])),
            ("browser_version< 100", ("browser_version", &["< 100"], &[])),
            ("param:zone=7", ("param:zone", &["7"], &[])),
            ("keyword=a\\,b,c", ("keyword", &["a,b", "c"], &[])),
            ("user_agent=regex:a{1,2}=b", ("user_agent", &["regex:a{1,2}=b"], &[])),
            ("schedule=sat,sun 10:00-12:00", ("schedule", &["sat,sun 10:00-12:00"], &[])),
        ];
        for (text, (field, is, is_not)) in table {
            let rule = parse(text).expect(text);
            assert_eq!(
                (rule.field.as_str(), rule.is, rule.is_not),
                (field, strings(is), strings(is_not)),
                "{text}"
            );
        }
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|t| (*t).to_owned()).collect()
    }

    #[test]
    fn what_would_be_refused_when_saved_is_refused_at_once() {
        for (bad, why) in [
            ("country", "must be FIELD=VALUES"),
            ("=US", "must be FIELD=VALUES"),
            ("country=", "must be FIELD=VALUES"),
            ("county=US", "'county' is not a field"),
            ("country=Germany", "is[0]: "),
            ("user_agent=regex:(", "is[0]: "),
        ] {
            let message = parse(bad).expect_err(bad);
            assert!(message.contains(why), "{bad}: {message}");
        }
    }
}
