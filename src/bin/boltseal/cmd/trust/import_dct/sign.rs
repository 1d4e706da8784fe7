//! Signing tags that verified in the repository's own trust data.

use crate::{
    cmd::trust::{
        args::ImportDctArgs,
        desk::{Desk, Place},
    },
    exit::Failure,
    output::Output,
};
use boltseal::{
    oci::Digest,
    ops::{
        import_dct::{Compared, Fate, plan},
        trust::{Published, TrustError},
    },
    trust::{notary::NotaryState, tuf::TrustState},
};
use std::collections::{BTreeMap, BTreeSet};

/// What may be missing where a repository's trust data can't be read.
const START: &str = "`boltseal trust init` starts the repository's own trust data, with new keys or with docker's (`boltseal key import`); \
                     --lock or a policy says what is known of them";

/// What is to be signed, and with what.
pub struct Import {
    desk: Desk,
    place: Place,
    fates: BTreeMap<String, Fate>,
    /// The tags to sign.
    tags: BTreeMap<String, Digest>,
    /// The tags that were named.
    named: BTreeSet<String>,
}

impl Import {
    /// Opens the keys and decides of each tag that verified. A dry run needs neither keys nor trust data.
    pub async fn plan(
        args: &ImportDctArgs,
        state: &NotaryState,
        compared: &BTreeMap<String, Compared>,
        output: &Output,
    ) -> Result<Self, Failure> {
        let named: BTreeSet<_> = args.tags.iter().cloned().collect();
        if let Some(tag) = named.iter().find(|tag| !state.tags().contains_key(*tag)) {
            return Err(Failure::usage(format!("{tag}: no tag of {} that verified", args.repository)));
        }
        let write = args.write();
        let (desk, place) = if args.dry_run {
            let desk = Desk::reading(&write.read)?;
            let place = desk.look_at(&args.repository)?;
            (desk, place)
        } else {
            let desk = Desk::writing(&write, output)?;
            let place = desk.work_on(&args.repository)?;
            (desk, place)
        };
        let trust = trust(args, &desk, &place, output).await?;
        let fates = plan(state, compared, trust.as_ref(), &named);
        let signed = |(tag, digest)| (fates.get(tag) == Some(&Fate::Sign)).then(|| (String::clone(tag), digest));
        let tags = state.tags().iter().map(|(tag, signed)| (tag, signed.digest)).filter_map(signed).collect();
        Ok(Self { desk, place, fates, tags, named })
    }

    pub fn fates(&self) -> &BTreeMap<String, Fate> {
        &self.fates
    }

    /// Whether any tag is to be signed.
    pub fn has_tags(&self) -> bool {
        !self.tags.is_empty()
    }

    /// Asks, and signs.
    pub async fn sign(&self, output: &Output) -> Result<Published, Failure> {
        let writer = self.desk.writer(&self.place);
        let question = format!("Sign {} tags of {} in its own trust data?", self.tags.len(), writer.name);
        if !output.confirm(&question).await? {
            return Err(Failure::usage("not confirmed: nothing was signed"));
        }
        Ok(writer.sign_all(&self.tags, &self.named).await?)
    }
}

/// The repository's own trust data; in a dry run there need not be any yet.
async fn trust(
    args: &ImportDctArgs,
    desk: &Desk,
    place: &Place,
    output: &Output,
) -> Result<Option<TrustState>, Failure> {
    match desk.writer(place).state(true).await {
        Ok(trust) => Ok(Some(trust)),
        Err(TrustError::NoAnchor { .. }) if args.dry_run => {
            output.note(format_args!("no trust data of {} are known here: {START}", args.repository));
            Ok(None)
        }
        Err(error) => {
            let missing = match &error {
                TrustError::NoAnchor { .. } => true,
                TrustError::Refused { refusal, .. } => refusal.id() == "trust-removed",
                _ => false,
            };
            let failure = Failure::from(error);
            Err(if missing { Failure { hint: Some(START), ..failure } } else { failure })
        }
    }
}
