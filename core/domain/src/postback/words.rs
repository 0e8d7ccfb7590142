//! Words of networks that everybody means the same by. Only what leaves no doubt is here: a word that could be a stage
//! of its own (`registered`, `install`) stays one, and a person maps it. So do the denied (`not approved`, `unpaid`), what
//! is said of a part (`partial refund`), and what is not done yet (`approving`).

use super::ConversionStatus::{self, Lead, Rebill, Rejected, Sale};
use std::{collections::BTreeMap, sync::LazyLock};

/// Verbs by status, in lower case and without what stands between the parts of a word. All their forms mean the same, but
/// that nobody is paid while somebody is `approving`.
const VERBS: [(ConversionStatus, &[&str]); 4] = [
    (Lead, &["pend", "hold", "onhold", "await", "wait"]),
    (Sale, &["approve", "confirm", "pay", "authorise", "authorize"]),
    (
        Rejected,
        &[
            "reject",
            "decline",
            "trash",
            "cancel",
            "refund",
            "chargeback",
            "clawback",
            "reverse",
            "void",
            "disapprove",
            "deny",
            "refuse",
            "revoke",
            "annul",
            "invalidate",
        ],
    ),
    (Rebill, &["rebill"]),
];

/// Nouns by status, which have a plural.
const NOUNS: [(ConversionStatus, &[&str]); 3] = [
    (Lead, &["lead"]),
    (Sale, &["sale", "approval", "confirmation", "payment"]),
    (
        Rejected,
        &[
            "rejection",
            "cancellation",
            "cancelation",
            "reversal",
            "disapproval",
            "denial",
            "refusal",
            "revocation",
            "annulment",
            "invalidation",
        ],
    ),
];

/// What has no other form.
const ALONE: [(ConversionStatus, &[&str]); 3] = [
    (Lead, &["held", "onheld", "putonhold"]),
    (Sale, &["sold", "paid"]),
    (
        Rejected,
        &[
            "chargedback",
            "chargesback",
            "chargingback",
            "clawedback",
            "clawsback",
            "clawingback",
            "invalid",
            "fraud",
            "fraudulent",
            "spam",
        ],
    ),
];

/// Every form of every word.
static FORMS: LazyLock<BTreeMap<String, ConversionStatus>> = LazyLock::new(|| {
    let verbs = VERBS.iter().flat_map(|(status, all)| all.iter().map(move |verb| (status, verb)));
    let verbs =
        verbs.flat_map(|(status, verb)| forms(verb, *status != Sale).into_iter().map(move |f| (f, status)));
    let nouns = NOUNS.iter().flat_map(|(status, all)| all.iter().map(move |noun| (status, *noun)));
    let nouns = nouns.flat_map(|(status, noun)| [noun.to_owned(), format!("{noun}s")].map(|f| (f, status)));
    let alone =
        ALONE.iter().flat_map(|(status, all)| all.iter().map(move |word| ((*word).to_owned(), status)));
    verbs.chain(nouns).chain(alone).map(|(form, status)| (form, status.clone())).collect()
});

fn forms(verb: &str, going_on: bool) -> Vec<String> {
    let stem = verb.strip_suffix('e').unwrap_or(verb);
    let mut all = match verb.strip_suffix('y').filter(|stem| !stem.ends_with('a')) {
        Some(stem) => vec![format!("{stem}ies"), format!("{stem}ied")],
        None if verb.ends_with("sh") => vec![format!("{verb}es"), format!("{verb}ed")],
        None => vec![format!("{verb}s"), format!("{stem}ed")],
    };
    // `cancelled` in one half of the world, `canceled` in the other.
    let doubled = verb.ends_with('l') && !verb.ends_with("ll");
    all.extend(doubled.then(|| format!("{verb}led")));
    if going_on {
        all.push(format!("{stem}ing"));
        all.extend(doubled.then(|| format!("{verb}ling")));
    }
    all.push(verb.to_owned());
    all
}

/// The status that a word means, whatever its case and whatever stands between its parts: `On-Hold`, `charge_back`.
pub(crate) fn meaning(word: &str) -> Option<ConversionStatus> {
    let plain = plain(word);
    if let Some(status) = FORMS.get(&plain) {
        return Some(status.clone());
    }
    waits(&plain).then_some(Lead).or_else(|| is_taken_back_whole(&plain).then_some(Rejected))
}

/// `awaiting approval`, `payment pending`, `sale on hold`.
fn waits(plain: &str) -> bool {
    const BEFORE: [&str; 5] = ["pending", "awaiting", "awaits", "waitingfor", "waiting"];
    const BEHIND: [&str; 3] = ["pending", "awaited", "onhold"];
    const CHECKS: [&str; 5] = ["review", "validation", "verification", "moderation", "check"];
    let before = BEFORE.iter().find_map(|word| plain.strip_prefix(word));
    let rest = before.or_else(|| BEHIND.iter().find_map(|word| plain.strip_suffix(word)));
    rest.is_some_and(|rest| CHECKS.contains(&rest) || matches!(FORMS.get(rest), Some(Sale | Lead)))
}

/// `full refund`, `auto-declined`.
fn is_taken_back_whole(plain: &str) -> bool {
    let rest = ["fully", "full", "totally", "total", "auto"].iter().find_map(|word| plain.strip_prefix(word));
    rest.is_some_and(|rest| FORMS.get(rest) == Some(&Rejected))
}

fn plain(word: &str) -> String {
    word.chars().filter(|c| !is_between(*c)).flat_map(char::to_lowercase).collect()
}

/// What stands between the parts of a word: blanks, dashes, dots.
fn is_between(c: char) -> bool {
    c.is_whitespace() || matches!(c, '_' | '-' | '.' | '/' | '\u{2010}'..='\u{2015}')
}

/// What a word that nobody knows most likely means: what a person is advised to map it to. Whatever is taken back, by a
/// negative payout or by a part of the word, is rejected; what is denied is no sale, and no rejection for certain.
pub(super) fn nearest(word: &str, taken_back: bool) -> ConversionStatus {
    if taken_back {
        return Rejected;
    }
    let whole = plain(word);
    let parts: Vec<String> = word.split(|c: char| !c.is_alphanumeric()).map(plain).collect();
    if is_denied(&whole, &parts) {
        return Lead;
    }
    const TAKES_BACK: [&str; 28] = [
        "refund",
        "chargeback",
        "chargedback",
        "chargesback",
        "clawback",
        "clawedback",
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
        "annul",
        "fraud",
        "spam",
        "invalid",
        "storn",
        "erstattet",
        "return",
        "disput",
        "fail",
        "expired",
        "duplicate",
        "takeback",
    ];
    if TAKES_BACK.iter().any(|stem| whole.contains(stem)) {
        return Rejected;
    }
    let near: Vec<&ConversionStatus> = parts.iter().chain([&whole]).filter_map(|part| near(part)).collect();
    if near.contains(&&Rejected) {
        return Rejected;
    }
    if ["pending", "onhold", "waiting", "awaiting", "review", "progress", "processing"]
        .iter()
        .any(|part| whole.contains(part))
    {
        return Lead;
    }
    // The word as a whole says more than its parts.
    near.last().map_or(Sale, |status| (*status).clone())
}

/// `not approved`, `unpaid`.
fn is_denied(whole: &str, parts: &[String]) -> bool {
    let word = |part: &String| matches!(part.as_str(), "not" | "no" | "non" | "never" | "un" | "without");
    let prefix = ["not", "non", "un", "never"].iter().filter_map(|prefix| whole.strip_prefix(prefix));
    parts.iter().any(word) || prefix.into_iter().any(|rest| near(rest).is_some())
}

/// The status of the known word that a mistyped one is nearest to.
fn near(word: &str) -> Option<&'static ConversionStatus> {
    // Two slips in a short word make another one.
    let length = word.chars().count();
    let slips = if length < 6 { 1 } else { 2 };
    let alike = FORMS.iter().filter(|(form, _)| form.len().abs_diff(length) <= slips);
    let nearest = alike.map(|(form, status)| (distance(word, form), status)).min_by_key(|(d, _)| *d);
    nearest.filter(|(d, _)| *d <= slips).map(|(_, status)| status)
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
            ("sale", "aproved APPROVD 1 registered order-aprovd"),
            ("lead", "pendign pending_payout order_on_hold on_review in-progress"),
            // Whatever takes back is no sale, and nothing that is denied.
            (
                "rejected",
                "rejceted refunde refnded partial_refund refund-partial chargeback_fee order.cancelled CANCELLED_BY_USER \
                 rejected_by_advertiser payment.refunded sale_reversed Storno zurückerstattet payment_failed partially-voided order_canceld fraud_suspected",
            ),
            (
                "lead",
                "unapproved not_approved non-confirmed unpaid notpaid aproved_not not_refunded un-aproved",
            ),
        ];
        for (status, words) in table {
            for word in words.split(' ') {
                assert_eq!(nearest(word, false).as_str(), status, "{word}");
                assert_eq!(nearest(word, true), Rejected, "{word}");
            }
        }
        assert_eq!(nearest("not approved", false), Lead);
    }

    #[test]
    fn inflections_cases_and_spellings_mean_the_same() {
        let table = [
            (
                "lead",
                "lead Leads pending pend PENDING hold holds on-hold On_Hold ON\u{a0}HOLD held holded holding waiting \
                 awaiting awaiting-approval pending_payment payment.pending approval-pending pending_review sale-on-hold",
            ),
            (
                "sale",
                "sale SALES sold approved approve approves Approval confirmed confirm Confirms confirmation paid pay pays \
                 payed pay-ment authorised AUTHORIZED",
            ),
            (
                "rejected",
                "refund Refunded refunds refunding chargeback charge-back CHARGE_BACK charge-backs charged_back chargebacks \
                 chargebacked charging-back reversed reversal REVERSE reversing cancel cancels canceled cancelled canceling \
                 cancelling Cancellation cancelations void voided voids declined decline declining rejected reject rejection \
                 trash trashed disapproved disapproval denied deny denies denial refused refusal revoked annulled invalid \
                 fraud claw-back clawed-back full-refund fully_refunded auto-declined",
            ),
            ("rebill", "rebill re-bill Rebills REBILLED rebilling"),
        ];
        for (status, words) in table {
            for word in words.split(' ') {
                assert_eq!(meaning(word).as_ref().map(ConversionStatus::as_str), Some(status), "{word}");
            }
        }
        for (word, status) in [
            ("charge back", "rejected"),
            ("on hold", "lead"),
            (" Charge  Back ", "rejected"),
            ("charge\u{2011}backs", "rejected"),
            ("waiting for approval", "lead"),
        ] {
            assert_eq!(meaning(word).as_ref().map(ConversionStatus::as_str), Some(status), "{word}");
        }
    }

    #[test]
    fn what_could_be_a_stage_of_its_own_has_no_meaning() {
        let doubtful = "1 aproved install registered deposit unapproved un-approved not_approved notapproved unpaid non-paid \
                        !approved unconfirmed not-pending approving confirming partial_refund partially-refunded \
                        refund_partial refund-request pending_refund not_refunded preauthorized authorization autopay ok \
                        main unavoidable avoid payable refundable";
        for word in doubtful.split(' ').chain(["", "partial refund", "not approved", "no sale"]) {
            assert_eq!(meaning(word), None, "{word}");
        }
    }

    #[test]
    fn a_word_means_one_thing_and_is_written_as_it_is_compared() {
        let nouns = NOUNS.iter().flat_map(|(_, all)| all.iter());
        let all: Vec<&str> = VERBS.iter().flat_map(|(_, all)| all.iter()).chain(nouns).copied().collect();
        let alone: Vec<&str> = ALONE.iter().flat_map(|(_, all)| all.iter()).copied().collect();
        assert!(FORMS.keys().all(|w| w.bytes().all(|b| b.is_ascii_lowercase())));
        let mut once: Vec<&str> = all.iter().chain(&alone).copied().collect();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), all.len() + alone.len());
    }
}
