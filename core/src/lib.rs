//! Skeleton.
#![no_std]

mod sample;
pub use sample::{Outcome, Request, Sample, Timestamp};
