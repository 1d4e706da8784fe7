use super::{About, Claim, Rejection, Said, SignedReference, Subject, malformed};
use crate::{
    format::{
        predicate::{self, Predicate},
        simple_signing::{Payload, text_of},
        statement::{Statement, StatementSubject},
    },
    limits::Limits,
    oci::{Digest, Reference, Repository},
};
use std::{collections::BTreeMap, fmt};

/// What a signed statement says of what is judged.
pub(super) fn of_statement(payload: &[u8], judged: About<'_>, limits: &Limits) -> Result<Said, Rejection> {
    let statement = Statement::read(payload).map_err(malformed)?;
    let (count, most) = (statement.subject.len(), limits.statement_subjects);
    if count > most {
        return Err(Rejection::OverLimit(format!("{count} subjects in one statement, at most {most}")));
    }
    let about = |digest: &Digest| -> Vec<&StatementSubject> {
        statement.subject.iter().filter(|candidate| candidate.is(digest)).collect()
    };
    // The subject itself first: a statement may name both an index and its images.
    let named = judged.digests().into_iter().map(|digest| (digest, about(&digest)));
    let Some((digest, subjects)) = { named }.find(|(_, subjects)| !subjects.is_empty()) else {
        return Err(Rejection::SubjectMismatch(named_instead(&statement)));
    };
    let names = subjects.iter().filter_map(|named| named.name.as_deref());
    let references = names.filter_map(SignedReference::parse).collect();
    let claim = if statement.predicate_type == predicate::IMAGE_SIGNATURE {
        let annotations = subjects.iter().filter_map(|named| named.annotations.as_ref()).flatten();
        let annotations = annotations.map(|(key, value)| (key.clone(), text_of(value.clone()))).collect();
        Claim::Signature { references, annotations }
    } else {
        let Statement { predicate_type, predicate, .. } = statement;
        Claim::Attestation { predicate_type, predicate, references }
    };
    Ok(Said { digest, claim })
}

/// What a signed simple-signing payload says of `subject`.
pub(super) fn of_payload(payload: Payload, subject: &Subject) -> Result<Said, Rejection> {
    if !subject.digests().any(|digest| digest == payload.digest) {
        return Err(Rejection::SubjectMismatch(payload.digest.to_string()));
    }
    let references = SignedReference::parse(&payload.docker_reference).into_iter().collect();
    let annotations: BTreeMap<_, _> = payload.optional;
    Ok(Said { digest: payload.digest, claim: Claim::Signature { references, annotations } })
}

fn named_instead(statement: &Statement<Predicate>) -> String {
    let digests = statement.subject.iter().flat_map(|subject| &subject.digest);
    let shown: Vec<_> = digests.take(3).map(|(algorithm, hex)| format!("{algorithm}:{hex}")).collect();
    if shown.is_empty() { "no digest".to_owned() } else { shown.join(", ") }
}

impl SignedReference {
    /// Reads a signed name. It has to be written in full, host first: a bare `app` in somebody's statement is a file's
    /// name, not `docker.io/library/app`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, _) = text.split_once('/')?;
        if !host.contains(['.', ':']) && host != "localhost" {
            return None;
        }
        match text.parse::<Reference>().ok()? {
            Reference { repository: Repository::Registry(repository), tag, .. } => Some(Self { repository, tag }),
            Reference { repository: Repository::Layout(_), .. } => None,
        }
    }
}

impl fmt::Display for SignedReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.repository.fmt(f)?;
        self.tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))
    }
}
