//! What a person is told to do about a postback: the commands that mend its configuration.

use super::{
    Conversion, ConversionStatus, Postback, guess,
    params::{Field, Params, same_word},
    unread::PARAMETER,
    words::meaning,
};
use crate::{
    Timestamp,
    entity::{Kind, NetworkSpec, Status, TemplateSpec},
    id::ClickId,
    said::{self, Fact, Silence},
};
use std::collections::BTreeMap;

/// A word of a network that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnknownWord {
    /// As the network says it.
    pub word: String,
    /// It came with a negative payout.
    pub taken_back: bool,
    /// It came after the outcome of its transaction.
    pub after_sale: bool,
}

impl UnknownWord {
    /// Whether it is a macro that the network left as it is.
    pub fn is_macro(&self) -> bool {
        said::silence(&self.word, Fact::Word) == Some(Silence::Macro)
    }
}

/// Stands in a command where a person says what a word means. No template takes it for a status.
pub const PLACEHOLDER: &str = "STATUS";

/// Stands in a command where a person says a currency. It is none.
pub const CURRENCY: &str = "CODE";

/// Why a postback is refused that says its network's secret where it would be kept.
pub const HOLDS_SECRET: &str = "holds the network's secret, which would be kept with the conversion for all to see; it is sent as secret";

/// How the log says that a postback came with a network's former secret.
const FORMER: &str = "with the network's former secret, which works until ";
/// The same of one that does not work any more.
const ENDED: &str = "the secret is its former one, which ended ";

/// How the log notes the same of a network's key.
const FORMER_KEY: &str = "signed with the network's former key, which works until ";
/// And that a postback said more than its network signed.
const NOT_SIGNED: &str = "not read, since it is not signed: ";

/// What the log says of a postback that is signed with a network's former key while that works.
pub fn former_key(until: Timestamp) -> String {
    format!("{FORMER_KEY}{until}")
}

/// What the log says of parameters that are not read.
pub fn not_signed(names: &[String]) -> String {
    format!("{NOT_SIGNED}{}", names.join(", "))
}

/// Why the log says that a postback was refused, without what it notes beside that.
pub fn without_notes(reason: &str) -> &str {
    let notes = [FORMER, FORMER_KEY, NOT_SIGNED].map(|note| reason.find(&format!("; {note}")));
    notes.into_iter().flatten().min().map_or(reason, |at| &reason[..at])
}

/// What the log says of a postback that came with a network's former secret while that works.
pub fn former_secret(network: &NetworkSpec, until: Timestamp) -> String {
    format!("{FORMER}{until}; 'tfx network postback-url {}' shows the URL to use", network.slug)
}

/// Why one is refused that comes with it afterwards.
pub fn ended_secret(until: Timestamp) -> String {
    format!("{ENDED}{until}")
}

/// Whether the log says so of a postback: it came with a former secret, which worked, or did not.
pub fn came_with_former_secret(reason: &str) -> Option<bool> {
    let ended = reason.starts_with(ENDED);
    (ended || reason.contains(FORMER)).then_some(!ended)
}

/// What to do with a command that leaves something to a person.
pub fn to_fill_in(command: &str) -> Option<String> {
    if command.ends_with(CURRENCY) {
        return Some(format!("put the code of a currency, such as USD, in place of {CURRENCY}"));
    }
    if command.contains(&format!("--payout-param {PARAMETER}")) {
        return Some(format!("put the name of the parameter with the payout in place of {PARAMETER}"));
    }
    if command.ends_with("--default-payout AMOUNT") {
        return Some("put what each pays in place of AMOUNT, such as 1.50, or 0".to_owned());
    }
    if command.ends_with("--decimal MARK") {
        return Some("put point or comma in place of MARK: what stands before the decimals".to_owned());
    }
    let open = ["--map STATUS", "--map 'STATUS"].iter().any(|part| command.contains(part));
    open.then(|| {
        format!("put what each word means in place of {PLACEHOLDER}: lead, sale, rejected or rebill")
    })
}

/// The one command that says what words of a network mean. `template` is the one that they came through, or the network's
/// `default` if they named none, also one that is not active: what it maps stays, and it is made active. What nothing
/// says the meaning of stands behind [`PLACEHOLDER`], each word for itself.
pub fn map_words(network: &NetworkSpec, template: Option<&TemplateSpec>, words: &[UnknownWord]) -> String {
    let mut new: BTreeMap<ConversionStatus, Vec<&str>> = BTreeMap::new();
    let mut open: Vec<&str> = Vec::new();
    for said in words {
        // What a macro stands for is another thing each time.
        let guessed =
            if said.is_macro() { None } else { guess::nearest(&said.word, said.taken_back, said.after_sale) };
        let all = match guessed {
            Some(status) => new.entry(status).or_default(),
            None => &mut open,
        };
        if !all.iter().any(|word| same_word(word, &said.word)) {
            all.push(&said.word);
        }
    }
    let mut command = template_command(network, template);
    for (status, words) in new {
        let there = template.and_then(|t| t.statuses.get(&status)).into_iter().flatten().map(String::as_str);
        let all: Vec<&str> = there.chain(words).collect();
        command += &map(&status.to_string(), "=", &all);
    }
    let adds = if template.is_some() { "+=" } else { "=" };
    for word in open {
        command += &map(PLACEHOLDER, adds, &[word]);
    }
    command
}

/// The command that says more of how postbacks are read: of the template, which it makes active, or of the `default` that is made
/// for it.
pub fn template_command(network: &NetworkSpec, template: Option<&TemplateSpec>) -> String {
    match template {
        Some(t) => {
            let active = if t.status == Status::Active { "" } else { " --set status=active" };
            format!("tfx template update {}/{}{active}", network.slug, t.slug)
        }
        None => format!("tfx template create --network {} --slug default --name Default", network.slug),
    }
}

/// The flag that maps words to a status. A list in a flag has commas between its words, and blanks around them are taken
/// off: words that would suffer are written as JSON.
fn map(status: &str, sign: &str, words: &[&str]) -> String {
    let listed = words.iter().all(|w| !w.contains(',') && !w.starts_with('[') && w.trim() == *w);
    let words = if listed { words.join(",") } else { serde_json::json!(words).to_string() };
    format!(" --map {}", quoted(&format!("{status}{sign}{words}")))
}

/// The sentence about a word that nobody knows.
pub fn unmapped_word(network: &NetworkSpec, template: Option<&TemplateSpec>, said: &UnknownWord) -> String {
    let command = map_words(network, template, std::slice::from_ref(said));
    let say = match to_fill_in(&command) {
        Some(_) => "say what it means in place of STATUS (lead, sale, rejected, rebill)",
        None => "say what it means (lead, sale, rejected, rebill)",
    };
    let word = super::interpret::shown(&said.word);
    if said.is_macro() {
        return format!(
            "the network left its macro {word} as it is, so it does not say the status; give it its own macro for that, or {say}: \
             {command}"
        );
    }
    format!("nobody knows the word {word}; {say}: {command}")
}

/// The command for a network whose transaction ids are labels of a click's steps.
pub fn scope_click(network: &NetworkSpec) -> String {
    format!("tfx network update {} --transaction-scope click", network.slug)
}

/// The command for a network that may report clicks of others.
pub fn foreign_clicks(network: &NetworkSpec) -> String {
    format!("tfx network update {} --foreign-clicks", network.slug)
}

/// The sentence about a report of a click that was sent to another network.
pub fn foreign(network: &NetworkSpec, other: &str) -> String {
    let may = foreign_clicks(network);
    format!("the click was sent to network {other}, not to {}; if that is right: {may}", network.slug)
}

/// The sentence about a transaction id that is another click's.
pub fn known_id(network: &NetworkSpec, postback: &Postback, there: &Conversion) -> String {
    let id = super::interpret::shown(postback.transaction_id.as_deref().unwrap_or_default());
    format!(
        "the transaction id {id} is that of conversion {} of click {}, not of click {}; if the network's ids number the \
         steps of a click: {}",
        there.id,
        there.click_id,
        postback.click_id,
        scope_click(network)
    )
}

/// The sentence about a conversion that gives way to another.
pub fn displaced(there: &Conversion) -> String {
    match there.raw_status.as_deref().filter(|word| meaning(word).is_none()) {
        Some(word) => format!(
            "the click's one sale is this one; conversion {}, of the unknown word {}, gives way to it",
            there.id,
            super::interpret::shown(word)
        ),
        None => format!("conversion {}, as which it was read before, gives way to this one", there.id),
    }
}

/// The command that gives an entity another currency.
pub fn another_currency(kind: Kind, reference: &str) -> String {
    let flag = match kind {
        Kind::Network | Kind::Source => "--currency ".to_owned(),
        Kind::Template => "--default-currency ".to_owned(),
        _ => format!("--set {}=", kind.currency().unwrap_or_default()),
    };
    format!("tfx {kind} update {reference} {flag}{CURRENCY}")
}

/// What to do where no parameter that is read has a click id and another one has: say so, and the command. `named` is the
/// template that they came through, also one that is not active.
pub fn click_id_param(
    network: &NetworkSpec,
    template: Option<&TemplateSpec>,
    named: Option<&TemplateSpec>,
    params: &[(String, String)],
) -> Option<(String, String)> {
    let read = Params::new(params, template);
    if read.find(Field::ClickId).is_some() {
        return None;
    }
    let (name, _) = params.iter().find(|(_, value)| value.trim().parse::<ClickId>().is_ok())?;
    let command = template_command(network, named);
    let say = format!("{} has a click id: say that it is the one", super::interpret::shown(name));
    Some((say, format!("{command} --click-id-param {}", quoted(name))))
}

/// The command that records what a postback says under a transaction id of its own.
pub fn sale_again(
    network: &NetworkSpec,
    template: Option<&TemplateSpec>,
    params: &[(String, String)],
) -> String {
    let read = Params::new(params, template);
    let of = read.names(Field::TransactionId).next().unwrap_or("transaction_id");
    let (name, id) = read.find(Field::TransactionId).unwrap_or((of, "sale"));
    let others =
        params.iter().filter(|(n, _)| !n.eq_ignore_ascii_case(name) && !n.eq_ignore_ascii_case("secret"));
    let flag = |(name, value): (&str, &str)| format!(" --param {}", quoted(&format!("{name}={value}")));
    let said: String = others.map(|(n, v)| flag((n, v))).collect();
    let by = template.filter(|t| t.slug.as_str() != "default");
    let by = by.map(|t| format!(" --template {}", t.slug)).unwrap_or_default();
    let own = flag((name, &format!("{id}-again")));
    format!("tfx postback test {}{by}{said}{own} --send", network.slug)
}

/// A reason without the values that stand in it in quotes: equal for postbacks that were refused alike.
pub fn pattern(reason: &str) -> String {
    let mut out = String::with_capacity(reason.len());
    let mut before = ' ';
    let mut chars = reason.chars();
    while let Some(c) = chars.next() {
        out.push(c);
        // An apostrophe is behind a letter.
        if c == '\'' && !before.is_alphanumeric() {
            let mut escaped = false;
            for c in chars.by_ref() {
                if c == '\'' && !escaped {
                    break;
                }
                escaped = c == '\\' && !escaped;
            }
            out.push('\'');
        }
        before = c;
    }
    out
}

/// One word of a shell. What is not seen, or turns the direction in which a line is read, is written by its number, as bash and zsh
/// read it: what is copied is what was seen.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "=,._-+/:@".contains(c);
    if text.chars().all(plain) {
        return text.to_owned();
    }
    let escaped: String = text
        .chars()
        .flat_map(|c| -> Vec<char> {
            match c {
                '\\' | '\'' => vec!['\\', c],
                c if is_unseen(c) => format!("\\u{:04x}", u32::from(c)).chars().collect(),
                c => vec![c],
            }
        })
        .collect();
    match text.chars().any(is_unseen) {
        true => format!("$'{escaped}'"),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// As [`char::escape_debug`] judges it.
fn is_unseen(c: char) -> bool {
    c.is_control() || (!c.is_ascii() && c.escape_debug().len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::parse;
    use serde_json::json;

    #[test]
    fn one_command_maps_all_words_and_keeps_what_is_mapped() {
        let network: NetworkSpec = parse(json!({"slug": "adnet", "name": "Ad network"})).expect("valid");
        let template = |status: &str| -> TemplateSpec {
            parse(json!({
                "network": "net_0000000000000000000", "slug": "web", "name": "Web", "status": status,
                "statuses": {"sale": ["2", "paid up"], "rejected": ["3"]},
            }))
            .expect("valid")
        };
        let (active, paused, archived) = (template("active"), template("paused"), template("archived"));
        let create = "tfx template create --network adnet --slug default --name Default";
        let update = "tfx template update adnet/web";
        let table: [(_, &[&str], _); 11] = [
            (None, &["1"], format!("{create} --map STATUS=1")),
            (
                None,
                &["aproved", "refnded", "pendign", "APROVED", "not approved"],
                format!(
                    "{create} --map 'lead=pendign,not approved' --map sale=aproved --map rejected=refnded"
                ),
            ),
            (Some(&active), &["aproved"], format!("{update} --map 'sale=2,paid up,aproved'")),
            (Some(&active), &["rejceted"], format!("{update} --map rejected=3,rejceted")),
            (
                Some(&active),
                &["x", "partial refund", "Y", "aproved"],
                format!(
                    "{update} --map 'sale=2,paid up,aproved' --map 'rejected=3,partial refund' --map STATUS+=x --map \
                     STATUS+=Y"
                ),
            ),
            // It is there already, so it cannot be made.
            (Some(&paused), &["x"], format!("{update} --set status=active --map STATUS+=x")),
            (Some(&archived), &["x"], format!("{update} --set status=active --map STATUS+=x")),
            (
                None,
                &["\u{202e}elas", "a\u{200b}'"],
                format!("{create} --map $'STATUS=\\u202eelas' --map $'STATUS=a\\u200b\\''"),
            ),
            (None, &["it's; rm -rf /"], format!("{create} --map 'STATUS=it'\\''s; rm -rf /'")),
            (None, &["a,refunded", "void,"], format!("{create} --map 'rejected=[\"a,refunded\",\"void,\"]'")),
            (None, &["a,b", "c"], format!("{create} --map 'STATUS=[\"a,b\"]' --map STATUS=c")),
        ];
        for (template, words, want) in table {
            let said =
                |word: &&str| UnknownWord { word: (*word).to_owned(), taken_back: false, after_sale: false };
            let words: Vec<UnknownWord> = words.iter().map(said).collect();
            assert_eq!(map_words(&network, template, &words), want);
        }
        let reasons = [
            ("payout: '1,5' must be a decimal", "payout: '' must be a decimal"),
            (
                r"payout: 'it\'s \\' must be, or map the network's word 'x y' to rejected",
                "payout: '' must be, or map the network's word '' to rejected",
            ),
            ("subid: 'unclosed", "subid: ''"),
        ];
        for (reason, want) in reasons {
            assert_eq!(pattern(reason), want);
        }
        let refused = "the signature is wrong";
        let until: Timestamp = "2026-03-01T00:00:00Z".parse().expect("a time");
        for note in [former_secret(&network, until), former_key(until), not_signed(&["payout".to_owned()])] {
            assert_eq!(without_notes(&format!("{refused}; {note}; and more")), refused);
        }
        let back = UnknownWord { word: "77".to_owned(), taken_back: true, after_sale: false };
        assert_eq!(map_words(&network, None, &[back]), format!("{create} --map rejected=77"));
    }
}
