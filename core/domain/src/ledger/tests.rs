//! What a digest promises: sets that differ by few ids name them, whatever else is in both; others say that they do not.

use super::{Digest, Hour, HourLedger};
use crate::{Timestamp, event::PostbackResult, id::ClickId};
use proptest::prelude::*;
use rand::{SeedableRng as _, rngs::SmallRng};
use std::collections::BTreeSet;

fn ids(rng: &mut SmallRng, count: usize) -> Vec<ClickId> {
    let at = |ms: i64| Timestamp::from_millisecond(1_780_000_000_000 + ms).expect("in range");
    (0..count).map(|_| ClickId::generate(at(rng.random_range(0..3_600_000)), rng.random())).collect()
}

fn digest<'i>(ids: impl IntoIterator<Item = &'i ClickId>) -> Digest {
    let mut digest = Digest::default();
    ids.into_iter().for_each(|id| digest.add(*id));
    digest
}

fn sorted<'i>(ids: impl IntoIterator<Item = &'i ClickId>) -> Vec<ClickId> {
    ids.into_iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sets_name_by_what_they_differ_or_say_that_they_do_not(
        seed: u64, common in 0usize..500, missing in 0usize..120, double in 0usize..40, threefold in 0usize..20,
    ) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let (common, missing) = (ids(&mut rng, common), ids(&mut rng, missing));
        let (double, threefold) = (ids(&mut rng, double), ids(&mut rng, threefold));
        let accepted = digest(common.iter().chain(&missing).chain(&double).chain(&threefold));
        let stored = digest(common.iter().chain(&double).chain(&double).chain(&threefold).chain(&threefold).chain(&threefold));
        let told = accepted.difference(&stored);
        let net = missing.len() as i64 - double.len() as i64 - 2 * threefold.len() as i64;
        prop_assert_eq!(told.events, net);
        let less = sorted(double.iter().chain(&threefold));
        if told.whole {
            prop_assert_eq!((&told.more, &told.less), (&sorted(&missing), &less));
        } else {
            prop_assert!(missing.len() + less.len() > 1, "one alone is always named");
            prop_assert!(told.more.iter().all(|id| missing.contains(id)), "nothing is named that is not so");
            prop_assert!(told.less.iter().all(|id| less.contains(id)), "nothing is named that is not so");
        }
    }

    #[test]
    fn a_ledger_comes_back_as_it_was_kept(seed: u64, count in 0usize..300, later in prop::sample::select(vec![0.0, 0.2]), torn: bool, published: u64, at: prop::sample::Index) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut ledger = HourLedger { torn, published, ..HourLedger::default() };
        for id in ids(&mut rng, count) {
            let result = PostbackResult::ALL[rng.random_range(0..14)];
            match rng.random_bool(later) {
                true => ledger.accept_later(id, result),
                false => ledger.accept(id, rng.random_bool(0.5).then_some(result)),
            }
        }
        let bytes = ledger.to_bytes();
        prop_assert_eq!(HourLedger::from_bytes(&bytes), Ok(ledger));
        // What is cut is not taken for whole, unless the cut is between two cells.
        let cut = &bytes[..at.index(bytes.len())];
        prop_assert!(HourLedger::from_bytes(cut).is_err() || (bytes.len() - cut.len()).is_multiple_of(33));
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes: Vec<u8>) {
        let _ = HourLedger::from_bytes(&bytes);
        let _ = HourLedger::from_bytes(&[&[1, 0][..], &bytes].concat());
    }
}

#[test]
fn eighty_ids_are_named_of_almost_any_two_sets() {
    let mut rng = SmallRng::seed_from_u64(13);
    let common = digest(&ids(&mut rng, 100_000));
    let named = (0..1_000).filter(|_| {
        let (mut accepted, mut stored) = (common.clone(), common.clone());
        accepted.merge(&digest(&ids(&mut rng, 60)));
        stored.merge(&digest(&ids(&mut rng, 20)));
        accepted.difference(&stored).whole
    });
    let named = named.count();
    assert!(named >= 990, "{named} of 1000");
}

#[test]
fn what_several_counted_adds_up_and_what_is_taken_off_is_gone() {
    let mut rng = SmallRng::seed_from_u64(7);
    let all = ids(&mut rng, 1_000);
    let mut sum = digest(&all[..400]);
    sum.merge(&digest(&all[400..]));
    assert_eq!(sum, digest(&all));
    assert_eq!(sum.events(), 1_000);
    sum.remove(all[3]);
    let told = digest(&all).difference(&sum);
    assert_eq!((told.more, told.less, told.whole), (vec![all[3]], vec![], true));
    assert_ne!(sum.total(), digest(&all).total());
}

/// What ClickHouse sums up is the text's; and files of other versions hold what these tests would else not see change.
#[test]
fn the_tail_of_an_id_is_the_end_of_its_text() {
    let mut rng = SmallRng::seed_from_u64(1);
    for id in ids(&mut rng, 100) {
        let text = id.to_string();
        let last = text.as_bytes().last_chunk().expect("26 letters");
        assert_eq!(super::digest::tail(id.to_bits()), u64::from_le_bytes(*last), "{text}");
    }
    let id: ClickId = "01JZ9V5Q8E4T6ZC3N8M1K2X7YB".parse().expect("an id");
    let mut ledger = HourLedger::default();
    ledger.accept(id, None);
    let sum =
        ledger.to_bytes().iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    assert_eq!(sum, 2_779_562_899_840_646_870, "the bytes of a version never change");
}

#[test]
fn an_hour_is_that_of_the_id() {
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    let hour = Hour::at(at("2026-07-04T12:59:59.999Z"));
    assert_eq!((hour.start(), hour.next().start()), (at("2026-07-04T12:00:00Z"), at("2026-07-04T13:00:00Z")));
    assert_eq!(Hour::of(ClickId::generate(at("2026-07-04T12:00:00Z"), 5)), hour);
    assert_eq!(
        (Hour::from(at("2026-07-04T12:00:00Z")), Hour::from(at("2026-07-04T12:00:00.001Z"))),
        (hour, hour.next())
    );
}
