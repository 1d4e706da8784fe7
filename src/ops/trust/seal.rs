//! Snapshot and timestamp of a draft, and the proof that readers will take it.

use super::{
    TrustError,
    draft::Draft,
    lifetimes::Lifetimes,
    live::{Files, Live, root_version},
    make::unsigned,
    memory::Known,
    writer::Writer,
};
use crate::{
    format::tuf::{Metadata, Role, RoleName},
    trust::tuf::{
        Terms, TrustedStart, Update, UpdateError,
        author::{self, Sealed, next_snapshot, next_timestamp},
    },
};
use bytes::Bytes;
use std::collections::BTreeMap;

/// The files of the next state, sealed with the keys at hand; none if these can't seal it. A root alone, under which the
/// old seal holds, needs none.
pub(super) async fn sealed(writer: &Writer<'_>, draft: &Draft<'_>, live: &Live) -> Result<Option<Files>, TrustError> {
    if !draft.unsigned().is_empty() {
        return Ok(None);
    }
    draft.delegated().iter().try_for_each(|role| draft.check_usable(role))?;
    let mut files: Files = live.files.iter().filter(|(name, _)| root_version(name).is_some()).map(owned).collect();
    files.extend(draft.newer(&RoleName::Root));
    let roles = draft.delegated().into_iter().filter_map(|role| Some((role.clone(), draft.roles.get(&role)?)));
    let roles: BTreeMap<_, _> = roles.collect();
    files.extend(roles.iter().map(|(role, file)| (role.file_name(Some(file.metadata.version())), file.bytes.clone())));

    let lifetimes = Lifetimes::of(draft.root.signed());
    let now = writer.now();
    let listed = roles
        .iter()
        .map(|(role, file)| (role.clone(), Sealed { version: file.metadata.version(), bytes: &file.bytes }));
    let (role, before) = (RoleName::Snapshot, live.state.snapshot().signed());
    let mut snapshot = next_snapshot(Some(before), &listed.collect(), now, lifetimes.until(&role, now))?;
    // There is no file of it any more, and it counts on from its version if it comes back.
    for removed in draft.removed() {
        if let Some(meta) = snapshot.meta.get_mut(&removed.meta_name()) {
            (meta.length, meta.hashes) = (None, None);
        }
    }
    let Some(snapshot) = signed(writer, draft, &role, unsigned(&role, snapshot)?).await? else {
        return Ok(root_alone(draft, live, files));
    };
    let (version, bytes) = (snapshot.version(), snapshot.encode());
    let (role, before) = (RoleName::Timestamp, live.state.timestamp().signed());
    let timestamp = next_timestamp(Some(before), Sealed { version, bytes: &bytes }, now, lifetimes.until(&role, now))?;
    let Some(timestamp) = signed(writer, draft, &role, unsigned(&role, timestamp)?).await? else {
        return Ok(root_alone(draft, live, files));
    };
    files.insert(RoleName::Snapshot.file_name(Some(version)), bytes.into());
    files.insert(role.file_name(None), timestamp.encode().into());
    Ok(Some(files))
}

/// The next roots with the old seal, if nothing else is new and it holds under them.
fn root_alone(draft: &Draft<'_>, live: &Live, mut files: Files) -> Option<Files> {
    let root = draft.root.signed();
    let holds = author::count_top_level(root, &RoleName::Snapshot, live.state.snapshot()).is_met()
        && author::count_top_level(root, &RoleName::Timestamp, live.state.timestamp()).is_met();
    if !(holds && draft.newer.keys().eq([&RoleName::Root])) {
        return None;
    }
    files.extend(live.files.iter().filter(|(name, _)| root_version(name).is_none()).map(owned));
    Some(files)
}

/// A sealing role's file with the signatures of the keys at hand; none if they are not enough.
async fn signed<R: Role>(
    writer: &Writer<'_>,
    draft: &Draft<'_>,
    role: &RoleName,
    mut file: Metadata<R>,
) -> Result<Option<Metadata<R>>, TrustError> {
    let keys = draft.keys(role);
    if !writer.may_sign(&keys) {
        return Ok(None);
    }
    writer.sign_with_all(role, &mut file, &keys).await?;
    Ok(Some(file).filter(|file| author::count_top_level(draft.root.signed(), role, file).is_met()))
}

/// Has the update machine read what is about to be published, as a reader with our memory would: what it refuses is not
/// written, and no role that can be used now is lost.
pub(super) fn check(files: &Files, known: &Known, terms: Terms, draft: &Draft<'_>) -> Result<(), TrustError> {
    let now = terms.now;
    let start = known
        .start
        .clone()
        .unwrap_or_else(|| TrustedStart::Root(draft.live.file(&RoleName::Root).unwrap_or_default().to_vec()));
    let state = update(files, start, terms).map_err(TrustError::Unverifiable)?;
    let overdue = draft.live.overdue(now);
    let delegated = draft.delegated();
    let usable = draft.live.roles().into_iter().map(|role| role.name);
    let mut kept = usable.filter(|role| delegated.contains(role) && overdue.iter().all(|(late, _)| late != role));
    match kept.find(|role| state.targets(role).is_none()) {
        Some(lost) => Err(TrustError::RoleLost(lost.clone())),
        None => Ok(()),
    }
}

/// The role whose file is refused.
pub(super) fn role_of(error: &UpdateError) -> Option<RoleName> {
    match error {
        UpdateError::Malformed { role, .. }
        | UpdateError::Missing { role, .. }
        | UpdateError::TooLarge { role, .. }
        | UpdateError::ThresholdUnmet { role, .. }
        | UpdateError::DuplicateKey { role, .. }
        | UpdateError::Expired { role, .. }
        | UpdateError::MixAndMatch { role, .. }
        | UpdateError::WrongRepository { role, .. }
        | UpdateError::OverLimit { role, .. } => Some(role.clone()),
        UpdateError::RevocationDropped { .. } => Some(RoleName::from(RoleName::REVOKED)),
        _ => None,
    }
}

/// One update over files in memory.
pub(super) fn update(
    files: &Files,
    start: TrustedStart,
    terms: Terms,
) -> Result<crate::trust::tuf::TrustState, UpdateError> {
    let mut update = Update::begin(start, terms)?;
    while let Some(want) = update.want()? {
        match files.get(&want.file) {
            Some(bytes) => update.supply_shared(bytes)?,
            None => update.absent()?,
        };
    }
    update.finish()
}

fn owned((name, bytes): (&String, &Bytes)) -> (String, Bytes) {
    (name.clone(), bytes.clone())
}
