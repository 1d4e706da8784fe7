//! Who witnessed a signature that was made without a key.

use crate::output::printable;
use boltseal::ops::Logging;
use serde_json::{Value, json};

pub fn to_json(logging: &Logging) -> Value {
    let Logging { indices, timestamps, missing, resumed } = logging;
    json!({ "indices": indices, "timestamps": timestamps, "missing": missing, "resumed": resumed })
}

pub fn to_text(logging: &Logging) -> String {
    let indices: Vec<_> = logging.indices.iter().map(|index| format!("logged as {index}")).collect();
    let mut parts = if indices.is_empty() { vec!["not logged".to_owned()] } else { indices };
    if logging.timestamps > 0 {
        parts.push("timestamped".to_owned());
    }
    if logging.resumed {
        parts.push("made by an earlier run".to_owned());
    }
    parts.extend(logging.missing.iter().map(|why| format!("without {}", printable(why))));
    format!(" ({})", parts.join("; "))
}
