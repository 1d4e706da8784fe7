//! What is verified: many small images, each with bundles, pushed and signed by the library.

use boltseal::{
    crypto::{PrivateKey, keyfile::Password},
    format::{bundle, predicate, statement::Statement},
    oci::{Descriptor, Digest, ImageManifest, Manifest, Reference, media_type},
    registry::{Access, Options, Repo, Selector, Session},
    sign::{LocalSigner, Signer as _, seal},
    store::{KeySource, load_private_key},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Map, Value};
use std::{error::Error, net::SocketAddr, path::PathBuf, time::Duration};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Pushes and signs, with one key.
pub struct Pusher {
    session: Session,
    signer: LocalSigner,
}

impl Pusher {
    /// The key is the file at `key`, encrypted with `password`; `authorities` are trusted for TLS.
    pub fn new(key: &str, password: &str, authorities: &[PathBuf]) -> Result<Self> {
        // Nobody else writes here: nothing has to settle.
        let options = Options { settle: Duration::ZERO, registry_ca: authorities.to_vec(), ..Options::default() };
        let session = Session::new(options)?;
        let mut password = || Ok(Password::new(password.as_bytes().to_vec()));
        let key: PrivateKey = load_private_key(&KeySource::Path(key.into()), &mut password, true)?.key;
        Ok(Self { session, signer: LocalSigner::new(key) })
    }

    /// One image with `bundles` signatures; its reference by digest.
    pub async fn image(&self, registry: SocketAddr, repository: &str, tag: &str, bundles: usize) -> Result<String> {
        let name = format!("{registry}/{repository}:{tag}");
        let reference: Reference = name.parse()?;
        let repo = self.session.open(&reference.repository, Access::PullPush)?;
        let config = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
        repo.push_blob(config).await?;
        repo.push_blob(name.as_bytes()).await?;
        let layer = Descriptor::of("application/vnd.oci.image.layer.v1.tar", name.as_bytes());
        let image = ImageManifest::new(Descriptor::of(media_type::IMAGE_CONFIG, config), vec![layer]);
        let content = serde_json::to_vec(&image)?;
        let subject = Descriptor::of(media_type::IMAGE_MANIFEST, &content);
        repo.push_manifest(&Selector::Tag(tag.to_owned()), &Manifest::Image(Box::new(image))).await?;
        if bundles > 0 {
            repo.push_blob(media_type::EMPTY_CONTENT).await?;
        }
        for number in 0..bundles {
            self.bundle(&repo, &subject, number).await?;
        }
        Ok(format!("{registry}/{repository}@{}", subject.digest))
    }

    /// `count` images in repositories of their own, with one bundle each.
    pub async fn fleet(&self, registry: SocketAddr, count: usize) -> Result<Vec<String>> {
        let images = stream::iter(0..count);
        let push = |number| async move { self.image(registry, &format!("fleet/{number}"), "1", 1).await };
        images.map(push).buffered(16).try_collect().await
    }

    /// As `sign --format bundle` writes it; the number makes it another than its siblings.
    async fn bundle(&self, repo: &Repo, subject: &Descriptor, number: usize) -> Result<Digest> {
        let predicate = Value::Object(Map::new());
        let mut statement = Statement::about(&subject.digest, None, predicate::IMAGE_SIGNATURE, predicate);
        for named in &mut statement.subject {
            named.annotations = Some([("number".to_owned(), Value::from(number.to_string()))].into());
        }
        let envelope = seal(statement.encode(), &self.signer).await?;
        let content = bundle::encode_keyed(&envelope, &self.signer.public_key().hint());
        repo.push_blob(&content).await?;
        let layer = Descriptor::of(media_type::BUNDLE_V03, &content);
        let mut manifest = ImageManifest::new(Descriptor::empty(), vec![layer]);
        manifest.artifact_type = Some(media_type::BUNDLE_V03.to_owned());
        manifest.subject = Some(subject.clone());
        manifest.annotations.insert(media_type::BUNDLE_CONTENT_ANNOTATION.to_owned(), "dsse-envelope".to_owned());
        let predicate = (media_type::BUNDLE_PREDICATE_ANNOTATION.to_owned(), predicate::IMAGE_SIGNATURE.to_owned());
        manifest.annotations.extend([predicate]);
        Ok(repo.attach(&manifest).await?)
    }
}
