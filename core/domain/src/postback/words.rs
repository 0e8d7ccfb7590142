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
pub(super) static FORMS: LazyLock<BTreeMap<String, ConversionStatus>> = LazyLock::new(|| {
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

pub(super) fn plain(word: &str) -> String {
    word.chars().filter(|c| !is_between(*c)).flat_map(char::to_lowercase).collect()
}

/// What stands between the parts of a word: blanks, dashes, dots.
fn is_between(c: char) -> bool {
    c.is_whitespace() || matches!(c, '_' | '-' | '.' | '/' | '\u{2010}'..='\u{2015}')
}

#[cfg(test)]
mod tests {
    use super::*;

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
