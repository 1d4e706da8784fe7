//! A timestamp authority (RFC 3161): tokens at any time, right or wrong in the ways that tests want.

use super::{
    ca::{authority, serial, to_be_signed},
    keys::{Hash, Key, Kind},
    rcgen_time,
};
use jiff::Timestamp;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, Issuer, KeyUsagePurpose};
use yasna::{DERWriter, Tag, construct_der, models::ObjectIdentifier, tags::TAG_GENERALIZEDTIME};

const TST_INFO: &[u64] = &[1, 2, 840, 113549, 1, 9, 16, 1, 4];
const SIGNED_DATA: &[u64] = &[1, 2, 840, 113549, 1, 7, 2];
const CONTENT_TYPE: &[u64] = &[1, 2, 840, 113549, 1, 9, 3];
const MESSAGE_DIGEST: &[u64] = &[1, 2, 840, 113549, 1, 9, 4];
const SIGNING_CERTIFICATE_V2: &[u64] = &[1, 2, 840, 113549, 1, 9, 16, 2, 47];
const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];
const TIME_STAMPING: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 8];
const POLICY: &[u64] = &[1, 3, 6, 1, 4, 1, 57264, 2];

/// How the authority itself is made.
#[derive(Clone)]
pub struct TsaOptions {
    pub kind: Kind,
    pub root: (Timestamp, Timestamp),
    pub leaf: (Timestamp, Timestamp),
    /// The leaf's extended key usages, critical as RFC 3161 has it; none leaves the extension out.
    pub usages: Vec<Vec<u64>>,
    pub usages_critical: bool,
}

impl Default for TsaOptions {
    fn default() -> Self {
        let usages = vec![TIME_STAMPING.to_vec()];
        Self { kind: Kind::P256, root: super::EVER, leaf: super::EVER, usages, usages_critical: true }
    }
}

/// Which certificates a token has in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Embedded {
    None,
    Leaf,
    Chain,
}

/// A token to be made. Everything that a test may want wrong is a field.
#[derive(Clone, Debug)]
pub struct Stamp {
    pub time: Timestamp,
    /// Of the imprint.
    pub hash: Hash,
    pub embedded: Embedded,
    /// Written into `genTime` after the seconds: `.25`.
    pub fraction: String,
    /// A positive number, big-endian.
    pub nonce: Option<Vec<u8>>,
    pub serial: u64,
    /// PKIStatus: 0 is granted, 2 a rejection. From 2 on there is no token.
    pub status: u8,
    pub policy: Vec<u64>,
    /// Seconds.
    pub accuracy: Option<u64>,
    /// Names the certificate by another serial number in the signer's info.
    pub other_signer: bool,
    /// Signed attributes with the digest of something else.
    pub other_digest: bool,
}

impl Stamp {
    pub fn at(time: Timestamp) -> Self {
        Self {
            time,
            hash: Hash::Sha256,
            embedded: Embedded::Leaf,
            fraction: String::new(),
            nonce: None,
            serial: 1,
            status: 0,
            policy: POLICY.to_vec(),
            accuracy: None,
            other_signer: false,
            other_digest: false,
        }
    }
}

pub struct Tsa {
    key: Key,
    /// Leaf, root; DER.
    pub chain: Vec<Vec<u8>>,
}

impl Tsa {
    pub fn new(options: &TsaOptions) -> Self {
        let root_key = Key::new(options.kind);
        let params = authority("timestamp root", options.root);
        let root = params.self_signed(&root_key.pair).expect("a root");
        let issuer = Issuer::new(params, root_key.pair);
        let key = Key::new(options.kind);
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "timestamps");
        params.serial_number = Some(serial());
        params.not_before = rcgen_time!(options.leaf.0);
        params.not_after = rcgen_time!(options.leaf.1);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if !options.usages.is_empty() {
            params.custom_extensions.push(usages(&options.usages, options.usages_critical));
        }
        let leaf = params.signed_by(&key.pair, &issuer).expect("a certificate");
        Self { key, chain: vec![leaf.der().to_vec(), root.der().to_vec()] }
    }

    /// A `TimeStampResp` for a message, which in Sigstore is a signature.
    pub fn stamp(&self, message: &[u8], stamp: &Stamp) -> Vec<u8> {
        self.stamp_imprint(&stamp.hash.of(message), stamp)
    }

    /// A `TimeStampResp` for a message's hash.
    pub fn stamp_imprint(&self, imprint: &[u8], stamp: &Stamp) -> Vec<u8> {
        construct_der(|w| {
            w.write_sequence(|w| {
                w.next().write_sequence(|w| w.next().write_u8(stamp.status));
                if stamp.status < 2 {
                    w.next().write_der(&self.token(imprint, stamp));
                }
            });
        })
    }

    /// The token alone: a CMS `ContentInfo`.
    pub fn token(&self, imprint: &[u8], stamp: &Stamp) -> Vec<u8> {
        let info = tst_info(imprint, stamp);
        let attributes = self.attributes(&info, stamp);
        let embedded = match stamp.embedded {
            Embedded::None => &[][..],
            Embedded::Leaf => &self.chain[..1],
            Embedded::Chain => &self.chain[..],
        };
        construct_der(|w| {
            w.write_sequence(|w| {
                oid(w.next(), SIGNED_DATA);
                w.next().write_tagged(Tag::context(0), |w| {
                    w.write_sequence(|w| {
                        w.next().write_u8(3);
                        w.next().write_set_of(|w| algorithm(w.next(), self.key.hash().oid()));
                        w.next().write_sequence(|w| {
                            oid(w.next(), TST_INFO);
                            w.next().write_tagged(Tag::context(0), |w| w.write_bytes(&info));
                        });
                        if !embedded.is_empty() {
                            w.next().write_tagged_implicit(Tag::context(0), |w| {
                                w.write_set_of(|w| embedded.iter().for_each(|der| w.next().write_der(der)));
                            });
                        }
                        w.next().write_set_of(|w| self.signer_info(w.next(), &attributes, stamp));
                    });
                });
            });
        })
    }

    /// The signed attributes, as the SET that is signed.
    fn attributes(&self, info: &[u8], stamp: &Stamp) -> Vec<u8> {
        let digest = self.key.hash().of(if stamp.other_digest { b"something else" } else { info });
        let certificate = Hash::Sha256.of(&self.chain[0]);
        let attribute = |w: DERWriter<'_>, id: &[u64], value: &dyn Fn(DERWriter<'_>)| {
            w.write_sequence(|w| {
                oid(w.next(), id);
                w.next().write_set_of(|w| value(w.next()));
            });
        };
        construct_der(|w| {
            w.write_set_of(|w| {
                attribute(w.next(), CONTENT_TYPE, &|w| oid(w, TST_INFO));
                attribute(w.next(), MESSAGE_DIGEST, &|w| w.write_bytes(&digest));
                // ESSCertIDv2 with the default hash, SHA-256
                attribute(w.next(), SIGNING_CERTIFICATE_V2, &|w| {
                    w.write_sequence(|w| {
                        w.next().write_sequence(|w| {
                            w.next().write_sequence(|w| w.next().write_bytes(&certificate));
                        });
                    });
                });
            });
        })
    }

    fn signer_info(&self, w: DERWriter<'_>, attributes: &[u8], stamp: &Stamp) {
        let (issuer, mut serial) = issuer_and_serial(&self.chain[0]);
        if stamp.other_signer {
            serial = construct_der(|w| w.write_u8(7));
        }
        let ecdsa = match self.key.kind {
            Kind::P256 => &[1, 2, 840, 10045, 4, 3, 2],
            Kind::P384 => &[1, 2, 840, 10045, 4, 3, 3],
            other => panic!("no timestamps by a key of type {other:?}"),
        };
        // [0] IMPLICIT takes the place of SET's own tag
        let implicit = [&[0xa0], &attributes[1..]].concat();
        w.write_sequence(|w| {
            w.next().write_u8(1);
            w.next().write_sequence(|w| {
                w.next().write_der(&issuer);
                w.next().write_der(&serial);
            });
            algorithm(w.next(), self.key.hash().oid());
            w.next().write_der(&implicit);
            algorithm(w.next(), ecdsa);
            w.next().write_bytes(&self.key.sign(attributes));
        });
    }
}

/// `TSTInfo`.
fn tst_info(imprint: &[u8], stamp: &Stamp) -> Vec<u8> {
    let time = format!("{}{}Z", stamp.time.strftime("%Y%m%d%H%M%S"), stamp.fraction);
    construct_der(|w| {
        w.write_sequence(|w| {
            w.next().write_u8(1);
            oid(w.next(), &stamp.policy);
            w.next().write_sequence(|w| {
                algorithm(w.next(), stamp.hash.oid());
                w.next().write_bytes(imprint);
            });
            w.next().write_u64(stamp.serial);
            w.next().write_tagged_implicit(TAG_GENERALIZEDTIME, |w| w.write_bytes(time.as_bytes()));
            if let Some(seconds) = stamp.accuracy {
                w.next().write_sequence(|w| w.next().write_u64(seconds));
            }
            if let Some(nonce) = &stamp.nonce {
                w.next().write_bigint_bytes(nonce, true);
            }
        });
    })
}

/// The extended key usage, which RFC 3161 wants critical.
fn usages(usages: &[Vec<u64>], critical: bool) -> CustomExtension {
    let content = construct_der(|w| w.write_sequence(|w| usages.iter().for_each(|usage| oid(w.next(), usage))));
    let mut extension = CustomExtension::from_oid_content(EXTENDED_KEY_USAGE, content);
    extension.set_criticality(critical);
    extension
}

/// A certificate's issuer and serial number, DER.
fn issuer_and_serial(certificate: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let tbs = to_be_signed(certificate);
    yasna::parse_der(&tbs, |reader| {
        reader.read_sequence(|reader| {
            reader.next().read_der()?;
            let serial = reader.next().read_der()?;
            reader.next().read_der()?;
            let issuer = reader.next().read_der()?;
            for _ in 0..4 {
                reader.next().read_der()?;
            }
            Ok((issuer, serial))
        })
    })
    .expect("a certificate's body")
}

fn algorithm(w: DERWriter<'_>, id: &[u64]) {
    w.write_sequence(|w| oid(w.next(), id));
}

fn oid(w: DERWriter<'_>, id: &[u64]) {
    w.write_oid(&ObjectIdentifier::from_slice(id));
}
