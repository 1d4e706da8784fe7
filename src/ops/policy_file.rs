//! Finds and loads the policy file. Never from the working directory by itself: a cloned repository must not bring
//! its own law.

use super::trusted_root::Roots;
use crate::{
    crypto::hash::Hasher,
    limits::{POLICY_BYTES, REGO_BYTES},
    oci::Digest,
    policy::{Policy, PolicyError},
    rego::Runner,
    store::{KeySource, TrustLockError, load_public_key, read_trust_lock},
    trust::tuf::TrustLock,
};
use jiff::Timestamp;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// A policy and the file that it came from.
#[derive(Debug)]
pub struct PolicyFile {
    /// The policy.
    pub policy: Policy,
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of its bytes, and of the Rego files that it names: stands in every report.
    pub digest: Digest,
    /// The locks that it names, by the name it gives them.
    pub locks: BTreeMap<String, TrustLock>,
    /// The files that it names: keys, Rego, trusted roots, locks. A trusted root that is named by a word is no file there.
    pub files: Vec<PathBuf>,
    /// SHA-256 over its bytes and all that it names: keys, files, trusted roots, locks.
    pub material: Digest,
    /// When the first of its trusted roots expires that were fetched by name.
    pub until: Option<Timestamp>,
}

/// Why there is no policy to judge by.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFileError {
    /// None was named and none was found.
    #[error("no trust policy: name one with --policy or BOLTSEAL_POLICY, or put it at {}", .0.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" or "))]
    None(Vec<PathBuf>),
    /// The file could not be read.
    #[error("policy {path}: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is not text.
    #[error("policy {path}: not UTF-8 text", path = .path.display())]
    Text {
        /// The file.
        path: PathBuf,
    },
    /// The policy can't be used.
    #[error("policy {path}: {source}", path = .path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<PolicyError>,
    },
    /// A lock that the policy names can't be used.
    #[error("policy {path}: lock: {source}", path = .path.display())]
    Lock {
        /// The policy's file.
        path: PathBuf,
        /// What is wrong with the lock.
        source: Box<TrustLockError>,
    },
}

/// The policy's path: `named` (from the command line or `BOLTSEAL_POLICY`), else the first of `places` that exists.
///
/// # Errors
/// None was named and none exists.
pub fn find(named: Option<PathBuf>, places: &[PathBuf]) -> Result<PathBuf, PolicyFileError> {
    // Only what is certainly not there is passed over: a policy that can't be looked at must not give way to another.
    let absent = |e: io::Error| matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    let there = |path: &&PathBuf| !path.symlink_metadata().is_err_and(absent);
    named.or_else(|| places.iter().find(there).cloned()).ok_or_else(|| PolicyFileError::None(places.to_vec()))
}

/// Loads a policy; the keys, locks and files of trusted roots that it names are read from its own folder, trusted roots that it
/// names by a word come from `roots`, and `rego` runs the Rego programs that it names.
///
/// # Errors
/// The file, one of its keys, locks or trusted roots can't be read, or the policy can't be used.
pub fn load(path: &Path, roots: &Roots, rego: &Arc<dyn Runner>) -> Result<PolicyFile, PolicyFileError> {
    let read = |source| PolicyFileError::Read { path: path.to_owned(), source };
    // One byte more than is allowed: the parser says which limit was passed.
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(POLICY_BYTES + 1).read_to_end(&mut bytes)).map_err(read)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| PolicyFileError::Text { path: path.to_owned() })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let named = RefCell::new(Named::of(&bytes));
    let key = |name: &str| {
        let key = load_public_key(&KeySource::Path(folder.join(name))).map_err(|error| error.to_string())?;
        named.borrow_mut().has(name, key.fingerprint().to_string().as_bytes());
        Ok(key)
    };
    let file = |name: &str| {
        if name.ends_with(".rego") {
            let program = read_rego(&folder.join(name)).map_err(|error| error.to_string())?;
            named.borrow_mut().has(name, &program);
            return Ok(Some(program));
        }
        let file = roots.for_policy(name, folder).map_err(|error| error.to_string())?;
        named.borrow_mut().has(name, file.as_deref().unwrap_or_default());
        named.borrow_mut().expires(roots.expires(name).map_err(|error| error.to_string())?);
        Ok(file)
    };
    let policy = Policy::parse_run_by(text, &key, &file, rego)
        .map_err(|source| PolicyFileError::Policy { path: path.to_owned(), source: Box::new(source) })?;
    let lock = |name: &str| Ok((name.to_owned(), read_trust_lock(&folder.join(name))?));
    let locks = policy.locks().map(lock).collect::<Result<BTreeMap<_, _>, _>>();
    let locks = locks.map_err(|source| PolicyFileError::Lock { path: path.to_owned(), source: Box::new(source) })?;
    let mut named = named.into_inner();
    locks.iter().for_each(|(name, lock)| named.has(name, &lock.encode()));
    let files = named.names.iter().map(|name| folder.join(name)).collect();
    let (material, until) = (named.hasher.finish().into(), named.until);
    Ok(PolicyFile { digest: digest(&bytes, &policy), policy, path: path.to_owned(), locks, files, material, until })
}

/// One byte more than is allowed, where there are: whoever takes it says which limit was passed.
fn read_rego(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(REGO_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What `{ cat POLICY; sha256sum FILE.rego…; } | sha256sum` says, with the files in the order of their names; without such files
/// what `sha256sum POLICY` does.
fn digest(policy_file: &[u8], policy: &Policy) -> Digest {
    let mut bytes = policy_file.to_vec();
    for rego in policy.rego_files() {
        bytes.extend(format!("{}  {}\n", rego.digest.hex(), rego.file).into_bytes());
    }
    Digest::sha256(&bytes)
}

/// What a policy names, as far as it was read.
struct Named {
    hasher: Hasher,
    names: Vec<String>,
    until: Option<Timestamp>,
}

impl Named {
    fn of(policy: &[u8]) -> Self {
        let mut named = Self { hasher: Hasher::sha256(), names: Vec::new(), until: None };
        named.hash("", policy);
        named
    }

    fn has(&mut self, name: &str, content: &[u8]) {
        self.names.push(name.to_owned());
        self.hash(name, content);
    }

    /// Each part stands behind its length, so that no two lists of parts hash the same bytes.
    fn hash(&mut self, name: &str, content: &[u8]) {
        for part in [name.as_bytes(), content] {
            self.hasher.update(&(part.len() as u64).to_be_bytes());
            self.hasher.update(part);
        }
    }

    fn expires(&mut self, at: Option<Timestamp>) {
        self.until = self.until.into_iter().chain(at).min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rego::InProcess;

    fn load(path: &Path) -> Result<PolicyFile, PolicyFileError> {
        super::load(path, &Roots::new(None, Timestamp::UNIX_EPOCH), &(Arc::new(InProcess) as Arc<dyn Runner>))
    }

    // [V-30]
    #[test]
    fn the_named_policy_comes_first_and_a_missing_one_is_not_made_up() {
        let home = tempfile::tempdir().expect("a folder");
        let (first, second) = (home.path().join("a.yaml"), home.path().join("b.yaml"));
        let places = [first.clone(), second.clone()];
        assert!(matches!(find(None, &places), Err(PolicyFileError::None(_))));
        std::fs::write(&second, "").expect("a file");
        assert_eq!(find(None, &places).expect("the second"), second);
        std::fs::write(&first, "").expect("a file");
        assert_eq!(find(None, &places).expect("the first"), first);
        let named = home.path().join("nowhere.yaml");
        assert_eq!(find(Some(named.clone()), &places).expect("the named"), named);
        assert!(matches!(load(&named), Err(PolicyFileError::Read { .. })));
    }

    // [V-178]
    #[test]
    fn the_digest_covers_the_rego_files() {
        let home = tempfile::tempdir().expect("a folder");
        let policy = home.path().join("policy.yaml");
        let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).expect("a file");
        let scope = |rego: &str| {
            let pem = include_str!("../../keys/ci.test.pub").replace('\n', "\\n");
            format!(
                "version: 1\nauthorities: {{ a: {{ key: \"{pem}\" }} }}\n\
                 images: {{ x.example/**: {{ signatures: {{ from: [a] }}{rego} }} }}\n"
            )
        };
        write("policy.yaml", &scope(""));
        assert_eq!(load(&policy).expect("a policy").digest, Digest::sha256(scope("").as_bytes()));
        let text = scope(", rego: a.rego");
        write("policy.yaml", &text);
        let missing = load(&policy).expect_err("no file").to_string();
        assert!(missing.contains("line 3") && missing.contains("rego a.rego: No such file"), "{missing}");
        let program = "package a\n\ndeny contains \"no\" if input.digest == \"\"\n";
        write("a.rego", program);
        let listed = format!("{text}{}  a.rego\n", Digest::sha256(program.as_bytes()).hex());
        assert_eq!(load(&policy).expect("a policy").digest, Digest::sha256(listed.as_bytes()));
        write("a.rego", "package a\n");
        assert!(load(&policy).expect_err("no rule").to_string().contains("has no rule `deny`"));
        write("a.rego", &"#".repeat(REGO_BYTES + 1));
        assert!(load(&policy).expect_err("too large").to_string().contains("at most 262144"));
    }

    #[test]
    fn locks_lie_beside_the_policy_and_have_to_be_there() {
        let home = tempfile::tempdir().expect("a folder");
        let policy = home.path().join("policy.yaml");
        let text = "version: 1\nimages:\n  \"x.example/**\": { content-trust: { lock: a.lock } }\n";
        std::fs::write(&policy, text).expect("a file");
        let refused = load(&policy);
        let absent = |source: &TrustLockError| matches!(source, TrustLockError::Absent { .. });
        assert!(matches!(refused, Err(PolicyFileError::Lock { source, .. }) if absent(&source)));
        std::fs::write(home.path().join("a.lock"), TrustLock::default().encode()).expect("a file");
        assert_eq!(load(&policy).expect("a policy").locks["a.lock"], TrustLock::default());
    }

    // [V-309]
    #[test]
    fn the_material_is_the_policy_with_all_that_it_names() {
        let home = tempfile::tempdir().expect("a folder");
        let policy = home.path().join("policy.yaml");
        let text = "version: 1\nauthorities:\n  a: { key: a.pub }\nimages:\n  \"x.example/**\": { signatures: { from: [a] } }\n";
        std::fs::write(&policy, text).expect("a file");
        let of = |key: &str| {
            std::fs::copy(format!("keys/{key}.test.pub"), home.path().join("a.pub")).expect("a key");
            load(&policy).expect("a policy")
        };
        let (one, other, again) = (of("release"), of("qa"), of("release"));
        assert_eq!((one.digest, one.material), (again.digest, again.material));
        assert_eq!(one.digest, other.digest);
        assert_ne!(one.material, other.material);
    }
}
