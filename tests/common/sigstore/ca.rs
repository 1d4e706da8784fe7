//! Fulcio's authority: a root, an intermediate, and short-lived certificates that carry who signed.

use super::{
    ct::{self, CtLog},
    keys::{Hash, Key, pem},
    rcgen_time,
};
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm,
};
use std::sync::Arc;
use x509_cert::spki::{SubjectPublicKeyInfoOwned, der::Decode as _};

/// The arc of Fulcio's own extensions (fulcio/docs/oid-info.md).
const FULCIO: [u64; 8] = [1, 3, 6, 1, 4, 1, 57264, 1];

/// What stands in the subject alternative name.
#[derive(Clone, Debug)]
pub enum San {
    Email(String),
    Uri(String),
    Dns(String),
    /// Fulcio's username, an `otherName` of type 1.3.6.1.4.1.57264.1.7.
    OtherName(String),
}

/// Who a certificate is for.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The OIDC issuer; extensions .1 (raw) and .8 (DER).
    pub issuer: String,
    pub sans: Vec<San>,
    /// Fulcio's other extensions by their last number: up to 6 raw, later ones a DER UTF8String.
    pub claims: Vec<(u64, String)>,
}

impl Identity {
    pub fn new(issuer: &str, san: San) -> Self {
        Self { issuer: issuer.to_owned(), sans: vec![san], claims: Vec::new() }
    }

    pub fn email(issuer: &str, address: &str) -> Self {
        Self::new(issuer, San::Email(address.to_owned()))
    }

    pub fn uri(issuer: &str, uri: &str) -> Self {
        Self::new(issuer, San::Uri(uri.to_owned()))
    }

    pub fn claim(mut self, number: u64, value: &str) -> Self {
        self.claims.push((number, value.to_owned()));
        self
    }
}

/// Who vouches for a certificate's having been logged.
#[derive(Clone, Default)]
pub enum Scts {
    /// The log of this instance.
    #[default]
    Own,
    None,
    By(Vec<Arc<CtLog>>),
    /// The log of this instance, over another certificate.
    OfAnother,
}

/// A certificate to be issued. Everything that a test may want wrong is a field.
#[derive(Clone)]
pub struct Leaf {
    pub identity: Identity,
    pub not_before: Timestamp,
    /// Fulcio's is ten minutes.
    pub lifetime: SignedDuration,
    pub scts: Scts,
    /// When the SCTs say that they were made; `not_before` unless told otherwise.
    pub sct_time: Option<Timestamp>,
    pub extended_key_usages: Vec<ExtendedKeyUsagePurpose>,
    pub key_usages: Vec<KeyUsagePurpose>,
    pub is_ca: bool,
    /// More extensions, before the SCTs.
    pub extensions: Vec<CustomExtension>,
}

impl Leaf {
    pub fn new(identity: Identity, not_before: Timestamp) -> Self {
        Self {
            identity,
            not_before,
            lifetime: SignedDuration::from_mins(10),
            scts: Scts::Own,
            sct_time: None,
            extended_key_usages: vec![ExtendedKeyUsagePurpose::CodeSigning],
            key_usages: vec![KeyUsagePurpose::DigitalSignature],
            is_ca: false,
            extensions: Vec::new(),
        }
    }
}

/// An extension that nobody knows.
pub fn unknown_extension(critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
    extension.set_criticality(critical);
    extension
}

/// What was issued: DER.
#[derive(Clone, Debug)]
pub struct Issued {
    pub leaf: Vec<u8>,
    /// Intermediate, root.
    pub chain: Vec<Vec<u8>>,
}

impl Issued {
    pub fn leaf_pem(&self) -> String {
        pem("CERTIFICATE", &self.leaf)
    }
}

/// How the authority itself is made.
#[derive(Clone)]
pub struct CaOptions {
    pub root: (Timestamp, Timestamp),
    pub intermediate: (Timestamp, Timestamp),
    /// Of the intermediate; Fulcio's has code signing.
    pub intermediate_usages: Vec<ExtendedKeyUsagePurpose>,
    pub kind: super::Kind,
}

impl Default for CaOptions {
    fn default() -> Self {
        Self {
            root: super::EVER,
            intermediate: super::EVER,
            intermediate_usages: vec![ExtendedKeyUsagePurpose::CodeSigning],
            kind: super::Kind::P384,
        }
    }
}

pub struct Ca {
    ct: Arc<CtLog>,
    issuer: Issuer<'static, KeyPair>,
    /// Intermediate, root; DER.
    pub chain: Vec<Vec<u8>>,
}

impl Ca {
    pub fn new(options: &CaOptions, ct: Arc<CtLog>) -> Self {
        let root_key = Key::new(options.kind);
        let mut params = authority("root", options.root);
        let root = params.self_signed(&root_key.pair).expect("a root");
        let root_issuer = Issuer::new(params, root_key.pair);
        let key = Key::new(options.kind);
        params = authority("intermediate", options.intermediate);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.extended_key_usages.clone_from(&options.intermediate_usages);
        let intermediate = params.signed_by(&key.pair, &root_issuer).expect("an intermediate");
        let chain = vec![intermediate.der().to_vec(), root.der().to_vec()];
        Self { ct, issuer: Issuer::new(params, key.pair), chain }
    }

    /// A certificate for this key (SubjectPublicKeyInfo, DER).
    pub fn issue(&self, spki: &[u8], leaf: &Leaf) -> Issued {
        let key = Subject::of(spki);
        let mut params = leaf_params(leaf);
        let bare = params.signed_by(&key, &self.issuer).expect("a certificate");
        let time = leaf.sct_time.unwrap_or(leaf.not_before);
        let issuer = Hash::Sha256.of(&self.issuer.key().subject_public_key_info());
        let logs: &[Arc<CtLog>] = match &leaf.scts {
            Scts::None => &[],
            Scts::Own | Scts::OfAnother => std::slice::from_ref(&self.ct),
            Scts::By(logs) => logs,
        };
        let mut tbs = to_be_signed(bare.der());
        if matches!(leaf.scts, Scts::OfAnother) {
            tbs.push(0);
        }
        let scts: Vec<_> = logs.iter().map(|log| log.sct(&tbs, &issuer, time)).collect();
        if !scts.is_empty() {
            params.custom_extensions.push(ct::extension(&scts));
        }
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        Issued { leaf: signed.der().to_vec(), chain: self.chain.clone() }
    }
}

fn leaf_params(leaf: &Leaf) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serial_number = Some(serial());
    params.not_before = rcgen_time!(leaf.not_before);
    params.not_after = rcgen_time!(leaf.not_before + leaf.lifetime);
    params.use_authority_key_identifier_extension = true;
    params.subject_alt_names = leaf.identity.sans.iter().map(san).collect();
    params.key_usages.clone_from(&leaf.key_usages);
    params.extended_key_usages.clone_from(&leaf.extended_key_usages);
    params.is_ca = if leaf.is_ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::NoCa };
    let issuer = &leaf.identity.issuer;
    let issuers = [(1, issuer), (8, issuer)].into_iter().filter(|_| !issuer.is_empty());
    let claims = leaf.identity.claims.iter().map(|(number, value)| (*number, value));
    params.custom_extensions.extend(issuers.chain(claims).map(|(number, value)| claim(number, value)));
    params.custom_extensions.extend(leaf.extensions.iter().cloned());
    params
}

/// One of Fulcio's extensions, by its last number.
pub fn claim(number: u64, value: &str) -> CustomExtension {
    let oid: Vec<_> = FULCIO.into_iter().chain([number]).collect();
    let content = match number {
        ..=6 => value.as_bytes().to_vec(),
        _ => yasna::construct_der(|writer| writer.write_utf8_string(value)),
    };
    CustomExtension::from_oid_content(&oid, content)
}

fn san(san: &San) -> SanType {
    let ia5 = |text: &String| text.as_str().try_into().expect("ASCII");
    match san {
        San::Email(text) => SanType::Rfc822Name(ia5(text)),
        San::Uri(text) => SanType::URI(ia5(text)),
        San::Dns(text) => SanType::DnsName(ia5(text)),
        San::OtherName(text) => SanType::OtherName((FULCIO.into_iter().chain([7]).collect(), text.as_str().into())),
    }
}

/// The parameters of a certificate that signs others.
pub fn authority(name: &str, (from, to): (Timestamp, Timestamp)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "sigstore.test");
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(serial());
    params.not_before = rcgen_time!(from);
    params.not_after = rcgen_time!(to);
    params.use_authority_key_identifier_extension = true;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A serial number of 16 bytes.
pub fn serial() -> SerialNumber {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("random bytes");
    bytes[0] = bytes[0] & 0x3f | 0x40;
    SerialNumber::from_slice(&bytes)
}

/// The first part of a certificate: what was signed.
pub fn to_be_signed(certificate: &[u8]) -> Vec<u8> {
    yasna::parse_der(certificate, |reader| {
        reader.read_sequence(|reader| {
            let tbs = reader.next().read_der()?;
            reader.next().read_der()?;
            reader.next().read_der()?;
            Ok(tbs)
        })
    })
    .expect("a certificate")
}

/// A public key that somebody else has the private one of.
struct Subject {
    bits: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
}

impl Subject {
    fn of(spki: &[u8]) -> Self {
        let spki = SubjectPublicKeyInfoOwned::from_der(spki).expect("a public key");
        let bits = spki.subject_public_key.raw_bytes().to_vec();
        let algorithm = match (spki.algorithm.oid.to_string().as_str(), bits.len()) {
            ("1.2.840.10045.2.1", 65) => &rcgen::PKCS_ECDSA_P256_SHA256,
            ("1.2.840.10045.2.1", 97) => &rcgen::PKCS_ECDSA_P384_SHA384,
            ("1.3.101.112", _) => &rcgen::PKCS_ED25519,
            ("1.2.840.113549.1.1.1", _) => &rcgen::PKCS_RSA_SHA256,
            (other, length) => panic!("no certificate for a key of type {other} with {length} bytes"),
        };
        Self { bits, algorithm }
    }
}

impl PublicKeyData for Subject {
    fn der_bytes(&self) -> &[u8] {
        &self.bits
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}
