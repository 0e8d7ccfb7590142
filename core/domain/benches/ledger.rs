//! What counting one event into the ledger costs, and telling by what two hours differ. Run with
//! `cargo bench -p tfx-domain --bench ledger`.
//!
//! - `accept`: an event, by its id
//! - `difference/N`: two sets of a million that differ by N ids

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use std::hint::black_box;
use tfx_domain::{
    Timestamp,
    id::ClickId,
    ledger::{Digest, HourLedger},
};

fn ids(rng: &mut SmallRng, count: usize) -> Vec<ClickId> {
    (0..count).map(|_| ClickId::generate(Timestamp::UNIX_EPOCH, rng.random())).collect()
}

fn ledger(c: &mut Criterion) {
    let mut rng = SmallRng::seed_from_u64(1);
    let some = ids(&mut rng, 1_000);
    let (mut hour, mut next) = (HourLedger::default(), some.iter().cycle());
    c.bench_function("accept", |b| {
        b.iter(|| hour.accept(black_box(*next.next().unwrap_or(&some[0])), None));
    });
    let mut all = Digest::default();
    ids(&mut rng, 1_000_000).into_iter().for_each(|id| all.add(id));
    for differ in [0, 1, 80] {
        let mut other = all.clone();
        ids(&mut rng, differ).into_iter().for_each(|id| other.add(id));
        c.bench_with_input(BenchmarkId::new("difference", differ), &other, |b, other| {
            b.iter(|| black_box(all.difference(other)));
        });
    }
}

criterion_group!(benches, ledger);
criterion_main!(benches);
