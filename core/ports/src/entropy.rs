//! The one source of randomness outside tests: a generator per thread, seeded and reseeded by the system.

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

/// Random bits for ids and secrets.
pub fn random_u128() -> u128 {
    rand::rng().random()
}

/// A generator for decisions.
pub fn generator() -> impl Rng {
    rand::rng()
}

/// A generator whose numbers are always the same, for draws that somebody wants repeated.
pub fn seeded(seed: u64) -> impl Rng {
    StdRng::seed_from_u64(seed)
}

/// A secret of 160 bits as 32 characters of `a-z2-7`.
pub fn secret() -> String {
    let bytes: [u8; 32] = rand::rng().random();
    bytes.iter().map(|b| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[usize::from(b & 31)])).collect()
}
