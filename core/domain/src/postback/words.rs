//! Words of networks that everybody means the same by. Only what leaves no doubt is here: a word that could be a stage
//! of its own (`registered`, `install`) stays one, and a person maps it.

use super::ConversionStatus;

/// Words by status, in lower case and without what stands between the parts of a word.
const KNOWN: [(ConversionStatus, &[&str]); 4] = [
    (
        ConversionStatus::Lead,
        &[
            "lead", "leads", "pending", "pend", "pended", "hold", "holds", "held", "holding", "onhold",
            "waiting", "awaiting",
        ],
    ),
    (
        ConversionStatus::Sale,
        &[
            "sale",
            "sales",
            "sold",
            "approved",
            "approve",
            "approves",
            "approval",
            "approvals",
            "confirmed",
            "confirm",
            "confirms",
            "confirmation",
            "confirmations",
            "paid",
            "pay",
            "pays",
            "payed",
            "payment",
            "payments",
        ],
    ),
    (
        ConversionStatus::Rejected,
        &[
            "rejected",
            "reject",
            "rejects",
            "rejecting",
            "rejection",
            "rejections",
            "declined",
            "decline",
            "declines",
            "declining",
            "trash",
            "trashed",
            "trashes",
            "trashing",
            "cancelled",
            "canceled",
            "cancel",
            "cancels",
            "cancelling",
            "canceling",
            "cancellation",
            "cancelation",
            "cancellations",
            "cancelations",
            "refund",
            "refunds",
            "refunded",
            "refunding",
            "chargeback",
            "chargebacks",
            "chargedback",
            "chargingback",
            "chargebacked",
            "reversed",
            "reverse",
            "reverses",
            "reversing",
            "reversal",
            "reversals",
            "void",
            "voids",
            "voided",
            "voiding",
            "disapproved",
            "disapprove",
            "disapproves",
            "denied",
            "deny",
            "denies",
            "refused",
            "refuse",
            "refuses",
        ],
    ),
    (ConversionStatus::Rebill, &["rebill", "rebills", "rebilled", "rebilling"]),
];

/// The status that a word means, whatever its case and whatever stands between its parts: `On-Hold`, `charge_back`.
pub(super) fn meaning(word: &str) -> Option<ConversionStatus> {
    let plain = plain(word);
    KNOWN.iter().find(|(_, words)| words.contains(&plain.as_str())).map(|(status, _)| status.clone())
}

fn plain(word: &str) -> String {
    let parts = word.chars().filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-'));
    parts.flat_map(char::to_lowercase).collect()
}

/// The status whose words a mistyped one is nearest to; a sale when it is near to none.
pub(super) fn nearest(word: &str) -> ConversionStatus {
    let word = plain(word);
    // Two slips in a short word make another one.
    let slips = if word.chars().count() < 6 { 1 } else { 2 };
    let distance = |words: &[&str]| words.iter().map(|w| distance(&word, w)).min().unwrap_or(usize::MAX);
    let nearest = KNOWN.iter().map(|(status, words)| (distance(words), status)).min_by_key(|(d, _)| *d);
    nearest.filter(|(d, _)| *d <= slips).map_or(ConversionStatus::Sale, |(_, status)| status.clone())
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
    fn a_mistyped_word_is_near_to_what_it_should_be() {
        let table = [
            ("aproved", "sale"),
            ("APPROVD", "sale"),
            ("rejceted", "rejected"),
            ("refunde", "rejected"),
            ("pendign", "lead"),
            ("1", "sale"),
            ("registered", "sale"),
        ];
        for (word, status) in table {
            assert_eq!(nearest(word).as_str(), status, "{word}");
        }
    }

    #[test]
    fn inflections_cases_and_spellings_mean_the_same() {
        let table = [
            ("lead", "lead Leads pending PENDING hold on-hold On_Hold ON\u{a0}HOLD held waiting"),
            ("sale", "sale SALES approved approve Approval confirmed confirm paid pay-ment"),
            (
                "rejected",
                "refund Refunded refunds chargeback charge-back CHARGE_BACK charged_back chargebacks reversed reversal \
                 REVERSE cancel cancels canceled cancelled Cancellation void voided declined decline rejected reject \
                 trash trashed disapproved denied",
            ),
            ("rebill", "rebill re-bill Rebills REBILLED"),
        ];
        for (status, words) in table {
            for word in words.split(' ') {
                assert_eq!(meaning(word).as_ref().map(ConversionStatus::as_str), Some(status), "{word}");
            }
        }
        for (word, status) in
            [("charge back", "rejected"), ("on hold", "lead"), (" Charge  Back ", "rejected")]
        {
            assert_eq!(meaning(word).as_ref().map(ConversionStatus::as_str), Some(status), "{word}");
        }
    }

    #[test]
    fn what_could_be_a_stage_of_its_own_has_no_meaning() {
        for word in [
            "",
            "1",
            "aproved",
            "install",
            "registered",
            "deposit",
            "partial refund",
            "unapproved",
            "ok",
            "main",
        ] {
            assert_eq!(meaning(word), None, "{word}");
        }
    }

    #[test]
    fn a_word_means_one_thing_and_is_written_as_it_is_compared() {
        let all: Vec<&str> = KNOWN.iter().flat_map(|(_, words)| words.iter().copied()).collect();
        assert!(all.iter().all(|w| w.bytes().all(|b| b.is_ascii_lowercase())));
        let mut once = all.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), all.len());
    }
}
