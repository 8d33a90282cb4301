//! How large a buffer the machine asks for.

/// The first buffer in bytes.
pub(super) const FIRST: usize = 256 << 10;

/// Which buffers were asked for. Each size is asked for once; then whatever is lent is used.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BufferGrowth {
    asked: usize,
}

impl BufferGrowth {
    /// What to ask for where `lent` bytes do not hold all: `needs`, or four times as much as before, up to `most`. `None`
    /// where there is nothing to ask for.
    pub(super) fn ask(&mut self, lent: usize, needs: usize, most: usize) -> Option<usize> {
        let wanted = lent.max(self.asked).saturating_mul(4).clamp(FIRST, most.max(FIRST)).max(needs).min(most);
        let is_news = wanted > lent && wanted > self.asked;
        is_news.then(|| {
            self.asked = wanted;
            wanted
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_is_asked_for_once() {
        let mut growth = BufferGrowth::default();
        assert_eq!(growth.ask(0, 0, 4 << 20), Some(FIRST));
        assert_eq!(growth.ask(FIRST, 0, 4 << 20), Some(1 << 20));
        assert_eq!(growth.ask(FIRST, 0, 1 << 20), None, "it was not to be had");
        assert_eq!(growth.ask(1 << 20, 0, 4 << 20), Some(4 << 20));
        assert_eq!(growth.ask(4 << 20, 0, 4 << 20), None);
        assert_eq!(BufferGrowth::default().ask(0, 0, 8_192), Some(8_192), "no more than the largest body");
        assert_eq!(BufferGrowth::default().ask(8_192, 0, 8_192), None, "all of it is lent");
        assert_eq!(BufferGrowth::default().ask(FIRST, 3 << 20, 4 << 20), Some(3 << 20));
    }
}
