//! Random numbers that can be had again. Floor 0.

/// Random numbers that can be had again by their seed.
#[derive(Clone, Debug)]
pub struct SeededRng {
    state: u64,
}

impl SeededRng {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A number below another one, which is not zero. By `SplitMix64`.
    pub fn below(&mut self, below: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // the upper half of the product is even enough for any number of things in a cluster
        let wide = u128::from(z) * (below as u128);
        usize::try_from(wide >> 64).unwrap_or(0)
    }
}
