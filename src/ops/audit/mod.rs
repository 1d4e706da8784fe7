//! `audit`: what the policy says of every image of a fleet, and what is known of each beside that.

pub mod html;
pub mod record;
