//! What an engine does for a request. Put your own here.

/// A request as an engine holds it; its answers are made beforehand.
#[derive(Debug)]
pub struct PretendedServer {
    answers: Vec<String>,
}

impl PretendedServer {
    /// Every tenth answer is an error.
    #[must_use]
    pub fn new() -> Self {
        let answer = |number: usize| {
            let (status, length) = if number % 10 == 9 { (503, 64) } else { (200, 512 + number) };
            format!("HTTP/1.1 {status} Status\r\ncontent-length: {length}\r\n\r\n{}", "x".repeat(length))
        };
        Self { answers: (0..100).map(answer).collect() }
    }

    /// Status and bytes of the body, read from the answer with this number.
    #[must_use]
    pub fn request(&self, number: usize) -> (u16, u64) {
        let answer = &self.answers[number % self.answers.len()];
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or(0), body.len() as u64)
    }
}

impl Default for PretendedServer {
    fn default() -> Self {
        Self::new()
    }
}
