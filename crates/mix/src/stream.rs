//! Named random streams, all derived from the one seed of the recipe.

use temper_recipe::Hasher;

/// A 64-bit counter generator: `splitmix64` (Steele, Lea and Flood 2014, OOPSLA).
///
/// Its output decides data order only, never anything secret.
#[derive(Clone, Debug)]
pub(crate) struct Stream(u64);

impl Stream {
    /// The stream called `name` under `seed`; different names give unrelated streams.
    pub(crate) fn new(seed: u64, name: &[&str], index: u64) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(&seed.to_le_bytes());
        for part in name {
            // The length keeps ["ab", "c"] apart from ["a", "bc"].
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.update(&index.to_le_bytes());
        let digest = hasher.finish();
        let head = digest.bytes()[..8].try_into().expect("a digest has 32 bytes");
        Self(u64::from_le_bytes(head))
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        scramble(self.0)
    }

    /// A number below `bound`, without modulo bias worth naming: the bound is far below 2^64.
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Fisher and Yates' shuffle.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

/// The finalizer of splitmix64: a bijection of 64 bits.
pub(crate) fn scramble(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
