//! `content-trust` of the Docker daemon's daemon.json (Docker Enterprise 3.1, Mirantis Container Runtime).

use super::{Draft, ImportError, Node, Read, draft::disabled};

pub(super) fn read(root: Node, draft: &mut Draft) -> Read<()> {
    let mut root = root.fields()?;
    let missing = ImportError::Shape {
        place: "content-trust".to_owned(),
        expected: "a mapping; without it nothing was verified",
    };
    let node = root.take("content-trust").ok_or(missing)?;
    let here = node.clone();
    let mut fields = node.fields()?;
    let mode = fields.take("mode");
    match mode.as_ref().map(Node::text).transpose()? {
        Some("ignored" | "disabled") => draft.scope("**", disabled(), &here),
        None => draft.lose(&here, "no mode, so what the daemon did depends on its version; its images are denied"),
        Some(other) => {
            let why =
                format!("{other}: the root keys that it starts from have no equal here, so its images are denied");
            draft.lost.extend(mode.as_ref().map(|mode| mode.lost(why)));
        }
    }
    if let Some(pins) = fields.take("trust-pinning") {
        pinning(pins, draft)?;
    }
    draft.lost.extend(fields.rest());
    Ok(())
}

/// Names of root keys are Notary's there, digests of a JSON text; ours are of the key itself, and neither tells the other.
fn pinning(pins: Node, draft: &mut Draft) -> Read<()> {
    let mut fields = pins.fields()?;
    if let Some(keys) = fields.take("root-keys") {
        for (repository, ids) in keys.fields()?.each() {
            draft.lose(&ids, format!("Notary's key ids do not tell the keys: `boltseal trust import-dct` of {repository} brings its root key along"));
        }
    }
    if let Some(library) = fields.take("library-images")
        && library.flag()?
    {
        draft.lose(&library, "the root key of Docker's official images is not built in here");
    }
    draft.lost.extend(fields.rest());
    Ok(())
}
