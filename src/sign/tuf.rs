use super::{SignError, Signer};
use crate::format::tuf::{Key, Metadata, Role, VerifyingKey};
use std::collections::BTreeMap;

/// Signs a TUF metadata file: adds this key's signature, or replaces it, and keeps all others.
///
/// `keys` are those that metadata lists, by id: the signature stands under the id that the signer's key has there. For a root
/// they are its own and those of the root before it, since both have to sign (TUF 1.0.34, 5.3.4). What was signed is verified
/// before it is kept. Whether enough have signed is not checked: others may follow.
///
/// # Errors
/// The signer's key is none of these, it did not sign, or what it made is no signature.
pub async fn sign_metadata<R: Role>(
    metadata: &mut Metadata<R>,
    keys: &BTreeMap<String, Key>,
    signer: &dyn Signer,
) -> Result<(), SignError> {
    let fingerprint = signer.public_key().fingerprint();
    let decoded = keys.iter().filter_map(|(id, key)| Some((id, key.decode().ok()?)));
    let own: Vec<(&String, VerifyingKey)> = decoded.filter(|(_, key)| key.fingerprint() == fingerprint).collect();
    if own.is_empty() {
        return Err(SignError::NotListed { key: fingerprint });
    }
    for (id, key) in own {
        let signature = signer.sign_with(key.scheme(), metadata.canonical()).await?;
        key.verify(metadata.canonical(), &signature)?;
        metadata.put_signature(id, &signature);
    }
    Ok(())
}
