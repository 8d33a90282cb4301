//! The encoder, judged by the oracle of its format.

use loaddensity_metrics_vectors::own_encoder::dogstatsd;
use own_encoder::{encode, requests};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_was_requested_is_in_the_messages_once(bytes in vec(any::<u8>(), 6..600)) {
        let requests = requests(&bytes);
        dogstatsd(&requests, &encode(&requests));
    }

    #[test]
    fn a_request_that_was_forgotten_is_noticed(bytes in vec(any::<u8>(), 6..60)) {
        let requests = requests(&bytes);
        let messages = encode(&requests[1..]);
        prop_assert!(std::panic::catch_unwind(|| dogstatsd(&requests, &messages)).is_err());
    }
}
