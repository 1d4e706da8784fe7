use super::{
    Access, Fault, Fetched, RegistryError, Selector, Session, TagRead,
    auth::Tokens,
    body::{BodyError, Check, Expected},
    exchange::{Answer, Request, Target},
    host::Host,
    mirrored::Endpoint,
    retry::{delay, retrying},
    transport::join,
};
use crate::{
    limits::{MANIFEST_BYTES, TRIES},
    oci::{Descriptor, Digest, Manifest, RepositoryName, media_type},
};
use http::{HeaderValue, Method, StatusCode, header};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::SemaphorePermit,
};

/// A repository in a registry. Cloning is cheap and shares everything.
#[derive(Clone)]
pub struct Remote {
    inner: Arc<Inner>,
}

struct Inner {
    session: Session,
    host: Arc<Host>,
    name: RepositoryName,
    access: Access,
    tokens: Arc<Tokens>,
    login: RepositoryName,
    last_reads: Mutex<BTreeMap<String, TagRead>>,
    endpoints: Vec<Endpoint>,
}

impl Remote {
    pub(super) fn new(session: Session, host: Arc<Host>, name: RepositoryName, access: Access) -> Self {
        let login = name.clone();
        Self::with_login(session, host, name, access, login)
    }

    /// A repository of a server that takes the credentials of another one's repository.
    pub(super) fn with_login(
        session: Session,
        host: Arc<Host>,
        name: RepositoryName,
        access: Access,
        login: RepositoryName,
    ) -> Self {
        let tokens = host.tokens(&name, access);
        let (last_reads, endpoints) = (Mutex::default(), Vec::new());
        Self { inner: Arc::new(Inner { session, host, name, access, tokens, login, last_reads, endpoints }) }
    }

    /// The same repository where it is reached at these places, if any, and not at its name's.
    pub(super) fn at(mut self, endpoints: Vec<Endpoint>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.endpoints = endpoints;
        }
        self
    }

    pub(super) fn endpoints(&self) -> &[Endpoint] {
        &self.inner.endpoints
    }

    /// The repository's name.
    #[must_use]
    pub fn name(&self) -> &RepositoryName {
        &self.inner.name
    }

    /// Whose credentials are used.
    pub(super) fn login(&self) -> &RepositoryName {
        &self.inner.login
    }

    pub(super) fn session(&self) -> &Session {
        &self.inner.session
    }

    pub(super) fn host(&self) -> &Host {
        &self.inner.host
    }

    pub(super) fn access(&self) -> Access {
        self.inner.access
    }

    pub(super) fn tokens(&self) -> &Tokens {
        &self.inner.tokens
    }

    /// Reads of shared tags, kept for the writes that may follow them.
    pub(super) fn last_reads(&self) -> &Mutex<BTreeMap<String, TagRead>> {
        &self.inner.last_reads
    }

    pub(super) async fn slot(&self) -> Result<SemaphorePermit<'_>, Fault> {
        self.inner.host.slots.acquire().await.map_err(|_| Fault::Protocol("the session was closed".to_owned()))
    }

    /// `v2/PATH/rest`.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("v2/{}/{rest}", self.inner.name.path)
    }

    /// Puts the action and the repository's name to a fault.
    pub(super) fn during(&self, doing: &str, what: &dyn fmt::Display) -> impl FnOnce(Fault) -> RegistryError {
        let name = &self.inner.name;
        let action = format!("{doing} {what} of {name}");
        move |fault| fault.during(action)
    }

    /// Fetches a manifest.
    ///
    /// Checks: at most [`MANIFEST_BYTES`]; by digest, that the bytes have it; by tag, that they have the digest that the
    /// registry states, where it states one (`Docker-Content-Digest`); that they are a manifest of the media type that
    /// the registry states. Does not check: that the tag still means it.
    ///
    /// # Errors
    /// [`Fault::NotFound`] if the registry says that it is not there; any other fault.
    pub async fn manifest(&self, at: &Selector) -> Result<Fetched, RegistryError> {
        self.fetch_manifest(at).await.map_err(self.during("reading", at))
    }

    pub(super) async fn fetch_manifest(&self, at: &Selector) -> Result<Fetched, Fault> {
        self.fetch_manifest_of(at, None).await
    }

    pub(super) async fn fetch_manifest_of(&self, at: &Selector, size: Option<u64>) -> Result<Fetched, Fault> {
        let request = self.manifest_request(Method::GET, at);
        let digest = match at {
            Selector::Digest(digest) => Some(*digest),
            Selector::Tag(_) => None,
        };
        let expected = Expected { digest, size, ..Expected::at_most("the manifest", MANIFEST_BYTES) };
        let answer = self.exchange(&request, expected).await?.with(&[StatusCode::OK], &request)?;
        let digest = match digest {
            Some(digest) => digest,
            None => checked_digest(&answer)?,
        };
        fetched(answer, digest)
    }

    pub(super) fn manifest_request(&self, method: Method, at: &Selector) -> Request {
        let mut request = Request::new(method, Target::Path(self.path(&format!("manifests/{at}"))));
        if let Ok(accepted) = HeaderValue::from_str(&media_type::MANIFESTS.join(", ")) {
            request.headers.insert(header::ACCEPT, accepted);
        }
        if matches!(at, Selector::Tag(_)) {
            // A cache on the way must not have us judge, or write on, what a tag meant some time ago.
            request.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        request
    }

    /// Resolves a tag to what it means now, by HEAD; by GET where the registry's answer to that leaves digest, size or
    /// media type out. What comes back is the registry's word until the manifest is fetched by the digest.
    ///
    /// # Errors
    /// [`Fault::NotFound`] if the registry says that the tag is not there; any other fault.
    pub async fn resolve(&self, tag: &str) -> Result<Descriptor, RegistryError> {
        self.resolve_tag(&Selector::Tag(tag.to_owned())).await.map_err(self.during("resolving the tag", &tag))
    }

    /// Tells what a registry has at a tag or digest, as [`Remote::resolve`] does for a tag.
    ///
    /// # Errors
    /// [`Fault::NotFound`] if the registry says that it is not there; [`Fault::Digest`] if it answers with another
    /// digest than was asked for; any other fault.
    pub async fn describe(&self, at: &Selector) -> Result<Descriptor, RegistryError> {
        let descriptor = self.resolve_tag(at).await.map_err(self.during("looking for", at))?;
        match at {
            Selector::Digest(expected) if *expected != descriptor.digest => {
                let fault = Fault::Digest { expected: *expected, actual: descriptor.digest };
                Err(self.during("looking for", at)(fault))
            }
            _ => Ok(descriptor),
        }
    }

    async fn resolve_tag(&self, at: &Selector) -> Result<Descriptor, Fault> {
        let request = self.manifest_request(Method::HEAD, at);
        let answer = self.exchange(&request, Expected::at_most("the answer to HEAD", u64::MAX)).await?;
        let unknown = matches!(answer.status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED);
        if !unknown {
            let answer = answer.with(&[StatusCode::OK], &request)?;
            if let Some(descriptor) = stated_descriptor(&answer) {
                return Ok(descriptor);
            }
        }
        Ok(self.fetch_manifest(at).await?.descriptor)
    }

    /// Fetches a blob of any size into `sink`, and tells `progress` how many bytes there are so far.
    ///
    /// Checks: size and digest; what the sink holds is only good once this returns `Ok`. There is no bound on the whole
    /// time, only on the time without a byte. A broken connection is taken up again where it broke.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn blob_to(
        &self,
        descriptor: &Descriptor,
        sink: &mut (dyn AsyncWrite + Send + Unpin),
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), RegistryError> {
        self.stream(descriptor, sink, progress).await.map_err(self.during("reading the blob", &descriptor.digest))
    }

    async fn stream(
        &self,
        descriptor: &Descriptor,
        sink: &mut (dyn AsyncWrite + Send + Unpin),
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Fault> {
        let _slot = self.slot().await?;
        let (size, digest) = (Some(descriptor.size), Some(descriptor.digest));
        let expected = Expected { what: "the blob", cap: descriptor.size, size, digest };
        let mut check = Check::begin(expected, None)?;
        let mut tries = 0;
        loop {
            let before = check.read();
            let broken = match self.stream_on(descriptor, &mut check, sink, progress).await {
                Ok(()) => break,
                Err(BodyError::Wrong(fault)) => return Err(fault),
                Err(broken) => self.unread(broken).fault,
            };
            tries = if check.read() > before { 1 } else { tries + 1 };
            if tries >= TRIES {
                return Err(broken);
            }
            tokio::time::sleep(delay(self.session().inner.options.backoff, tries)).await;
        }
        check.finish()?;
        sink.flush().await.map_err(unwritten)
    }

    /// Reads on from where `check` stands.
    async fn stream_on(
        &self,
        descriptor: &Descriptor,
        check: &mut Check,
        sink: &mut (dyn AsyncWrite + Send + Unpin),
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), BodyError> {
        let done = check.read();
        let mut request = Request::get(self.path(&format!("blobs/{}", descriptor.digest)));
        if done > 0 {
            let range = HeaderValue::from_str(&format!("bytes={done}-")).map_err(|e| Fault::Protocol(e.to_string()))?;
            request.headers.insert(header::RANGE, range);
        }
        let options = &self.session().inner.options;
        let open = retrying(options.backoff, || async {
            let opened = self.open(&request).await?;
            if opened.response.status().is_success() { Ok(opened) } else { Err(opened.into_error(&request).await) }
        });
        let limit = options.operation_timeout;
        let opened = tokio::time::timeout(limit, open).await.unwrap_or(Err(Fault::Timeout(limit)))?;
        let mut response = opened.response;
        // Without a partial answer the bytes come again from the first on.
        let mut skip = if response.status() == StatusCode::PARTIAL_CONTENT { 0 } else { done };
        while let Some(chunk) = response.chunk().await.map_err(BodyError::Broken)? {
            let known = chunk.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
            skip -= known as u64;
            let new = chunk.get(known..).unwrap_or_default();
            check.take(new)?;
            sink.write_all(new).await.map_err(unwritten)?;
            progress(check.read());
        }
        Ok(())
    }

    /// An address that an answer of the registry named.
    pub(super) fn next_address(answer: &Answer, location: &str) -> Result<Target, Fault> {
        join(&answer.url, location).map(Target::Url)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("name", &self.inner.name)
            .field("access", &self.inner.access)
            .finish_non_exhaustive()
    }
}

fn unwritten(source: std::io::Error) -> Fault {
    Fault::Io { path: "the blob's destination".into(), source }
}

/// A manifest whose bytes have this digest, decoded.
pub(super) fn fetched(answer: Answer, digest: Digest) -> Result<Fetched, Fault> {
    let manifest = Manifest::decode(&answer.body)?;
    let media_type = stated_media_type(&answer, &manifest)?;
    let descriptor = Descriptor { digest, ..Descriptor::of(&media_type, &answer.body) };
    Ok(Fetched { descriptor, bytes: answer.body, manifest })
}

/// The digest of a manifest that was fetched by tag: the one that the registry states, which the bytes must have.
pub(super) fn checked_digest(answer: &Answer) -> Result<Digest, Fault> {
    let Some(stated) = answer.header("docker-content-digest") else { return Ok(Digest::sha256(&answer.body)) };
    let expected: Digest = stated.parse().map_err(|error: crate::oci::DigestError| {
        Fault::Protocol(format!("the header Docker-Content-Digest is wrong: {error}"))
    })?;
    let actual = expected.same_algorithm(&answer.body);
    if actual == expected { Ok(expected) } else { Err(Fault::Digest { expected, actual }) }
}

/// The media type as answered. A registry that states a manifest's media type must not contradict the manifest.
fn stated_media_type(answer: &Answer, manifest: &Manifest) -> Result<String, Fault> {
    let inside = manifest.media_type();
    match content_type(answer) {
        Some(stated) if media_type::MANIFESTS.contains(&stated) => {
            let says_nothing = match manifest {
                Manifest::Image(image) => image.media_type.is_none() && stated == media_type::DOCKER_MANIFEST,
                Manifest::Index(index) => index.media_type.is_none() && stated == media_type::DOCKER_LIST,
            };
            if stated != inside && !says_nothing {
                // The header is the registry's word, the bytes are whoever pushed them's: the fault is the registry's.
                return Err(Fault::Protocol(format!("answered as {stated}, but the manifest is {inside}")));
            }
            Ok(stated.to_owned())
        }
        _ => Ok(inside.to_owned()),
    }
}

/// What the headers of an answer to HEAD state, if they state all of it.
fn stated_descriptor(answer: &Answer) -> Option<Descriptor> {
    let digest = answer.header("docker-content-digest")?.parse().ok()?;
    let size = answer.header("content-length")?.parse().ok()?;
    let media_type = content_type(answer).filter(|stated| media_type::MANIFESTS.contains(stated))?;
    Some(Descriptor { digest, size, ..Descriptor::of(media_type, &[]) })
}

fn content_type(answer: &Answer) -> Option<&str> {
    answer.header("content-type")?.split(';').next().map(str::trim).filter(|text| !text.is_empty())
}
