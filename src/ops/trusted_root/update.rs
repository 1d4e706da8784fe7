//! Fetches trusted roots by TUF: the one place where they come over the network.

use super::{RoleLine, RootUpdateError, Roots, TrustedRootFileError, in_store, instance, roles};
use crate::{
    format::tuf::{Metadata, RoleName, Root, Target, percent_encode},
    limits::TRUSTED_ROOT_BYTES,
    oci::Digest,
    registry::{Mirror, RegistryError, Session},
    store::{Kept, RootStore, StoredRoot},
    trust::{
        REFRESHED_TARGETS, RefreshedError, SIGNING_CONFIG, TRUSTED_ROOT, TrustedRoot, refresh_terms,
        tuf::{Floors, LookupError, RootFloor, Terms, TrustState, TrustedStart, Update, UpdateError},
    },
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Where an update begins, if not where the last one ended.
#[derive(Clone, Debug, Default)]
pub struct Begin {
    /// The TUF repository: an address, or a folder. It is kept for the next time.
    pub mirror: Option<String>,
    /// The bytes of the TUF root that is trusted; not older than the one that is known.
    pub root: Option<Vec<u8>>,
}

/// What came of an update.
#[derive(Debug)]
pub struct Updated {
    /// Where it came from.
    pub mirror: String,
    /// The top-level roles.
    pub roles: Vec<RoleLine>,
    /// The root.
    pub root: TrustedRoot,
    /// Whether its content is another one than before.
    pub changed: bool,
    /// Whether another process had put a newer state in place meanwhile, which stays.
    pub newer_there: bool,
}

/// Verified files, and what they say.
struct Fetch {
    files: BTreeMap<String, Vec<u8>>,
    state: TrustState,
    root: TrustedRoot,
}

/// Why nothing was fetched.
enum Failed {
    Mirror(RegistryError),
    Refused(RefreshedError),
}

impl Roots {
    /// Refreshes a root by TUF, from where its last update ended: what it saw before is never taken back.
    ///
    /// # Errors
    /// As [`RootUpdateError`] says; what was there is there still.
    pub async fn update(&self, session: &Session, name: &str, begin: &Begin) -> Result<Updated, RootUpdateError> {
        let store = self.store(name)?;
        let known = self.kept(name)?;
        let comes_along = instance(name);
        if known.is_none() && comes_along.is_none() {
            return Err(TrustedRootFileError::Unknown { name: name.to_owned() }.into());
        }
        let mirror = begin.mirror.clone().or_else(|| known.as_ref()?.mirror.clone());
        let mirror = mirror.or_else(|| Some(comes_along?.mirror().to_owned()));
        let last = known.as_ref().and_then(|known| known.files.get(&RoleName::Root.file_name(None)).cloned());
        let floors = last.as_deref().map(floors).unwrap_or_default();
        let start = begin.root.clone().or(last).or_else(|| Some(comes_along?.tuf_root().to_vec()));
        let (Some(mirror), Some(start)) = (mirror, start) else {
            return Err(RootUpdateError::NotRefreshed { name: name.to_owned() });
        };
        let files = known.as_ref().map(|known| known.files.clone()).unwrap_or_default();
        let fetch = self.fetched(session, name, &mirror, (start, floors), &files).await?;
        let stored = fetch.stored(&mirror, self.now);
        let kept = store.refresh(name, known.as_ref(), &stored).map_err(in_store(name))?;
        let changed = files.get(TRUSTED_ROOT) != stored.files.get(TRUSTED_ROOT);
        Ok(fetch.updated(mirror, changed, kept == Kept::NewerThere))
    }

    /// Names a root that is refreshed from a TUF repository, and fetches it.
    ///
    /// # Errors
    /// As [`RootUpdateError`] says; nothing was added then.
    pub async fn add_mirror(
        &self,
        session: &Session,
        name: &str,
        mirror: &str,
        root: Vec<u8>,
        over: bool,
    ) -> Result<Updated, RootUpdateError> {
        let store = self.free(name, over)?;
        let fetch = self.fetched(session, name, mirror, (root, Floors::default()), &BTreeMap::new()).await?;
        store.add(name, &fetch.stored(mirror, self.now), over).map_err(in_store(name))?;
        Ok(fetch.updated(mirror.to_owned(), true, false))
    }

    /// Names a root that came as a file.
    ///
    /// # Errors
    /// As [`RootUpdateError`] says; nothing was added then.
    pub fn add_file(&self, name: &str, bytes: Vec<u8>, over: bool) -> Result<TrustedRoot, RootUpdateError> {
        let store = self.free(name, over)?;
        let root = TrustedRoot::decode(name, &bytes)
            .map_err(|source| TrustedRootFileError::Unusable { name: name.to_owned(), source })?;
        let files = [(TRUSTED_ROOT.to_owned(), bytes)].into();
        let stored = StoredRoot { written: self.now, mirror: None, age: (0, 0), files };
        store.add(name, &stored, over).map_err(in_store(name))?;
        Ok(root)
    }

    /// The store, if a name may be given to a new root in it.
    fn free(&self, name: &str, over: bool) -> Result<&RootStore, RootUpdateError> {
        let refused = |why| RootUpdateError::Name { name: name.to_owned(), why };
        if !RootStore::is_name(name) {
            return Err(refused("expected lower-case letters, digits and `-`, a letter first, at most 63 of them"));
        }
        if instance(name).is_some() {
            return Err(refused("it is that of a root that comes with this program; choose another one"));
        }
        if !over && self.kept(name)?.is_some() {
            return Err(refused("there is a root of this name; --force puts this one in its place"));
        }
        Ok(self.store(name)?)
    }

    async fn fetched(
        &self,
        session: &Session,
        name: &str,
        mirror: &str,
        (start, floors): (Vec<u8>, Floors),
        known: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Fetch, RootUpdateError> {
        let named = name.to_owned();
        let unread = |source| RootUpdateError::Mirror { name: name.to_owned(), source };
        let place = session.mirror(mirror).map_err(unread)?;
        let roles = [RoleName::Timestamp, RoleName::Snapshot, RoleName::Targets];
        let files =
            roles.into_iter().filter_map(|role| Some((role.clone(), known.get(&role.file_name(None))?.clone())));
        let terms = Terms { floors, ..refresh_terms(self.now, files.collect()) };
        let update = Update::begin(TrustedStart::Root(start), terms)
            .map_err(|source| RootUpdateError::Start { name: named, source })?;
        fetch(&place, name, update, known).await.map_err(|failed| match failed {
            Failed::Mirror(source) => unread(source),
            Failed::Refused(source) => {
                let (name, mirror, source) = (name.to_owned(), mirror.to_owned(), Box::new(source));
                RootUpdateError::Refused { name, mirror, source }
            }
        })
    }
}

/// Runs an update against a mirror. Of a root's next version alone "not there" is an answer: that the chain ends.
async fn fetch(
    mirror: &Mirror,
    name: &str,
    mut update: Update,
    known: &BTreeMap<String, Vec<u8>>,
) -> Result<Fetch, Failed> {
    while let Some(want) = update.want()? {
        match mirror.fetch(&want.file, want.max_bytes).await {
            Ok(bytes) => update.supply(&bytes)?,
            Err(error) if error.is_not_found() && want.role == RoleName::Root => update.absent()?,
            Err(error) => return Err(Failed::Mirror(error)),
        };
    }
    let state = update.finish()?;
    let role = |role: &RoleName| Some((role.file_name(None), state.file(role)?.to_vec()));
    let mut files: BTreeMap<_, _> = state.roles().iter().filter_map(|state| role(state.name)).collect();
    for name in REFRESHED_TARGETS {
        let target = match state.lookup(name) {
            Ok(listed) => listed.target,
            Err(LookupError::NotListed { .. }) if name == SIGNING_CONFIG => continue,
            Err(error) => return Err(RefreshedError::from(error).into()),
        };
        files.insert(name.to_owned(), fetch_target(mirror, name, &state, target, known.get(name)).await?);
    }
    let bytes = files.get(TRUSTED_ROOT).map(Vec::as_slice).unwrap_or_default();
    let root = TrustedRoot::decode(name, bytes).map_err(RefreshedError::from)?;
    Ok(Fetch { files, state, root })
}

async fn fetch_target(
    mirror: &Mirror,
    name: &'static str,
    state: &TrustState,
    target: &Target,
    known: Option<&Vec<u8>>,
) -> Result<Vec<u8>, Failed> {
    if let Some(known) = known.filter(|known| target.is(known)) {
        return Ok(known.clone());
    }
    if target.length > TRUSTED_ROOT_BYTES {
        return Err(RefreshedError::TooLarge { target: name, listed: target.length }.into());
    }
    // With consistent snapshots a target's file has its hash before its name (TUF 1.0.34, 6.2).
    let hashes = target.hashes.to_map();
    let hash = hashes.get("sha256").or_else(|| hashes.values().next());
    let file = match hash.filter(|_| state.root().signed().consistent_snapshot) {
        Some(hash) => format!("targets/{}.{name}", percent_encode(hash, b"")),
        None => format!("targets/{name}"),
    };
    let bytes = mirror.fetch(&file, target.length).await.map_err(Failed::Mirror)?;
    if target.is(&bytes) { Ok(bytes) } else { Err(RefreshedError::Content(name).into()) }
}

/// That no root older than the last one counts, nor another one of its version.
fn floors(root: &[u8]) -> Floors {
    let root = Metadata::<Root>::decode(root).ok();
    let floor = root.map(|root| RootFloor { version: root.version(), digest: Some(Digest::sha256(root.received())) });
    Floors { root: floor, ..Floors::default() }
}

impl Fetch {
    fn stored(&self, mirror: &str, written: Timestamp) -> StoredRoot {
        let age = (self.state.root().version(), self.state.timestamp().version());
        StoredRoot { written, mirror: Some(mirror.to_owned()), age, files: self.files.clone() }
    }

    fn updated(self, mirror: String, changed: bool, newer_there: bool) -> Updated {
        Updated { mirror, roles: roles(&self.state), root: self.root, changed, newer_there }
    }
}

impl From<UpdateError> for Failed {
    fn from(error: UpdateError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<RefreshedError> for Failed {
    fn from(error: RefreshedError) -> Self {
        Self::Refused(error)
    }
}
