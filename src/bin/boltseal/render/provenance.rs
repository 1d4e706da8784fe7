//! How a trust state was come by.

use super::verification;
use crate::output::Output;
use boltseal::{
    oci::Reference,
    ops::{
        trust::{Provenance, StateSource},
        verify::Verification,
    },
};
use serde_json::{Value, json};

/// A verification, and how its trust state was come by.
pub fn to_json(verification: &Verification) -> Value {
    let mut value = verification::to_json(verification);
    if let Some(members) = value.as_object_mut() {
        members.insert("trustState".to_owned(), verification.trust.map_or(Value::Null, provenance));
    }
    value
}

fn provenance(provenance: Provenance) -> Value {
    let source = match provenance.source {
        StateSource::Live => "live",
        StateSource::Unchanged => "unchanged",
        StateSource::Remembered => "remembered",
        StateSource::Travel => "travel",
    };
    json!({ "source": source, "firstUse": provenance.first_use, "firstContact": provenance.first_contact })
}

/// What a reader of the decision should know of where it came from.
pub fn warn(verification: &Verification, reference: &Reference, output: &Output) {
    let Some(provenance) = verification.trust else { return };
    if provenance.first_use {
        output.warn(format_args!("{reference}: the root was trusted because nothing was known before"));
    }
    if provenance.source == StateSource::Remembered {
        output.warn(format_args!(
            "{reference}: the registry could not be asked; judged by what this machine remembers, which is not expired"
        ));
    }
}
