//! Kubernetes' AdmissionReview, v1: which images an object names, and what is answered once they were judged. Pure.
//!
//! The way of a review: [`Review::decode`], a verdict of `ops` for each of its images, [`answer`].

mod account;
mod answer;
mod images;
mod review;

pub use account::{Account, AccountError};
pub use answer::{Answer, Effect, Hook, Style, Verdict, answer};
pub use images::{Image, ImagesError};
pub use review::{Kind, Operation, Review, ReviewError};
