//! How many requests are missing where a receiver rejects some points of a body without saying which.

/// How many points are remembered.
const MOST: usize = 16;

/// The largest points of a body, by requests: those that count as rejected, so that `sent` never claims too much.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heaviest {
    /// In falling order.
    requests: [u64; MOST],
}

impl Heaviest {
    /// The body has a point of so many requests.
    pub fn add(&mut self, requests: u64) {
        let Some(at) = self.requests.iter().position(|other| *other < requests) else { return };
        self.requests[at..].rotate_right(1);
        self.requests[at] = requests;
    }

    /// Most requests that `points` points of the body have; all of its requests, `of`, where those are more than 16.
    #[must_use]
    pub fn sum(&self, points: u64, of: u64) -> u64 {
        match usize::try_from(points) {
            Ok(points @ ..=MOST) => self.requests[..points].iter().sum::<u64>().min(of),
            _ => of,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_count_and_beyond_sixteen_all() {
        let mut heaviest = Heaviest::default();
        let weights = [3, 9, 1, 7, 7, 0, 2, 8, 4, 6, 5, 3, 2, 1, 1, 1, 1, 50];
        weights.into_iter().for_each(|requests| heaviest.add(requests));
        let all = weights.iter().sum();
        for (points, expected) in [(0, 0), (1, 50), (2, 59), (4, 74), (16, all - 1), (17, all), (u64::MAX, all)] {
            assert_eq!(heaviest.sum(points, all), expected, "{points}");
        }
        assert_eq!(Heaviest::default().sum(3, 0), 0);
    }
}
