use super::*;
use crate::{crypto::PrivateKey, trust::TrustedRoot};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};

fn parameters(name: &str, ca: bool) -> CertificateParams {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.distinguished_name.push(DnType::OrganizationName, "acme");
    parameters.is_ca = if ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
    parameters
}

/// A root, an intermediate below it, and a leaf below that, in PEM.
fn chain(name: &str) -> [String; 3] {
    let keys: [KeyPair; 3] = std::array::from_fn(|_| KeyPair::generate().unwrap());
    let names = [format!("{name} root"), format!("{name} below"), format!("{name} leaf")];
    let root = parameters(&names[0], true).self_signed(&keys[0]).unwrap();
    let [a, b, c] = &keys;
    let below = parameters(&names[1], true).signed_by(b, &Issuer::new(parameters(&names[0], true), a)).unwrap();
    let leaf = parameters(&names[2], false).signed_by(c, &Issuer::new(parameters(&names[1], true), b)).unwrap();
    [root.pem(), below.pem(), leaf.pem()]
}

fn pem(algorithm: KeyAlgorithm) -> String {
    PrivateKey::generate(algorithm).unwrap().public().to_pem()
}

#[test]
fn all_kinds_are_made_and_read_again() {
    let [root, below, leaf] = chain("one");
    let mut parts = Parts::default();
    let service = Service { url: "https://x.example".to_owned(), ..Service::default() };
    parts.authority(&format!("{below}{root}"), &service).unwrap();
    parts.timestamp_authority(&format!("{leaf}{below}{root}"), &service).unwrap();
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::Ed25519, KeyAlgorithm::Rsa(2048)]
    {
        parts.log(pem(algorithm).as_bytes(), &service).unwrap();
        parts.ct_log(pem(algorithm).as_bytes(), &service).unwrap();
    }
    let made = TrustedRoot::decode("made", &parts.encode()).unwrap();
    assert_eq!(made.unusable(), [] as [String; 0]);
    assert_eq!(parts.counts(), [4, 1, 4, 1]);
    assert_eq!((made.logs().len(), made.authorities().len()), (4, 1));
    assert_eq!(made.authorities()[0].what.intermediates(), 1);
    assert_eq!(made.timestamp_authorities()[0].what.signer.as_ref().unwrap().subject(), "O=acme,CN=one leaf");
    assert!(made.logs().iter().all(|log| log.what.id == log.what.key.fingerprint().bytes()));
    assert!(made.logs()[0].covers(Timestamp::UNIX_EPOCH));
}

#[test]
fn what_is_in_no_order_or_of_another_kind_is_refused() {
    let [root, below, leaf] = chain("one");
    let service = Service::default();
    let mut parts = Parts::default();
    assert!(matches!(parts.authority(&format!("{root}{below}"), &service), Err(MakeError::Order { .. })));
    assert!(matches!(parts.authority(&format!("{leaf}{below}{root}"), &service), Err(MakeError::NoAuthority(_))));
    assert!(matches!(parts.timestamp_authority(&format!("{below}{root}"), &service), Err(MakeError::NoLeaf(_))));
    assert!(matches!(parts.authority("", &service), Err(MakeError::Certificate(_))));
    assert!(matches!(parts.log(root.as_bytes(), &service), Err(MakeError::Key(_))));
    let three = pem(KeyAlgorithm::Rsa(3072));
    parts.log(three.as_bytes(), &service).unwrap();
    let (start, end) = (Timestamp::UNIX_EPOCH, Timestamp::MIN);
    let backwards = Service { start: Some(start), end: Some(end), ..Service::default() };
    assert!(matches!(parts.log(three.as_bytes(), &backwards), Err(MakeError::Window { .. })));
    assert_eq!(parts.counts(), [1, 0, 0, 0], "what is refused adds nothing");
}

#[test]
fn a_pool_is_sorted_into_chains() {
    let ([a_root, a_below, _], [b_root, b_below, b_leaf]) = (chain("a"), chain("b"));
    let mut parts = Parts::default();
    parts.authority_pool(&format!("{b_below}{a_root}{a_below}{b_root}")).unwrap();
    let made = TrustedRoot::decode("made", &parts.encode()).unwrap();
    let names: Vec<_> = made.authorities().iter().map(|one| (one.what.name(), one.what.intermediates())).collect();
    assert_eq!(names, [("O=acme,CN=a root", 1), ("O=acme,CN=b root", 1)]);
    let mut parts = Parts::default();
    assert!(matches!(parts.authority_pool(&a_below), Err(MakeError::NoRoot)));
    assert!(matches!(parts.authority_pool(&format!("{a_root}{b_below}")), Err(MakeError::Stray(_))));
    let with_leaf = format!("{b_root}{b_below}{b_leaf}");
    assert!(matches!(Parts::default().authority_pool(&with_leaf), Err(MakeError::NoAuthority(_))));
}

#[test]
fn what_is_not_named_comes_from_elsewhere_and_what_is_named_does_not() {
    let mut other = Parts::default();
    let service = Service::default();
    other.log(pem(KeyAlgorithm::EcdsaP256).as_bytes(), &service).unwrap();
    other.ct_log(pem(KeyAlgorithm::EcdsaP256).as_bytes(), &service).unwrap();
    let mut parts = Parts::default();
    let own = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    parts.log(own.public().to_pem().as_bytes(), &service).unwrap();
    parts.fill_from(&other.encode()).unwrap();
    assert_eq!(parts.counts(), [1, 0, 1, 0]);
    let made = TrustedRoot::decode("made", &parts.encode()).unwrap();
    assert_eq!(made.logs()[0].what.key, *own.public());
    assert!(parts.fill_from(b"junk").is_err());
}

/// The names that cosign 3.1.1 gives (`trusted-root create … origin=log2.x`), by the key of the test below it.
#[test]
fn a_log_with_an_origin_is_named_by_it() {
    let raw = hex::decode("0a613edc787657d6c85f10e7007ea7ac79316493dcb15378d8905993a8dcb759").unwrap();
    let spki = [&hex::decode("302a300506032b6570032100").unwrap()[..], &raw].concat();
    let key = PublicKey::from_spki_der(&spki).unwrap();
    assert_eq!(STANDARD.encode(log_id(&key, Some("log2.x"))), "+nc0CdQftN/VHZMs6mCdZ3QnXAleb2UMmj5l7HNchSA=");
    assert_eq!(STANDARD.encode(log_id(&key, None)), "3DdGlpRi7zTdvta+8L1rmsWPGIUZqEzShThlaRVVlRc=");
}
