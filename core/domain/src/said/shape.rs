//! The shape of a macro that was not filled in: a name between brackets that mirror each other, whichever they are.

use super::Fact;

/// Brackets and their mirror images. A sign that is its own mirror image brackets a name from both sides.
const MIRRORS: [(char, char); 4] = [('{', '}'), ('[', ']'), ('(', ')'), ('<', '>')];
/// Signs that bracket by themselves. Dashes, dots, slashes, pluses and equal signs do not: values have them at both ends.
const SIGNS: &str = "#%$@!|:*~^&`_?";
/// Signs that stand before a bracket (`${x}`) or between it and the name (`{{/x}}`, `<%= x %>`, `{$x}`).
const BESIDE: &str = "$#%@!&*?=:^/._-~+";
/// The longest run of brackets.
const LONGEST_RUN: usize = 8;
/// The longest macro.
const LONGEST: usize = 256;

/// True if the text is a macro, or several with nothing but signs between them.
pub(super) fn is_macro(text: &str, fact: Fact) -> bool {
    if text.len() > LONGEST {
        return false;
    }
    // Without brackets: `$clickid` is a variable, but `$TSLA` may be searched for.
    if fact != Fact::Text
        && let Some(name) = text.strip_prefix('$')
        && is_name(name, false)
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    {
        return true;
    }
    let mut rest = text;
    loop {
        let Some(after) = after_macro(rest) else { return false };
        if !after.chars().any(char::is_alphanumeric) && !after.contains(['{', '[', '<', '(']) {
            return true;
        }
        rest = after.trim_start_matches(|c: char| c.is_whitespace() || "-_.,:;|/+=&".contains(c));
    }
}

/// True if a part of the text is a macro, whatever stands before and behind it: `order-{order_id}`, `{tid}_1`. Signs of
/// ids stand inside of macros too, so but in braces and angle brackets it must be called what macros are called:
/// `A(EU)1`, `A#B#C` and `a__b__c` are ids.
pub(super) fn holds_macro(text: &str) -> bool {
    if text.len() > LONGEST {
        return false;
    }
    let clear = MIRRORS.iter().any(|(open, close)| {
        let certain = matches!(open, '{' | '<');
        text.match_indices(*open).any(|(at, _)| {
            let inner = &text[at + 1..];
            let inner = inner.trim_start_matches(|c| c == *open || BESIDE.contains(c));
            let (name, closed) = match inner.split_once(*close) {
                Some((name, _)) => (name, true),
                // Cut off by whoever has no room for all of it.
                None => (inner, false),
            };
            let name = name.trim_matches(|c: char| c.is_whitespace() || BESIDE.contains(c));
            let doubled = text[..at].ends_with(['$', '#', '%', '@']) || text[at + 1..].starts_with(*open);
            if certain || closed && doubled {
                is_name(name, *open == '{') || certain && closed && is_place(name)
            } else {
                closed && is_called_like_a_macro(name)
            }
        })
    });
    clear || holds_signed_macro(text) || holds_what_scripts_write(text)
}

/// What a script puts together with what it does not have: `order-undefined`, `order-%s`, `order-[object Object]`.
fn holds_what_scripts_write(text: &str) -> bool {
    let mut parts = text.split(['-', '_', ':', '.', '/', '|', ',', '#']);
    text.contains("[object Object]") || parts.any(|part| matches!(part, "undefined" | "%s" | "%d"))
}

/// `order-#order_id#`, `order-%%order_id%%`, `order-__ORDER_ID__`.
fn holds_signed_macro(text: &str) -> bool {
    const AROUND: [&str; 10] = ["%%", "##", "__", "$$", "@@", "%", "#", "$", "@", "|"];
    AROUND.iter().any(|sign| {
        let parts: Vec<&str> = text.split(sign).collect();
        // What stands between two of them, for each two.
        parts.len() > 2 && parts[1..parts.len() - 1].iter().any(|name| is_called_like_a_macro(name))
    })
}

/// Whether a name is one of a fact that networks report, or has such a word in it: `order_id`, `TransactionId`, `tid`.
fn is_called_like_a_macro(name: &str) -> bool {
    const WORDS: [&str; 16] = [
        "id",
        "tid",
        "txid",
        "trxid",
        "tx",
        "uid",
        "uuid",
        "guid",
        "transaction",
        "payout",
        "amount",
        "timestamp",
        "random",
        "number",
        "hash",
        "token",
    ];
    const BEFORE_ID: [&str; 14] = [
        "order",
        "click",
        "transaction",
        "trans",
        "conversion",
        "conv",
        "cnv",
        "lead",
        "sale",
        "action",
        "event",
        "sub",
        "user",
        "customer",
    ];
    let name = name.trim().trim_matches('_');
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | ' '));
    if !letters || !name.starts_with(|c: char| c.is_ascii_alphabetic()) || is_uuid(name) {
        return false;
    }
    let lower = name.to_ascii_lowercase();
    let words = |part: &str| {
        let word = part.trim_end_matches(|c: char| c.is_ascii_digit());
        WORDS.contains(&word) || word.strip_suffix("id").is_some_and(|start| BEFORE_ID.contains(&start))
    };
    lower.split(['_', '-', '.', ':', ' ']).any(words)
}

/// What follows the macro that the text begins with.
fn after_macro(text: &str) -> Option<&str> {
    let length = text.bytes().take(LONGEST_RUN).take_while(u8::is_ascii_punctuation).count();
    let (run, rest) = text.split_at(length);
    // The longest bracket first: `{{x}}` is one in two braces, not `{x}` in one.
    for size in (1..=length).rev() {
        for start in 0..=length - size {
            let (lead, bracket, inner) = (&run[..start], &run[start..start + size], &run[start + size..]);
            let beside = |signs: &str| signs.chars().all(|c| BESIDE.contains(c));
            let Some(close) = mirrored(bracket) else { continue };
            let real = bracket.contains(['{', '[', '(', '<']);
            if !(beside(lead) && beside(inner) && (real || lead.is_empty())) {
                continue;
            }
            // A sign may stand in the name too: `_order_id_`.
            let whole = rest.strip_suffix(close.as_str()).map(|name| (name, ""));
            let found = [whole, rest.split_once(close.as_str())];
            if let Some((_, after)) = found.into_iter().flatten().find(|(name, _)| is_name_in(bracket, name))
            {
                // Python's `%(x)s`.
                let formatted = lead.ends_with('%') && bracket == "(";
                let after = if formatted { after.trim_start_matches(['s', 'd']) } else { after };
                return Some(after);
            }
        }
    }
    None
}

/// The closing bracket; none for what brackets nothing.
fn mirrored(bracket: &str) -> Option<String> {
    let mirror = |c: char| match MIRRORS.iter().find(|(open, _)| *open == c) {
        Some((_, close)) => Some(*close),
        None => SIGNS.contains(c).then_some(c),
    };
    bracket.chars().rev().map(mirror).collect()
}

fn is_name_in(bracket: &str, name: &str) -> bool {
    let name = name.trim();
    match bracket {
        // Ids of networks are made of letters, digits, dashes and underscores: at random ends one underscore stands at
        // both ends of one in 4,000. A name is a word.
        "_" => {
            let one_case = |up: fn(&char) -> bool| name.chars().all(|c| c == '_' || up(&c));
            is_name(name, false) && (one_case(char::is_ascii_lowercase) || one_case(char::is_ascii_uppercase))
        }
        // An escaped byte is no macro: `%E9%`.
        "%" => is_name(name, false) && !(name.len() == 2 && name.bytes().all(|b| b.is_ascii_hexdigit())),
        _ => {
            let braces = bracket.contains('{') || bracket.contains("<%") || bracket.contains("<?");
            is_name(name, braces) || bracket.contains('{') && is_place(name)
        }
    }
}

/// A name begins with a letter and is no UUID: that is an id in brackets. In braces it may have arguments and more:
/// `{date:%Y-%m-%d}`, `{{ order.total | money }}`, but no quotes, which JSON has.
fn is_name(name: &str, arguments: bool) -> bool {
    let inner = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '_' | '-' | '.' | ':' | ' ' | '|')
            || arguments && !"\"{}\\".contains(c)
    };
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.contains(char::is_alphabetic)
        && name.chars().all(inner)
        && !is_uuid(name)
}

/// `{0}`: the place of an argument.
fn is_place(name: &str) -> bool {
    name.len() == 1 && name.bytes().all(|b| b.is_ascii_digit())
}

fn is_uuid(name: &str) -> bool {
    let digits = name.bytes().filter(u8::is_ascii_hexdigit).count();
    digits >= 16 && name.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}
