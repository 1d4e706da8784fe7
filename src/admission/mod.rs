//! Kubernetes' AdmissionReview, v1: which images an object names, and what is answered once they were judged. Pure.
//!
//! The way of a review: [`Review::decode`], [`Review::images`], a verdict of `ops` for each, [`answer`].

mod answer;
mod images;
mod review;

pub use answer::{Answer, Effect, Hook, Style, Verdict, answer};
pub use images::{Image, ImagesError};
pub use review::{Kind, Operation, Review, ReviewError};
