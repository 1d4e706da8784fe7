use super::{Claim, Rejection, Said, SignedReference, malformed};
use crate::{
    format::{
        predicate::{self, Predicate},
        simple_signing::{Payload, text_of},
        statement::{Statement, StatementSubject},
    },
    limits::Limits,
    oci::Digest,
};

/// What a statement says of one of these digests.
pub(super) fn of_statement(payload: &[u8], judged: &[Digest], limits: &Limits) -> Result<Said, Rejection> {
    let statement = Statement::read(payload).map_err(malformed)?;
    let (count, most) = (statement.subject.len(), limits.statement_subjects);
    if count > most {
        return Err(Rejection::OverLimit(format!("{count} subjects in one statement, at most {most}")));
    }
    let about = |digest: &Digest| -> Vec<&StatementSubject> {
        statement.subject.iter().filter(|candidate| candidate.is(digest)).collect()
    };
    // The subject itself first: a statement may name both an index and its images.
    let named = judged.iter().map(|digest| (*digest, about(digest)));
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

/// What a signed simple-signing payload says of one of these digests.
pub(super) fn of_payload(payload: Payload, judged: &[Digest]) -> Result<Said, Rejection> {
    if !judged.contains(&payload.digest) {
        return Err(Rejection::SubjectMismatch(payload.digest.to_string()));
    }
    let references = SignedReference::parse(&payload.docker_reference).into_iter().collect();
    Ok(Said { digest: payload.digest, claim: Claim::Signature { references, annotations: payload.optional } })
}

fn named_instead(statement: &Statement<Predicate>) -> String {
    let digests = statement.subject.iter().flat_map(|subject| &subject.digest);
    let shown: Vec<_> = digests.take(3).map(|(algorithm, hex)| format!("{algorithm}:{hex}")).collect();
    if shown.is_empty() { "no digest".to_owned() } else { shown.join(", ") }
}
