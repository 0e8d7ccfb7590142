//! What a word that nobody knows most likely means: what a person is advised to map it to. A guess never makes money: a
//! word is advised as a sale only where it is a known word with a slip of the pen. Known words are in `words`.

use super::{
    ConversionStatus::{self, Lead, Rebill, Rejected, Sale},
    words::{FORMS, plain},
};

/// Stems of what takes back, in the languages that networks speak. A guess of too much only costs a look.
const TAKES_BACK: &[&str] = &[
    "refund",
    "chargeback",
    "chargedback",
    "chargesback",
    "clawback",
    "clawedback",
    "takeback",
    "revers",
    "cancel",
    "void",
    "reject",
    "declin",
    "trash",
    "denied",
    "refus",
    "disapprov",
    "revok",
    "fraud",
    "fake",
    "disput",
    "return",
    "scrub",
    "delet",
    "remov",
    "duplic",
    "invalid",
    "annul",
    "expir",
    "spam",
    "junk",
    "fail",
    "lost",
    "blocked",
    "banned",
    "blacklist",
    "terminat",
    "withdraw",
    "rescind",
    "abort",
    "abandon",
    "bounce",
    "unsub",
    "suspicious",
    "error",
    // German.
    "storn",
    "erstatte",
    "widerruf",
    "abgelehnt",
    "ungültig",
    "ungueltig",
    "gelöscht",
    "geloescht",
    "retoure",
    // French, Spanish, Portuguese, Italian.
    "rembours",
    "remboursé",
    "supprim",
    "reembols",
    "rechaz",
    "devuelt",
    "devoluc",
    "devoluç",
    "devolvid",
    "anulad",
    "recusad",
    "rejeitad",
    "rimbors",
    "rifiutat",
    "annullat",
    "eliminad",
    "duplicad",
    // Polish, Turkish, Russian.
    "odrzuc",
    "zwrot",
    "anulowan",
    "iptal",
    "reddedil",
    "отмен",
    "отклон",
    "возврат",
    "удал",
    "аннул",
    "отказ",
    "фрод",
    "дубл",
];

/// Stems of what is not decided yet.
const WAITS: &[&str] = &[
    "pending",
    "onhold",
    "waiting",
    "awaiting",
    "review",
    "progress",
    "processing",
    "regist",
    "created",
    "creation",
    "signup",
    "signedup",
    "install",
    "submi",
    "trial",
    "initiat",
    "reserv",
    "request",
    "queued",
    "pendient",
    "pendente",
    "attente",
    "ожида",
    "регистр",
];

/// What is not decided yet, as a word of its own.
const FRESH: &[&str] = &[
    "new",
    "open",
    "opened",
    "draft",
    "started",
    "init",
    "reg",
    "neu",
    "offen",
    "nuevo",
    "nueva",
    "novo",
    "nova",
    "nouveau",
    "nouvelle",
    "nowy",
    "nowe",
    "новый",
    "новая",
    "новое",
];

/// What a word most likely means; none where only a person can tell. Whatever is taken back, by a negative payout or by a
/// part of the word, is rejected; what is denied is no sale, and no rejection for certain. What came after the sale of
/// its transaction is none.
pub(super) fn nearest(word: &str, taken_back: bool, after_sale: bool) -> Option<ConversionStatus> {
    if taken_back {
        return Some(Rejected);
    }
    let whole = plain(word);
    let parts: Vec<String> = word.split(|c: char| !c.is_alphanumeric()).map(plain).collect();
    if is_denied(&whole, &parts) {
        return Some(Lead);
    }
    // `returning` is a customer who comes again.
    let stems = whole.replace("returning", "");
    if TAKES_BACK.iter().any(|stem| stems.contains(stem)) {
        return Some(Rejected);
    }
    if WAITS.iter().any(|stem| whole.contains(stem)) || parts.iter().any(|p| FRESH.contains(&p.as_str())) {
        return Some(Lead);
    }
    let near_of = |part: &String| near(part).map(|(_, status)| status);
    let parts: Vec<&ConversionStatus> = parts.iter().chain([&whole]).filter_map(near_of).collect();
    if parts.contains(&&Rejected) {
        return Some(Rejected);
    }
    match near(&whole)? {
        (form, Sale | Rebill) if after_sale || !is_slip(&whole, form) => None,
        (_, status) => Some(status.clone()),
    }
}

/// Whether a word is surely the known one, misspelt: `aproved`, not `said` for `paid`.
fn is_slip(word: &str, form: &str) -> bool {
    form.len() >= 6 && word.chars().next() == form.chars().next()
}

/// `not approved`, `unpaid`.
fn is_denied(whole: &str, parts: &[String]) -> bool {
    let word = |part: &String| matches!(part.as_str(), "not" | "no" | "non" | "never" | "un" | "without");
    let prefix = ["not", "non", "un", "never"].iter().filter_map(|prefix| whole.strip_prefix(prefix));
    parts.iter().any(word) || prefix.into_iter().any(|rest| near(rest).is_some())
}

/// The known word that a mistyped one is nearest to, and its status.
fn near(word: &str) -> Option<(&'static str, &'static ConversionStatus)> {
    // Two slips in a short word make another one.
    let length = word.chars().count();
    let slips = if length < 6 { 1 } else { 2 };
    let alike = FORMS.iter().filter(|(form, _)| form.len().abs_diff(length) <= slips);
    let nearest = alike.map(|(form, status)| (distance(word, form), form, status)).min_by_key(|(d, ..)| *d);
    nearest.filter(|(d, ..)| *d <= slips).map(|(_, form, status)| (form.as_str(), status))
}

/// How many letters must be put in, taken away, replaced, or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_nobody_knows_is_taken_for_what_it_most_likely_means() {
        let table = [
            ("sale", "aproved APPROVD aprroved confimed authorisd"),
            ("rebill", "rebil"),
            (
                "lead",
                "pendign pending_payout order_on_hold on_review in-progress new NEW order_new created order.created open \
                 registered registration install sign-up submitted trial reserved unapproved not_approved non-confirmed \
                 unpaid notpaid aproved_not not_refunded un-aproved",
            ),
            // Whatever takes back is no sale, and nothing that is denied.
            (
                "rejected",
                "rejceted refunde refnded partial_refund refund-partial chargeback_fee order.cancelled CANCELLED_BY_USER \
                 rejected_by_advertiser payment.refunded sale_reversed partially-voided order_canceld fraud_suspected \
                 scrubbed scrub dispute disputed dispute_lost returned return storno Storniert deleted duplicate dup_duplicated \
                 fake_lead invalid_lead annulled_sale revoked_by expired payment_failed spam2 zurückerstattet remboursé \
                 rechazado anulado recusado odrzucony iptal отклонен возврат lost",
            ),
            // Nothing says what these are: a person does.
            (
                "",
                "1 2 ok x yes completed success said stale repaid repayment improved deposit ftd returning order-aprovd \
                  payment.received pre-sale sale_window",
            ),
        ];
        for (status, words) in table {
            for word in words.split_whitespace() {
                let said = nearest(word, false, false);
                assert_eq!(said.as_ref().map_or("", ConversionStatus::as_str), status, "{word}");
                assert_eq!(nearest(word, true, false), Some(Rejected), "{word}");
                // Behind its sale nothing is one.
                assert!(!matches!(nearest(word, false, true), Some(Sale | Rebill)), "{word}");
            }
        }
        assert_eq!(nearest("not approved", false, false), Some(Lead));
        assert_eq!(nearest("dispute lost", false, true), Some(Rejected));
    }
}
